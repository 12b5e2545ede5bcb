"""The head of a node's card: what an admin should know of it first. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta

from analytics.fields import Field, T, chosen, local_time
from analytics.holder import HolderKind
from analytics.node_lines import NodeLine
from analytics.node_rows import NODES
from analytics.output import plain
from analytics.reacted import suspicions
from analytics.status_rows import STATUS, Line
from analytics.timeline import TIMELINE, Happened
from slurm_hooks.duration import format_duration
from slurm_hooks.journal import Book
from slurm_hooks.outcome import Outcome

CHECKS_DEFAULT = "check outcome age remark"


def head(line: NodeLine, book: Book) -> Iterator[str]:
    """Yield the node's state, who holds it and why, and what waits for whom."""
    if line.node is None:
        yield f"{line.name}: its state is not known"
    else:
        yield f"{line.name}: {line.state} in {', '.join(line.node.partitions) or 'no partition'}"
    yield _held(line)
    if line.node and line.node.reason:
        yield f"reason: {line.node.reason}"
    for item in line.waiting:
        entry = item.entry
        yield f"waiting: {entry.kind} for {entry.check}: {entry.why} (id {entry.id})"
    yield from suspicions(book, {item.entry.check for item in line.waiting})


def logs(standings: Iterable[Line]) -> Iterator[str]:
    """Yield where the output is of every check that did not pass at its latest visit."""
    for one in standings:
        shown = one.later or one.main
        if shown.outcome != Outcome.PASS.value and shown.log_path:
            yield f"log of {one.check}: {shown.log_path}"


def as_json(
    line: NodeLine, standings: Sequence[Line], happened: Sequence[Happened]
) -> dict[str, object]:
    """Return the whole card as one object."""
    of_node = chosen(_all(NODES), NODES)
    of_check = chosen(_all(STATUS), STATUS)
    of_time = chosen(_all(TIMELINE), TIMELINE)
    return {
        **plain(of_node, line),
        "standings": [plain(of_check, one) for one in standings],
        "timeline": [plain(of_time, one) for one in happened],
    }


def _held(line: NodeLine) -> str:
    held = line.holder
    if held.kind is HolderKind.UNKNOWN:
        return "who holds it is not known"
    if held.kind is HolderKind.NOBODY:
        return "in service: nobody holds it"
    since = ""
    if held.since is not None:
        ago = format_duration(max(timedelta(0), line.now - held.since))
        since = f" since {local_time(held.since)}, {ago} ago"
    return f"held by {held.text}{since}"


def _all(fields: Sequence[Field[T]]) -> str:
    return " ".join(field.name for field in fields if not field.for_people)
