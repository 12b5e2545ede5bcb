"""Copies the history from the state directory to a server, a segment at a time.

Killed anywhere, the next one goes on: what is copied twice replaces itself. Ingests may go on
beside it, whichever side they write to.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from analytics.alone import alone
from analytics.clickhouse import ClickHouseStore
from analytics.embedded import EmbeddedStore
from analytics.layout import MOST_ROWS
from analytics.manifest import SUFFIX, Segment
from analytics.segments import Segments
from analytics.tables import TABLES
from analytics.transfer_count import missing
from analytics.transfer_file import Noted, Tell
from slurm_hooks.errors import StoreError
from slurm_hooks.state import State


def export(
    state: State,
    embedded: EmbeddedStore,
    server: ClickHouseStore,
    *,
    retention: timedelta,
    now: datetime,
    tell: Tell,
) -> Sequence[str]:
    """Copy every segment to *server*; return a line for each that could not be read.

    Raises:
        StoreError: one side refuses, or the server has less than the state directory in the end.
        StateError: how far it is cannot be written down, or an ingest held the lock for long.
    """
    noted = Noted(state.transfer("export"), server=server.name)
    refused: list[str] = []
    for table in TABLES:
        segments = Segments(table, state.history / table.name)
        refused += _copy_all(segments, server, noted, tell)
    with alone(state):
        server.rebuild()
    problem = missing(embedded, server, since=now - retention)
    if problem:
        noted.forget()
        raise StoreError(f"{problem}; export again: it begins anew")
    return refused


def _copy_all(
    segments: Segments, server: ClickHouseStore, noted: Noted, tell: Tell
) -> Sequence[str]:
    """Copy what the manifest names, and what it names by then; return what cannot be read."""
    name = segments.table.name
    done, refused = {*noted.done(name)}, dict[str, str]()
    while True:
        named = segments.manifest().segments
        todo = [one for one in named if one.name not in done and one.name not in refused]
        total = sum(one.rows for one in named)
        tell(name, total - sum(one.rows for one in todo), total)
        if not todo:
            return list(refused.values())
        problem = _copy(segments, todo[0], server)
        if problem and todo[0].name in segments.manifest().by_name:  # else it was merged meanwhile
            refused[todo[0].name] = problem
        elif not problem:
            done.add(todo[0].name)
            noted.note(name, sorted(done & {one.name for one in named}))


def _copy(segments: Segments, one: Segment, server: ClickHouseStore) -> str:
    """Copy the rows of *one*; return why it cannot be read."""
    path = segments.directory / f"{one.name}{SUFFIX}"
    try:
        for start in range(0, one.rows, MOST_ROWS):
            rows = pl.scan_parquet(path).slice(start, MOST_ROWS).collect()
            server.load(rows, segments.table)
    except (OSError, pl.exceptions.PolarsError) as error:
        return f"{path}: not copied: {(str(error).splitlines() or ['it cannot be read'])[0]}"
    return ""
