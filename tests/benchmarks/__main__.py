"""Prints a table of every benchmark, or of those that are named.

``python -m tests.benchmarks [NAME...]``; those on a lab need root and Slurm.
"""

import argparse
import compileall
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from tests.benchmarks import dashboards, memory, plan, reactions, sweep_scale, users_first
from tests.benchmarks.table import Row, machine, show
from tests.command_line import ROOT


def main(arguments: Sequence[str]) -> int:
    """Print the tables that *arguments* name, all where none; 1 where a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument(
        "--results", type=int,
        help="of memory and dashboards: so many results, and jobs in Slurm's accounting "
        f"(default: {memory.RESULTS}, and {dashboards.RESULTS})",
    )  # fmt: skip
    parser.add_argument(
        "--directory", type=Path,
        help="of dashboards: where the filled store is kept, and asked again the next time",
    )  # fmt: skip
    options = parser.parse_args(arguments)
    if options.results is not None and options.results < memory.FEWEST:
        parser.error(f"--results must be {memory.FEWEST} or more")
    benchmarks: dict[str, Callable[[], list[Row]]] = {
        "plan": plan.rows,
        "users_first": users_first.rows,
        "sweep_scale": sweep_scale.rows,
        "reactions": reactions.rows,
        "memory": partial(memory.rows, options.results or memory.RESULTS),
        "dashboards": partial(
            dashboards.rows, options.results or dashboards.RESULTS, directory=options.directory
        ),
    }
    unknown = [name for name in options.names if name not in benchmarks]
    if unknown:
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(benchmarks)}")
        return 2
    _compile()
    print(machine(), flush=True)
    broken = False
    for name in options.names or benchmarks:
        rows = benchmarks[name]()
        print(f"\n{name}\n{show(rows)}", flush=True)
        broken = broken or any(row.kept is False for row in rows)
    return int(broken)


def _compile() -> None:
    """Compile what is measured, as pip does where it installs it; a checkout may never be."""
    for package in ("slurm_hooks", "sbatch_templates", "analytics", "checks"):
        compileall.compile_dir(ROOT / package, quiet=1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
