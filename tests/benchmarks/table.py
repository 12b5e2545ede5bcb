"""The rows that benchmarks return, and how they are printed."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    """One number, and whether it is what was promised; None where nothing was."""

    what: str
    number: str
    promise: str = ""
    kept: bool | None = None


def show(rows: Sequence[Row]) -> str:
    """Return *rows* as a Markdown table."""
    marks = {None: "", True: " (kept)", False: " **(broken)**"}
    cells = [("what", "measured", "promised")]
    cells += [(row.what, row.number, row.promise + marks[row.kept]) for row in rows]
    widths = [max(len(cell[column]) for cell in cells) for column in range(3)]
    lines = [_line(cell, widths) for cell in cells]
    return "\n".join([lines[0], _line(tuple("-" * width for width in widths), widths), *lines[1:]])


def machine() -> str:
    """Return what the numbers were taken on: processors, memory, system, and what else it does."""
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    return (
        f"{_processor()}, {os.cpu_count()} cores, {memory_gb:.0f} GB, "
        f"{platform.system()} {platform.release()}, Python {platform.python_version()}; "
        f"load average {os.getloadavg()[0]:.1f} at the start"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return f"| {' | '.join(c.ljust(w) for c, w in zip(cells, widths, strict=True))} |"
