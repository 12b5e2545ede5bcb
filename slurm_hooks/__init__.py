"""Everything that touches Slurm or runs beside it; standard library only."""
