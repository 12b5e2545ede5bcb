"""Results, values and pairs as frames, for the tests of what is made of a history."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import strategies as st

from analytics.regression import VALUES, MetricRule
from analytics.reliability import OUTCOMES
from slurm_hooks.record import Outcome

START = datetime(2030, 1, 1, tzinfo=UTC)
Row = tuple[str, str, str, datetime, float]


def results(rows: Iterable[Row]) -> pl.DataFrame:
    """Rows of node, check, outcome, time and duration as a frame."""
    return pl.DataFrame([*rows], schema=OUTCOMES, orient="row")


def daily(*outcomes: str, node: str = "n1", check: str = "storage") -> pl.DataFrame:
    """One result a day of one pair."""
    return results(
        (node, check, outcome, START + timedelta(days=day), 60.0)
        for day, outcome in enumerate(outcomes)
    )


def values(series: Mapping[str, Sequence[float]], metric: str = "speed") -> pl.DataFrame:
    """One value a day for each node, the oldest first."""
    rows = [
        (node, "storage", metric, START + timedelta(days=day), value)
        for node, numbers in series.items()
        for day, value in enumerate(numbers)
    ]
    return pl.DataFrame(rows, schema=VALUES, orient="row")


def one_class(nodes: Iterable[str], hardware: str | None = "gpu") -> pl.DataFrame:
    """Nodes that are all alike."""
    names = [*nodes]
    return pl.DataFrame(
        {"node": names, "hardware": [hardware] * len(names)},
        schema={"node": pl.String, "hardware": pl.String},
    )


def rule(
    *, higher: bool = True, warn: float | None = 0.05, fail: float | None = 0.08
) -> MetricRule:
    """A rule for the metric of `values`."""
    return MetricRule(
        check="storage", metric="speed", unit="B/s", higher_is_better=higher,
        warn=warn, fail=fail, mads=6,
    )  # fmt: skip


@st.composite
def histories(draw: st.DrawFn) -> list[Row]:
    """Some results of a few pairs, no two of a pair at the same time, in any order."""
    keys = [(node, check) for node in ("n1", "n2") for check in ("cpu", "storage")]
    rows: list[Row] = []
    for node, check in keys:
        hours = draw(st.lists(st.integers(0, 500), unique=True, max_size=30))
        rows += [
            (node, check, draw(st.sampled_from([*Outcome])).value,
             START + timedelta(hours=hour), draw(st.integers(0, 600)) * 1.0)
            for hour in hours
        ]  # fmt: skip
    return draw(st.permutations(rows))


def of_pair(rows: Iterable[Row], node: str, check: str) -> list[Row]:
    """The judged results of one pair, the oldest first."""
    found = [row for row in rows if row[:2] == (node, check) and Outcome(row[2]).judged]
    return sorted(found, key=lambda row: row[3])
