"""The shipped check programs: standard library only, run on a node as `python -I -m`."""
