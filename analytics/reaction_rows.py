"""The fields of `reactions`."""

from collections.abc import Sequence

from analytics.fields import Field, style_of_outcome
from analytics.reacted import PENDING, STATES, WAITING, ended, state_of, why
from analytics.table import Style
from analytics.usual_fields import check, node, when
from slurm_hooks.journal import Item, Verdict, What
from slurm_hooks.reaction import Kind

REACTIONS_DEFAULT = "time node check reaction state remark"

_STYLES = {
    PENDING: Style.WARNING,
    WAITING: Style.WARNING,
    What.LOST.value: Style.UNCLEAR,
    What.DONE.value: Style.PLAIN,
    What.JOINED.value: Style.PLAIN,
    What.NOTED.value: Style.PLAIN,
}


def _remark(item: Item) -> str:
    parts = [why(item), item.entry.detail]
    if item.entry.verdict is Verdict.WOULD:
        parts.reverse()  # they are all in shadow
    return "; ".join(filter(None, parts))


REACTIONS: Sequence[Field[Item]] = (
    when("time", "when it was decided", lambda item: item.entry.at, sacct="start"),
    node(lambda item: item.entry.node),
    check(lambda item: item.entry.check),
    Field(
        name="reaction",
        meaning=" ".join(kind.value for kind in Kind),
        value=lambda item: item.entry.kind.value,
    ),
    Field(
        name="state",
        meaning=" ".join(STATES),
        value=state_of,
        style=lambda text: _STYLES.get(text, Style.QUIET),
    ),
    Field(
        name="remark",
        meaning="why it is in that state, and what the check said",
        value=_remark,
        flexible=True,
        for_people=True,
    ),
    Field(name="why", meaning="why it is in that state", value=why, flexible=True),
    Field(
        name="detail",
        meaning="what the check said",
        value=lambda item: item.entry.detail,
        flexible=True,
    ),
    Field(
        name="outcome",
        meaning="the outcome that it follows from",
        value=lambda item: item.entry.outcome.value,
        style=style_of_outcome,
    ),
    when("judged", "when the check ended", lambda item: item.entry.judged_at),
    when(
        "done",
        "when Slurm was seen to have taken it",
        lambda item: item.carried_out and item.carried_out.at,
    ),
    when(
        "undone",
        "when it was undone, lost or given up",
        lambda item: (end := ended(item)) and end.at,
        sacct="end",
    ),
    Field(
        name="by",
        meaning="who undid it, changed it or gave it up",
        value=lambda item: (end := ended(item)) and end.by,
    ),
    Field(
        name="text",
        meaning="what it writes into Slurm: the reason, the comment, the reservation's name",
        value=lambda item: item.entry.text,
        flexible=True,
    ),
    Field(name="id", meaning="its id", value=lambda item: item.entry.id),
    Field(name="result", meaning="the result's id", value=lambda item: item.entry.result_id),
    Field(name="batch", meaning="the batch", value=lambda item: item.entry.batch),
    Field(
        name="target",
        meaning="the id of the reaction that it undoes, or that stands already",
        value=lambda item: item.entry.target,
    ),
)
