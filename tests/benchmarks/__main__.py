"""Prints a table of every benchmark, or of those that are named.

``python -m tests.benchmarks [NAME...]``; those on a lab need root and Slurm.
"""

import sys
from collections.abc import Callable

from tests.benchmarks import plan, reactions, sweep_scale, users_first
from tests.benchmarks.table import Row, machine, show

BENCHMARKS: dict[str, Callable[[], list[Row]]] = {
    "plan": plan.rows,
    "users_first": users_first.rows,
    "sweep_scale": sweep_scale.rows,
    "reactions": reactions.rows,
}


def main(names: list[str]) -> int:
    """Print the tables of *names*, of all where there are none; 1 where a promise is broken."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
        return 2
    print(machine(), flush=True)
    broken = False
    for name in names or BENCHMARKS:
        rows = BENCHMARKS[name]()
        print(f"\n{name}\n{show(rows)}", flush=True)
        broken = broken or any(row.kept is False for row in rows)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
