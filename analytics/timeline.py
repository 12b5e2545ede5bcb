"""What happened on a node: results and reactions in one order, and how each reads. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import NamedTuple

from analytics.fields import Field, style_of_outcome
from analytics.result import Result
from analytics.table import Style
from analytics.usual_fields import check, job, log, when
from slurm_hooks.journal import Event, Item, Verdict, What
from slurm_hooks.reaction import Kind

TIMELINE_DEFAULT = "time check what detail"

_VERDICTS = {Verdict.WAIT: "waits", Verdict.WOULD: "would be done", Verdict.NO: "not done"}
_EVENTS = {What.ALLOWED: "may go on", What.JOINED: "noted"}


class Happened(NamedTuple):
    """One thing that happened."""

    at: datetime
    kind: str
    """``result`` or ``reaction``."""
    check: str
    what: str
    detail: str
    by: str = ""
    job: int = 0
    log: str = ""
    id: str = ""
    """The result's, or the reaction's."""


def timeline(
    results: Iterable[Result],
    items: Iterable[Item],
    *,
    since: datetime,
    until: datetime,
    most: int | None,
) -> list[Happened]:
    """Return what happened in that time, the newest last; of more than *most* the newest."""
    found = [_of_result(row) for row in results]
    found += [one for item in items for one in _of_item(item)]
    inside = sorted(
        (one for one in found if since <= one.at <= until), key=lambda one: one.at
    )  # stable: a result comes before what follows from it
    return inside if most is None else inside[len(inside) - min(most, len(inside)) :]


def _of_result(row: Result) -> Happened:
    return Happened(
        at=row.finished_at,
        kind="result",
        check=row.check_name,
        what=row.outcome,
        detail=row.detail,
        job=row.job_id,
        log=row.log_path,
        id=row.result_id,
    )


def _of_item(item: Item) -> Iterator[Happened]:
    """Yield the decision, unless it was done at once, and all that became of it."""
    entry = item.entry
    if entry.verdict is not Verdict.DO:
        detail = entry.why or entry.detail
        yield _happened(item, entry.at, _VERDICTS[entry.verdict], detail)
    elif not item.events:
        undone = "handed to the sweep" if entry.kind is Kind.NOTIFY else "decided, not seen done"
        yield _happened(item, entry.at, undone, entry.detail)
    for event in item.events:
        what = _EVENTS.get(event.what, event.what.value)
        yield _happened(item, event.at, what, _said(item, event), event.by)


def _said(item: Item, event: Event) -> str:
    if event.what in (What.DONE, What.JOINED, What.NOTED):
        return item.entry.text if item.entry.kind.undoes is None else item.entry.detail
    by = f"by {event.by}" if event.by else ""
    return ": ".join(filter(None, [by, event.detail]))


def _happened(item: Item, at: datetime, what: str, detail: str, by: str = "") -> Happened:
    entry = item.entry
    return Happened(
        at=at,
        kind="reaction",
        check=entry.check,
        what=f"{entry.kind} {what}",
        detail=detail,
        by=by,
        id=entry.id,
    )


def _style(text: str) -> Style:
    return Style.PLAIN if " " in text else style_of_outcome(text)


TIMELINE: Sequence[Field[Happened]] = (
    when("time", "when it happened", lambda one: one.at, sacct="end"),
    check(lambda one: one.check),
    Field(
        name="what",
        meaning="the outcome of a result, or the reaction and what became of it",
        value=lambda one: one.what,
        aliases=("state",),
        style=_style,
    ),
    Field(
        name="detail",
        meaning="what the check said, or what was written into Slurm, or why not",
        value=lambda one: one.detail,
        flexible=True,
    ),
    Field(name="by", meaning="who did it, where it was not we", value=lambda one: one.by),
    Field(name="kind", meaning="result or reaction", value=lambda one: one.kind),
    job("the Slurm job that the check ran in", lambda one: one.job),
    log(lambda one: one.log),
    Field(name="id", meaning="the result's or the reaction's id", value=lambda one: one.id),
)
