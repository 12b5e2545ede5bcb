"""What somebody is to be told of the reactions, and when it is tried again. Pure."""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from checks.definition import CheckDefinition
from slurm_hooks.decode import encode
from slurm_hooks.journal import Book, CheckEvent, Item, Verdict, Word
from slurm_hooks.oneline import one_line
from slurm_hooks.outcome import Outcome
from slurm_hooks.reaction import Kind
from slurm_hooks.target import Target, filled

VERSION = 1
GIVEN_UP_AFTER = timedelta(hours=24)
FORGOTTEN_AFTER = timedelta(hours=72)
"""What became of a notice is known for so long; it is not tried for nearly as long."""

_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(hours=1)
_NAMESPACE = uuid.UUID("8c9d1a52-6a0e-5b0b-9b59-0f6d1f6f4c1e")

Body = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing that one target is to be told."""

    id: str
    """The same however often it is tried: whoever got it twice can tell."""
    at: datetime
    """Since when it is to be told."""
    target: Target
    body: Body

    @property
    def data(self) -> bytes:
        """The JSON that goes out: the template's, or all there is to say."""
        if self.target.template is None:
            return json.dumps(self.body).encode() + b"\n"
        values = {key: _as_text(value) for key, value in self.body.items()}
        return json.dumps(filled(self.target.template, values)).encode() + b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """What became of a notice so far: one file in the state directory."""

    version: int = VERSION
    id: str
    decided_at: datetime
    target: str
    """As messages name it."""
    attempts: int
    last_at: datetime
    """When the last attempt began; it is written down before that."""
    delivered: bool = False
    problem: str = ""


def notices(
    book: Book, definitions: Iterable[CheckDefinition], site: Target | None, *, cluster: str
) -> list[Notice]:
    """Return everything that *book* has to tell, the oldest first.

    A reaction is told to whom its check's definition names now, a suspension to the site's
    target as well. One that a person decided about meanwhile is told no more.
    """
    targets = {one.name: _Targets(one) for one in definitions}
    together: dict[str, list[Item]] = {}
    for item in book.items.values():
        together.setdefault(item.entry.result_id, []).append(item)
    found: list[Notice] = []
    for item in book.items.values():
        since, known = item.told_from, targets.get(item.entry.check)
        target = known.after(item.entry.outcome) if known is not None else None
        if since is not None and target is not None:
            body = _of_item(item, together[item.entry.result_id], cluster)
            found.append(_notice(f"entry {item.entry.id}", since, target, body))
    for word in book.checks.values():
        if word.word is Word.SUSPENDED:
            known = targets.get(word.check)
            found.extend(_of_suspension(word, known, site, cluster))
    return sorted(found, key=lambda one: (one.at, one.id))


def due(found: Sequence[Notice], tried: Mapping[str, Tried], *, now: datetime) -> list[Notice]:
    """Return which of *found* are to be tried now, those first that were tried least."""
    ready = [
        one
        for one in found
        if now - one.at < GIVEN_UP_AFTER and _may_try(tried.get(one.id), now=now)
    ]
    attempts = {one.id: one.attempts for one in tried.values()}
    return sorted(ready, key=lambda one: (attempts.get(one.id, 0), one.at, one.id))


def pause(attempts: int) -> timedelta:
    """Return how long to wait after so many attempts: a minute, then twice as long each time."""
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * (1 << min(attempts - 1, 10)))


def undelivered(found: Sequence[Notice], tried: Mapping[str, Tried], *, now: datetime) -> list[str]:
    """Return a line for each target that was not told something, as long as that is known."""
    late: dict[tuple[str, bool], list[Notice]] = {}
    for one in found:
        attempt, age = tried.get(one.id), now - one.at
        told = attempt is not None and attempt.delivered
        given_up = age >= GIVEN_UP_AFTER
        if told or age >= FORGOTTEN_AFTER or (attempt is None and not given_up):
            continue
        late.setdefault((one.target.shown, given_up), []).append(one)
    return [
        _late_line(target, few, tried, given_up=given_up)
        for (target, given_up), few in sorted(late.items())
    ]


