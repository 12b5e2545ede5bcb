"""What the plan says of a node in words. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from analytics.history import Last
from checks.due import (
    Key,
    Rule,
    doubt,
    first_due,
    fresh_until,
    held_until,
    scheduled_at,
    unconfirmed,
    wants,
)
from checks.eligible import Verdict
from checks.pack import Due, Limits, NodePlan
from slurm_hooks.duration import format_duration
from slurm_hooks.outcome import Outcome


def ages(visit: Sequence[Due], now: datetime) -> str:
    """Say how old each proof is, and which there never were."""
    never = [one.rule.name for one in visit if one.last is None or one.last.judged is None]
    old = [_age(one, now, one.last) for one in visit if one.last and one.last.judged]
    if not old:
        return "never judged"
    return ", ".join(old) + (f"; never judged: {', '.join(never)}" if never else "")


def _age(one: Due, now: datetime, last: Last) -> str:
    if unconfirmed(one.rule, last):
        return doubt(one.rule, last)
    text = f"{one.rule.name} {format_duration(now - one.judged_at)} old"
    at = scheduled_at(one.rule)
    if now - one.judged_at > one.rule.max_age or at is None:
        return text
    return f"{text} and scheduled {format_duration(now - at)} ago"


def nothing_due(
    node: str, rules: Sequence[Rule], last: Mapping[Key, Last], now: datetime
) -> NodePlan:
    """Explain a node without a due check by what is tried next, else by what ages first."""
    found = {rule.name: last.get((node, rule.name)) for rule in rules}
    held = list(_held(rules, found, now))
    if held:
        until, _, detail = min(held)
        return NodePlan(node=node, verdict=Verdict.WAITING, detail=detail, until=until)
    fresh = [(fresh_until(rule, seen), rule.name) for rule in rules if (seen := found[rule.name])]
    until, name = min(fresh)
    return NodePlan(node=node, verdict=Verdict.FRESH, detail=name, until=until)


def _held(
    rules: Sequence[Rule], found: Mapping[str, Last | None], now: datetime
) -> Iterator[tuple[datetime, str, str]]:
    """Yield until when a check that wants a visit is left alone, its name, and why."""
    for rule in rules:
        seen = found[rule.name]
        if seen is None:
            yield first_due(rule), rule.name, f"{rule.name} is new; run for the first time"
        elif wants(rule, seen, now):
            ended = f"{rule.name} ended {seen.attempt}"
            if seen.attempt is Outcome.FAIL:
                ended = doubt(rule, seen)
            yield held_until(rule, seen), rule.name, f"{ended}; tried again"


def over_limit(plan: NodePlan, limits: Limits) -> NodePlan:
    """Return the plan of a node that was due and for which there is no room."""
    text = f"at most {limits.max_visits} visits at once, {limits.in_flight} under way"
    return NodePlan(node=plan.node, verdict=Verdict.OVER_LIMIT, detail=f"{text}; {plan.detail}")
