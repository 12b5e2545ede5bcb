"""What a sweep tells of itself and of the fleet, as one file on its way to the history."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from analytics import coverage_row, node_state, sweep_row
from analytics.coverage_row import CoverageRow
from analytics.node_state import NodeState
from analytics.row_json import Row, loaded, rows_from_json, rows_to_json
from analytics.sweep_row import SweepRow
from slurm_hooks.errors import RecordError

VERSION = 1
MAX_BYTES = 100_000_000
"""Some 500 bytes a node: a larger file is not one of ours."""

_CLOCKS_DIFFER = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepFile:
    """All rows that one sweep leaves."""

    sweep: SweepRow
    nodes: tuple[NodeState, ...] = ()
    """Those of which something changed."""
    coverage: tuple[CoverageRow, ...] = ()

    @property
    def file_name(self) -> str:
        """Names are in the order of time."""
        return f"{self.sweep.started_at:%Y%m%dT%H%M%S.%f}Z.json"


def dumps(told: SweepFile) -> bytes:
    """Return *told* as one line of JSON."""
    value = {
        "version": VERSION,
        "sweep": rows_to_json([told.sweep]),
        "nodes": rows_to_json(told.nodes),
        "coverage": rows_to_json(told.coverage),
    }
    return json.dumps(value, allow_nan=False, default=_as_dict).encode() + b"\n"


def loads(data: bytes, *, cluster: str, now: datetime) -> SweepFile:
    """Return what *data* holds, which a sweep of *cluster* wrote before *now*.

    Raises:
        RecordError: it is not that: torn, foreign, from the future or from a newer version.
    """
    if len(data) > MAX_BYTES:
        raise RecordError(f"larger than {MAX_BYTES} bytes")
    try:
        told = _told(loaded(data))
    except ValueError as error:
        raise RecordError(f"not what a sweep tells: {error}") from error
    _check(told, cluster=cluster, now=now)
    return told


def _told(value: object) -> SweepFile:
    if not isinstance(value, dict):
        raise ValueError("not a table")  # noqa: TRY004 as all else that is wrong here
    version = value.get("version")
    if isinstance(version, int) and version > VERSION:
        raise RecordError(f"written by a newer cluster-doctor (version {version} of such files)")
    sweeps = _rows("sweep", sweep_row.COLUMNS, value)
    if len(sweeps) != 1:
        raise ValueError(f"sweep: {len(sweeps)} rows, not one")
    return SweepFile(
        sweep=SweepRow._make(sweeps[0]),
        nodes=tuple(map(NodeState._make, _rows("nodes", node_state.COLUMNS, value))),
        coverage=tuple(map(CoverageRow._make, _rows("coverage", coverage_row.COLUMNS, value))),
    )


def _rows(part: str, columns: Mapping[str, str], value: Mapping[str, object]) -> list[Row]:
    try:
        return rows_from_json(columns, value.get(part))
    except ValueError as error:
        raise ValueError(f"{part}: {error}") from error


def _check(told: SweepFile, *, cluster: str, now: datetime) -> None:
    """Refuse what is another cluster's or sweep's, or of a clock that is plainly wrong."""
    at = told.sweep.started_at
    if at > now + _CLOCKS_DIFFER:
        raise RecordError(
            f"it tells of {at:%Y-%m-%dT%H:%M:%SZ}, and it is {now:%Y-%m-%dT%H:%M:%SZ}"
        )
    names = {told.sweep.cluster, *_of(told.nodes), *_of(told.coverage)}
    if names != {cluster}:
        others = ", ".join(sorted(map(repr, names - {cluster})))
        raise RecordError(f"it is of cluster {others}, and these settings are of {cluster!r}")
    times = {row.seen_at for row in told.nodes} | {row.at for row in told.coverage}
    if times - {at}:
        raise RecordError("its rows are of several sweeps")


def _of(rows: Iterable[NodeState | CoverageRow]) -> set[str]:
    return {row.cluster for row in rows}


def _as_dict(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{value!r} is no JSON")
