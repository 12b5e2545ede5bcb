"""How due checks become visits, and visits batches: budget, limits, shapes. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from analytics.history import Last
from checks.due import Rule
from checks.eligible import Verdict
from slurm_hooks.batch import MAX_VISITS, Mode, Shape

OVERHEAD = timedelta(seconds=30)
"""What a visit takes beside its checks: start, records, and killing what they left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one sweep may ask for."""

    max_visits: int
    """At once, over the whole cluster."""
    in_flight: int
    """Visits that open batches may still run at once."""
    visit_budget: timedelta
    """The checks of one visit take no longer than this."""
    queue_limit: timedelta
    """No task waits longer than this, unless its checks say; what could not start by then is not
    planned."""
    under_way: Mapping[Shape, int] = field(default_factory=dict)
    """How many visits of each shape open batches may still run."""

    def room(self, shape: Shape) -> int | None:
        """Return how many more visits of *shape* may be asked for, or None where nothing says."""
        most = [1] if shape.mode is Mode.JOB else []
        most += [shape.max_jobs] if shape.max_jobs else []
        return max(0, min(most) - self.under_way.get(shape, 0)) if most else None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """What the plan says of one node."""

    node: str
    verdict: Verdict
    detail: str
    checks: tuple[str, ...] = ()
    """In the order they will run."""
    until: datetime | None = None
    """When a fresh or waiting node becomes due."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBatch:
    """One array to submit: nodes of one resource shape, the stalest first."""

    shape: Shape
    throttle: int
    time_limit: timedelta
    queue_limit: timedelta
    """The least of its checks'."""
    visits: tuple[NodePlan, ...]


@dataclass(frozen=True, slots=True)
class Due:
    """One stale check on one node; sorts by urgency."""

    judged_at: datetime
    attempt_at: datetime
    rule: Rule
    last: Last | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One node that may be visited."""

    urgency: tuple[datetime, datetime, str]
    shape: Shape
    time_limit: timedelta
    queue_limit: timedelta
    plan: NodePlan


def pack(first: Due, due: Sequence[Due], budget: timedelta) -> list[Due]:
    """Return what one visit runs, in order: *first* and what it waits for, then what else fits.

    Where those alone are over *budget*, those at the start of the order come now,
    and *first* when they have passed.
    """
    same_shape = {one.rule.name: one for one in due if one.rule.shape == first.rule.shape}
    needed = _with_dependencies(first, same_shape)
    chosen: set[str] = set()
    for one in (*(one for one in due if one in needed), *same_shape.values()):
        rule = one.rule
        ready = all(name in chosen or name not in same_shape for name in rule.depends_on)
        if rule.name not in chosen and ready and rule.time_limit <= budget:
            budget -= rule.time_limit
            chosen.add(rule.name)
    return [one for one in due if one.rule.name in chosen]


def _with_dependencies(first: Due, due: Mapping[str, Due]) -> list[Due]:
    """Return *first* and those of *due* that must pass before it."""
    found = [first]
    for one in found:
        found.extend(
            due[name] for name in one.rule.depends_on if name in due and due[name] not in found
        )
    return found


def within_limits(candidates: Sequence[Candidate], limits: Limits) -> list[Candidate]:
    """Return the most urgent of *candidates*: no more than can start within the queue limit.

    Those chosen have the least of their limits. One that would leave too little time for
    those before it stays for a later sweep, where it is among the first.
    """
    free = limits.max_visits - limits.in_flight
    chosen: list[Candidate] = []
    longest, least = timedelta(0), timedelta.max
    for one in sorted(candidates, key=lambda one: one.urgency):
        slower, sooner = max(longest, one.time_limit), min(least, one.queue_limit)
        if len(chosen) < free * max(1, sooner // slower):
            chosen.append(one)
            longest, least = slower, sooner
    return chosen


def batches(chosen: Sequence[Candidate], limits: Limits) -> tuple[PlannedBatch, ...]:
    """Group by shape and share the free visits, the most urgent group first.

    A group for which no free visit is left is not planned.
    """
    groups: dict[Shape, list[Candidate]] = {}
    for candidate in chosen:
        groups.setdefault(candidate.shape, []).append(candidate)
    chunks = [
        (shape, group[start : start + MAX_VISITS])
        for shape, group in groups.items()
        for start in range(0, len(group), MAX_VISITS)
    ]
    free = limits.max_visits - limits.in_flight
    found = []
    for index, (shape, chunk) in enumerate(chunks[: max(0, free)]):
        share = max(1, free // (len(chunks) - index))
        throttle = min(len(chunk), share)
        free -= throttle
        # Nothing throttles jobs of their own, so there are no more than may run.
        now = chunk if shape.mode is Mode.ARRAY else chunk[:throttle]
        found.append(
            PlannedBatch(
                shape=shape,
                throttle=throttle,
                time_limit=max(one.time_limit for one in now),
                queue_limit=min(one.queue_limit for one in now),
                visits=tuple(one.plan for one in now),
            )
        )
    return tuple(found)
