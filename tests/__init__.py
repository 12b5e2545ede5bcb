"""Tests, and the lab: a real Slurm cluster on one machine."""
