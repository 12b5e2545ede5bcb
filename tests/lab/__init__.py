"""A real Slurm cluster on one machine, in a private directory, for tests, the demo and by hand."""

from tests.lab.cluster import Lab
from tests.lab.errors import LabError

__all__ = ["Lab", "LabError"]
