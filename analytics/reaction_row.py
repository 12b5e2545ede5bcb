"""One state of one reaction as a row of `reaction_states`, for questions in SQL."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "id": "String",
        "revision": "UInt32",
        "cluster": "String",
        "decided_at": "DateTime64(3, 'UTC')",
        "node": "String",
        "check_name": "String",
        "kind": "String",
        "state": "String",
        "why": "String",
        "outcome": "String",
        "judged_at": "DateTime64(3, 'UTC')",
        "detail": "String",
        "text": "String",
        "result_id": "String",
        "batch": "String",
        "target": "String",
        "done_at": "Nullable(DateTime64(3, 'UTC'))",
        "ended_at": "Nullable(DateTime64(3, 'UTC'))",
        "ended_by": "String",
    }
)
"""Each column's ClickHouse type; the frames' types are derived from these."""


class ReactionRow(NamedTuple):
    """A row. Of those that share an id the one of the highest revision counts."""

    id: str
    revision: int
    """How much had happened to it."""
    cluster: str
    decided_at: datetime
    node: str
    check_name: str
    kind: str
    state: str
    """As `cluster-doctor reactions` writes it."""
    why: str
    outcome: str
    judged_at: datetime
    detail: str
    text: str
    """What it wrote into Slurm."""
    result_id: str
    batch: str
    target: str
    """The reaction that it undoes, or that stands already."""
    done_at: datetime | None
    ended_at: datetime | None
    """When it was undone, lost or given up."""
    ended_by: str
