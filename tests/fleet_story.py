"""A small fleet with a story: what happened to nine nodes in forty days, as frames and as rows.

n1 flaps, n2 slowed down a week ago, n3 fails since yesterday, n4 died twice, n9 is busy.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import polars as pl

from analytics.coverage import PAIRS
from analytics.fleet_facts import FAILING, NODES, Facts
from analytics.past import RESULTS, Past, summed
from analytics.regression import VALUES, MetricRule
from analytics.report_fleet import FleetAnswers
from analytics.report_question import Scope
from analytics.result import Result, result
from checks.reporting import DECIDED, HELD, SWEEP, TAKEN
from slurm_hooks.record import Evidence, Outcome, Record

NOW = datetime(2030, 3, 2, 12, 0, tzinfo=UTC)
DAYS = 40
NODE_NAMES = tuple(f"n{number}" for number in range(1, 10))
BAD = "/var/tmp: <script>alert('x')</script> \x1b[31mred"
SCOPE = Scope(cluster="alpha", since=NOW - timedelta(days=DAYS), until=NOW)
RULES = (
    MetricRule(
        check="storage", metric="write_bytes_per_s", unit="bytes/s", higher_is_better=True,
        warn=0.05, fail=0.2, mads=6,
    ),
)  # fmt: skip


def story(now: datetime = NOW) -> Iterator[Result]:
    """Every result, the oldest first; each visit runs storage, and every fourth day cpu."""
    for day in range(DAYS):
        for number, node in enumerate(NODE_NAMES, start=1):
            ended = now - timedelta(days=DAYS - 1 - day, hours=2, minutes=number)
            outcome = _outcome(number, day)
            speed = (0.8 if number == 2 and day > DAYS - 8 else 1.0) * (1000 + (number * day) % 7)
            yield _row(node, "storage", outcome, ended, day, {"write_bytes_per_s": speed * 1e6})
            if day % 4 == 0:
                fine = Outcome.PASS if outcome is not Outcome.NODE_FAIL else outcome
                yield _row(node, "cpu", fine, ended, day, {})


def _outcome(number: int, day: int) -> Outcome:
    if number == 1 and day > DAYS - 15:
        return (Outcome.PASS, Outcome.FAIL)[day % 2]
    if number == 3 and day == DAYS - 1:
        return Outcome.FAIL
    if number == 4 and day in (DAYS - 20, DAYS - 10):
        return Outcome.NODE_FAIL
    if number == 9 and day > DAYS - 4:
        return Outcome.PREEMPTED
    return Outcome.PASS


def _row(
    node: str, check: str, outcome: Outcome, ended: datetime, day: int, metrics: dict[str, float]
) -> Result:
    number = int(node[1:])
    planned = ended - timedelta(minutes=30 - number)  # the same for all nodes of a day
    made = Record(
        cluster="alpha",
        batch=f"{planned:%Y%m%dT%H%M%SZ}-{day:08x}",
        task=number,
        attempt=0,
        check=check,
        node=node,
        job_id=100 + day,
        token="t" * 30,
        evidence=Evidence.RUNNER if outcome.judged else Evidence.SLURM,
        outcome=outcome,
        detail=BAD if outcome is Outcome.FAIL else "",
        exit_code=0,
        started_at=ended - timedelta(seconds=90),
        finished_at=ended,
        duration_s=90.0,
        metrics=metrics if outcome.judged else {},
        log_path="",
    )
    return result(made, outcome, partition="background", now=ended)


def past_of(rows: list[Result]) -> Past:
    """What a report keeps of *rows*."""
    results = pl.DataFrame(
        [
            (row.node, row.check_name, row.outcome, row.finished_at, row.duration_s,
             hash(row.batch) % 2**63)
            for row in rows
        ],
        schema=RESULTS,
        orient="row",
    )  # fmt: skip
    values = pl.DataFrame(
        [
            (row.node, row.check_name, name, row.finished_at, value)
            for row in rows
            for name, value in row.metrics.items()
        ],
        schema=VALUES,
        orient="row",
    )
    return summed(results, values, recent=NOW - timedelta(days=28))


def facts_of(rows: list[Result]) -> Facts:
    """The fleet at the end of the story: all nodes are alike, n9 is busy."""
    judged = {(row.node, row.check_name): row for row in rows if Outcome(row.outcome).judged}
    max_age_s = {"storage": 86400.0, "cpu": 7 * 86400.0}
    return Facts(
        nodes=pl.DataFrame(
            [(node, "64 CPUs", "IDLE", "busy" if node == "n9" else "due") for node in NODE_NAMES],
            schema=NODES,
            orient="row",
        ),
        pairs=pl.DataFrame(
            [
                (node, check, judged[node, check].finished_at, age_s,
                 "busy" if node == "n9" else "due", "pass", 0)
                for node in NODE_NAMES
                for check, age_s in max_age_s.items()
            ],
            schema=PAIRS,
            orient="row",
        ),
        failing=pl.DataFrame(
            [
                (row.node, row.check_name, row.finished_at, True, row.detail)
                for row in judged.values()
                if row.outcome == "fail"
            ],
            schema=FAILING,
            orient="row",
        ),
    )  # fmt: skip


def answers() -> FleetAnswers:
    """What else the history says at the end of the story: n1 is drained, and one sweep failed."""
    decided = NOW - timedelta(minutes=58)
    sweeps = [
        ("alpha", NOW - timedelta(minutes=minutes), 1.5, 9, 7, 2, 2, 4, said)
        for minutes, said in ((3, ""), (8, "slurmctld does not answer"))
    ]
    return FleetAnswers(
        taken=pl.DataFrame({"node": ["n1"], "out": [2]}, schema=TAKEN),
        held=pl.DataFrame(
            [("n1", "IDLE+DRAIN", "check storage", "check", decided, "disk: storage: /var/tmp")],
            schema=HELD, orient="row",
        ),
        reactions=pl.DataFrame(
            [("n1", decided, "storage", "drain", "done", "", "/var/tmp", None, "")],
            schema=DECIDED, orient="row",
        ),
        sweeps=pl.DataFrame(sweeps, schema=SWEEP, orient="row").drop("cluster"),
    )  # fmt: skip


def no_answers() -> FleetAnswers:
    """Of what nothing is known."""
    return FleetAnswers(*(frame.clear() for frame in answers()))