class _Targets:
    """Whom a check's definition tells what."""

    def __init__(self, definition: CheckDefinition) -> None:
        failed, passed = definition.failure_reactions.notify, definition.success_reactions.notify
        self.failed = failed.target if failed is not None else None
        self._passed = passed.target if passed is not None else None

    def after(self, outcome: Outcome) -> Target | None:
        return self._passed if outcome is Outcome.PASS else self.failed


def _of_item(item: Item, together: Sequence[Item], cluster: str) -> Body:
    entry = item.entry
    others = [one for one in together if one.entry.kind is not Kind.NOTIFY]
    texts = [one.entry.text for one in others if one.entry.text]
    return _body(
        event="passed" if entry.outcome is Outcome.PASS else "failed",
        cluster=cluster,
        node=entry.node,
        check=entry.check,
        outcome=entry.outcome.value,
        detail=entry.detail,
        text=texts[0] if texts else "",
        why=entry.why,
        reactions=[{"kind": one.entry.kind.value, "state": _state(one)} for one in others],
        result=entry.result_id,
        batch=entry.batch,
        at=entry.at,
    )


def _of_suspension(
    word: CheckEvent, check: _Targets | None, site: Target | None, cluster: str
) -> Iterator[Notice]:
    body = _body(
        event="suspended", cluster=cluster, check=word.check, detail=word.detail, at=word.at,
        text=f"{word.detail}; cluster-doctor reactions approve|discard {word.check} decides",
    )  # fmt: skip
    own = check.failed if check is not None else None
    name = f"suspension {word.check} {word.at.isoformat()}"
    if own is not None:
        yield _notice(f"{name} check", word.at, own, body)
    if site is not None and site != own:
        yield _notice(f"{name} site", word.at, site, body)


def _body(
    *, event: str, cluster: str, check: str, detail: str, at: datetime, text: str, node: str = "",
    outcome: str = "", why: str = "", reactions: Sequence[object] = (), result: str = "",
    batch: str = "",
) -> Body:  # fmt: skip
    return {
        "version": VERSION, "event": event, "cluster": cluster, "node": node, "check": check,
        "outcome": outcome, "detail": one_line(detail), "text": one_line(text), "why": why,
        "reactions": list(reactions), "result": result, "batch": batch, "at": encode(at),
    }  # fmt: skip


def _notice(name: str, at: datetime, target: Target, body: Body) -> Notice:
    identifier = uuid.uuid5(_NAMESPACE, name).hex
    return Notice(id=identifier, at=at, target=target, body={**body, "notice": identifier})


def _state(item: Item) -> str:
    """Return what became of a reaction, in one word."""
    if item.waiting:
        return "waiting"
    if item.entry.verdict in (Verdict.WOULD, Verdict.NO):
        return item.entry.verdict.value
    return item.events[-1].what.value if item.events else "decided"


def _as_text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(f"{one['kind']}: {one['state']}" for one in value)
    return str(value)


def _may_try(tried: Tried | None, *, now: datetime) -> bool:
    if tried is None:
        return True
    waited = abs(now - tried.last_at)  # a clock that was set back may not silence it
    return not tried.delivered and waited >= pause(tried.attempts)


def _late_line(
    target: str, few: Sequence[Notice], tried: Mapping[str, Tried], *, given_up: bool
) -> str:
    attempts = [tried[one.id] for one in few if one.id in tried]
    latest = max(attempts, key=lambda one: one.last_at, default=None)
    problem = latest.problem or "the attempt was cut off" if latest else "there was no sweep"
    what = "given up" if given_up else "to be tried again"
    number = "1 notice" if len(few) == 1 else f"{len(few)} notices"
    return f"{number} not delivered by {target}, {what}: {problem}"
