"""Tidies the embedded history up in a process of its own, where there is something to tidy.

A merge takes Polars a hundred megabytes, which a sweep would keep to its end; and one that is
killed for them ends no sweep. Nothing is loaded to see that there is nothing to do.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from analytics.layout import merges
from analytics.manifest import files, read_manifest
from analytics.tables import TABLES
from slurm_hooks.errors import StoreError

GRACE = timedelta(hours=1)
"""So long a replaced segment stays: no question takes as long, nor does a stale NFS cache."""

_LONGEST_S = 1800.0


def tidy_apart(
    history: Path, *, now: datetime, retention: timedelta, python: str = sys.executable
) -> Sequence[str]:
    """Tidy every table of *history* up; return a line for each file that is in the way.

    Raises:
        StoreError: it could not be done. Nothing is lost; the next ingest tries again.
    """
    if not any(_is_due(history / table.name, now=now, retention=retention) for table in TABLES):
        return []
    argv = [
        python, "-I", "-m", "analytics.tidying",  # -I: whatever lies in the working directory
        str(history), now.isoformat(), str(retention.total_seconds()),
    ]  # fmt: skip
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, timeout=_LONGEST_S, check=False, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StoreError(f"{history}: cannot be tidied up: {error}") from error
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
        raise StoreError(f"{history}: cannot be tidied up: {last}")
    lines: list[str] = json.loads(done.stdout)
    return lines


def _is_due(directory: Path, *, now: datetime, retention: timedelta) -> bool:
    """Whether a table's directory has something to merge, to drop, or to take in."""
    there = files(directory)
    manifest = read_manifest(directory)
    if manifest is None:
        return bool(there)
    known = {*manifest.by_name, *(one.name for one in manifest.retired)}
    return (
        bool(merges(manifest.segments))
        or any(one.until < now - retention for one in manifest.segments)
        or any(one.at < now - GRACE for one in manifest.retired)
        or any(path.stem not in known for path in there)
    )


def _main(history: str, now: str, retention_s: str) -> int:
    """Do it here; what is in the way goes to standard output, what fails to standard error."""
    from analytics.embedded import EmbeddedStore  # noqa: PLC0415 it knows this module

    store = EmbeddedStore(Path(history), retention=timedelta(seconds=float(retention_s)))
    try:
        found = store.tidy_here(now=datetime.fromisoformat(now))
    except StoreError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(_main(*sys.argv[1:]))
