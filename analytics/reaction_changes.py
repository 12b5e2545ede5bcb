"""Which reactions differ from what the history has of them, as rows of it. Pure."""

from collections.abc import Mapping

from analytics.reacted import ended, state_of, why
from analytics.reaction_row import ReactionRow
from slurm_hooks.journal import Book, Item


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
