"""The fields of `nodes`."""

from collections.abc import Sequence
from datetime import datetime

from analytics.fields import Field, age, names
from analytics.node_lines import NodeLine
from analytics.table import Style
from analytics.usual_fields import node, when

NODES_DEFAULT = "node state holder since failing proof"


def _age_s(line: NodeLine, at: datetime | None) -> float | None:
    return None if at is None else max(0.0, (line.now - at).total_seconds())


def _style_of_state(text: str) -> Style:
    parts = set(text.split("+"))
    if parts & {"DOWN", "FAIL", "ERROR", "NOT_RESPONDING"}:
        return Style.BAD
    return Style.WARNING if parts & {"DRAIN", "?"} else Style.PLAIN


def _waiting(line: NodeLine) -> list[str]:
    return [f"{item.entry.kind} for {item.entry.check}: {item.entry.why}" for item in line.waiting]


NODES: Sequence[Field[NodeLine]] = (
    node(lambda line: line.name),
    Field(
        name="state",
        meaning="as scontrol shows it: the base state and its flags; ? where it does not answer",
        value=lambda line: line.state,
        style=_style_of_state,
    ),
    Field(
        name="holder",
        meaning="who keeps it from its users: a check, a user, Slurm, a reservation; or nobody",
        value=lambda line: line.holder.text,
    ),
    when("since", "since when, where that is known", lambda line: line.holder.since),
    Field(
        name="failing",
        meaning="the checks whose latest judgement is fail",
        value=lambda line: [*line.proof.failing],
        text=names,
        kind=list,
        flexible=True,
        style=lambda _text: Style.BAD,
    ),
    Field(
        name="proof",
        meaning="how long ago a check last judged it, in seconds; - if never",
        value=lambda line: _age_s(line, line.proof.latest),
        text=age,
        kind=float,
        absent="-",
        right=True,
    ),
    when("judged", "when that was", lambda line: line.proof.latest),
    when(
        "oldest",
        "when the check was judged whose latest judgement is the oldest",
        lambda line: line.proof.oldest,
    ),
    Field(
        name="checks",
        meaning="how many checks ever ran on it",
        value=lambda line: line.proof.checks,
        kind=int,
        right=True,
    ),
    Field(
        name="reason",
        meaning="Slurm's reason",
        value=lambda line: line.node and line.node.reason,
        flexible=True,
    ),
    Field(
        name="user",
        meaning="who gave that reason",
        value=lambda line: line.node and line.node.reason_user,
    ),
    Field(
        name="kind",
        meaning="what the holder is: check, user, slurm, reservation, unknown or nothing",
        value=lambda line: line.holder.kind.value,
    ),
    Field(
        name="waiting",
        meaning="reactions that wait, and for what",
        value=_waiting,
        kind=list,
        text=lambda value: "; ".join(value) if isinstance(value, list) else str(value),
        flexible=True,
    ),
    Field(
        name="partitions",
        meaning="its partitions",
        value=lambda line: [*line.node.partitions] if line.node else None,
        text=names,
        kind=list,
        aliases=("partition",),
    ),
)
