"""One state of one reaction as a row of `reaction_states`, for questions in SQL."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

from analytics.reacted import ended, state_of, why
from slurm_hooks.journal import Book, Item

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


def changed(book: Book, told: Mapping[str, int], *, cluster: str) -> list[ReactionRow]:
    """Return a row for each reaction that differs from what was *told* (id: revision)."""
    return [
        _row(item, cluster)
        for entry_id, item in sorted(book.items.items())
        if told.get(entry_id) != len(item.events)
    ]


def revisions(book: Book) -> dict[str, int]:
    """Return how much has happened to each reaction."""
    return {entry_id: len(item.events) for entry_id, item in book.items.items()}


def _row(item: Item, cluster: str) -> ReactionRow:
    entry, done, end = item.entry, item.carried_out, ended(item)
    return ReactionRow(
        id=entry.id,
        revision=len(item.events),
        cluster=cluster,
        decided_at=entry.at,
        node=entry.node,
        check_name=entry.check,
        kind=entry.kind.value,
        state=state_of(item),
        why=why(item),
        outcome=entry.outcome.value,
        judged_at=entry.judged_at,
        detail=entry.detail,
        text=entry.text,
        result_id=entry.result_id,
        batch=entry.batch,
        target=entry.target,
        done_at=done.at if done else None,
        ended_at=end.at if end else None,
        ended_by=end.by if end else "",
    )
