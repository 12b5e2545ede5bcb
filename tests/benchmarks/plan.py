"""How long a plan takes on a large cluster."""

import time
from datetime import UTC, datetime, timedelta

from analytics.history import Last
from checks.due import Rule
from checks.pack import Limits
from checks.plan import make_plan
from slurm_hooks.batch import Shape
from slurm_hooks.record import Outcome
from slurm_hooks.slurm_text import Node
from tests.benchmarks.table import Row

NOW = datetime(2026, 11, 21, tzinfo=UTC)
LIMITS = Limits(
    max_visits=500,
    in_flight=0,
    visit_budget=timedelta(minutes=20),
    queue_limit=timedelta(minutes=30),
)


def rows() -> list[Row]:
    """Return (what, seconds) for empty, half stale and wholly fresh histories."""
    nodes = [
        Node(name=f"n{number:05}", state="IDLE", partitions=("main",)) for number in range(10_000)
    ]
    names = frozenset(node.name for node in nodes)
    rules = [
        Rule(
            name=f"check-{number:02}",
            max_age=timedelta(days=7),
            retry_after=timedelta(hours=1),
            time_limit=timedelta(minutes=1),
            shape=Shape(),
            depends_on=("check-00",) if number % 5 == 4 else (),
            nodes=names,
        )
        for number in range(20)
    ]
    found = []
    for what, share in (("no history", 0.0), ("half stale", 0.5), ("all fresh", 1.0)):
        last = {
            (node.name, rule.name): _last(hours=24 if place < share * len(nodes) else 24 * 8)
            for place, node in enumerate(nodes)
            for rule in rules
            if share
        }
        times = []
        for _ in range(5):
            began = time.perf_counter()
            make_plan(
                rules=rules,
                nodes=nodes,
                excluded={},
                last=last,
                in_batch={},
                limits=LIMITS,
                now=NOW,
            )
            times.append(time.perf_counter() - began)
        found.append(Row(f"plan, 10,000 nodes x 20 checks, {what}", f"{sorted(times)[2]:.2f} s"))
    return found


def _last(*, hours: int) -> Last:
    at = NOW - timedelta(hours=hours)
    return Last(judged=Outcome.PASS, judged_at=at, attempt=Outcome.PASS, attempt_at=at)
