"""Prints a table of every benchmark: ``python -m tests.benchmarks``."""

from tests.benchmarks import plan

if __name__ == "__main__":
    for what, number in plan.rows():
        print(f"{what:<60} {number:>10}", flush=True)
