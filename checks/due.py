"""When one check on one node is due: by age, schedule, retries and confirmation. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from analytics.history import Last
from analytics.standing import confirmed, fails
from checks.schedule import Scheduled
from slurm_hooks.batch import Shape
from slurm_hooks.outcome import Outcome

Key = tuple[str, str]
"""(node, check)"""

NEVER = datetime.min.replace(tzinfo=UTC)
"""Before anything: sorts first."""

_BROKEN = {Outcome.ERROR, Outcome.TIMEOUT}
"""Unjudged for a reason that the next sweep would probably meet again."""

_AT_ONCE = timedelta(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When and where one check is due: what the plan needs of its definition."""

    name: str
    max_age: timedelta
    retry_after: timedelta
    time_limit: timedelta
    shape: Shape
    depends_on: tuple[str, ...]
    nodes: frozenset[str]
    """Those it is for."""
    depends_on_everywhere: tuple[str, ...] = ()
    retries: int = 0
    """How often an error or a timeout in a row is repeated sooner than retry_after."""
    backoff: timedelta = timedelta(minutes=10)
    """Before the first repetition; it doubles, up to retry_after."""
    confirm: tuple[int, int] = (1, 1)
    """How many of how many of the last judged results must be fails for a fail to count."""
    scheduled: Scheduled | None = None
    """Where it is due at certain times besides."""
    new_since: datetime | None = None
    """Since when it is known, where its first run waits; None where that is due at once."""
    queue_limit: timedelta | None = None
    """How long its visits may wait in all; None leaves it to the plan's limits."""


def first_due(rule: Rule) -> datetime:
    """Return when a pair without a history is due: at once, or as if judged when first seen."""
    if rule.new_since is None:
        return NEVER
    until = rule.new_since + rule.max_age
    if rule.scheduled is None:
        return until
    last = rule.scheduled.last
    return min(until, last if last and last > rule.new_since else rule.scheduled.next)


def is_due(rule: Rule, last: Last, now: datetime) -> bool:
    """Whether a pair with a history wants a visit, and is not held off after a failed try."""
    if not wants(rule, last, now):
        return False
    pause = _pause(rule, last)
    return not pause or now >= (last.attempt_at or NEVER) + pause


def wants(rule: Rule, last: Last, now: datetime) -> bool:
    """Whether the proof is stale, or no verdict yet, or scheduled to be made again."""
    if not _is_fresh(rule, last, now) or unconfirmed(rule, last):
        return True
    at = scheduled_at(rule)
    return at is not None and last.judged_at is not None and last.judged_at < at


def _is_fresh(rule: Rule, last: Last, now: datetime) -> bool:
    return last.judged_at is not None and last.judged_at >= fresh_from(rule, now)


def fresh_from(rule: Rule, now: datetime) -> datetime:
    """Return how old a judgement may be at *now*: one of exactly max_age ago is still fresh."""
    try:
        return now - rule.max_age
    except OverflowError:  # before the calendar begins
        return NEVER


def passed(rule: Rule, last: Last | None, now: datetime) -> bool:
    """Whether there is a proof young enough for what depends on it; a schedule does not age it."""
    if last is None:
        return False
    return last.judged in {Outcome.PASS, Outcome.WARN} and _is_fresh(rule, last, now)


def fresh_until(rule: Rule, last: Last) -> datetime:
    """Return when a pair that wants nothing will."""
    until = (last.judged_at or NEVER) + rule.max_age
    return min(until, rule.scheduled.next) if rule.scheduled else until


def held_until(rule: Rule, last: Last) -> datetime:
    """Return when a pair that wants a visit is tried again."""
    return (last.attempt_at or NEVER) + _pause(rule, last)


def _pause(rule: Rule, last: Last) -> timedelta:
    """Return for how long after its latest attempt a pair that wants a visit is left alone.

    A preempted visit is no fault of the check, so it is always repeated; but where users'
    jobs take the node again and again, each time after twice as long.
    """
    if last.attempt is Outcome.PASS:  # by far the most; an enum is slow to look up in a set
        return _AT_ONCE
    if last.attempt in _BROKEN:
        tries = max(1, sum(outcome in _BROKEN for outcome in last.unjudged))
        return _backoff(rule, tries) if tries <= rule.retries else rule.retry_after
    if last.attempt is Outcome.PREEMPTED:
        times = last.unjudged.count(Outcome.PREEMPTED)
        return _backoff(rule, times - 1) if times > 1 else _AT_ONCE
    if last.attempt is Outcome.SKIP:
        return rule.retry_after
    if last.attempt is Outcome.FAIL and unconfirmed(rule, last):
        return min(rule.backoff, rule.retry_after)
    return _AT_ONCE


def _backoff(rule: Rule, tries: int) -> timedelta:
    return min(rule.retry_after, rule.backoff * (1 << (tries - 1)))


def unconfirmed(rule: Rule, last: Last) -> bool:
    """Whether it failed last, and that is no verdict yet."""
    if rule.confirm[0] == 1 or last.judged is not Outcome.FAIL:
        return False
    return not confirmed(last.failures, rule.confirm)


def doubt(rule: Rule, last: Last) -> str:
    """Say how far an unconfirmed fail is from being one."""
    seen = fails(last.failures, rule.confirm)
    return f"{rule.name} failed {seen} of {rule.confirm[0]} times, to be confirmed"


def scheduled_at(rule: Rule) -> datetime | None:
    """Return the latest scheduled time that has come."""
    return rule.scheduled.last if rule.scheduled else None
