"""What the reports on the fleet and on a check have in common: the days' plot, metrics' units."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import polars as pl

from analytics.plot import Stacks
from analytics.regression import MetricRule
from slurm_hooks.record import Outcome

HOUR_S = 3600.0


def daily_plots(daily: pl.DataFrame) -> Iterator[Stacks]:
    """Yield how the results of each day ended, and what of them did not pass, outcome by outcome.

    Days without results are in it; of no results at all there is no plot.
    """
    if daily.is_empty():
        return
    counts: dict[tuple[datetime, str], int] = {
        (day, name): results
        for day, name, results in daily.group_by("day", "outcome")
        .agg(pl.col("results").sum())
        .iter_rows()
    }
    first, last = min(day for day, _ in counts), max(day for day, _ in counts)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    parts = {
        one.value: [float(counts.get((day, one.value), 0)) for day in days]
        for one in Outcome
        if any(name == one.value for _, name in counts)
    }
    yield Stacks(title="Results a day", days=days, parts=parts)
    rest = {name: part for name, part in parts.items() if name != Outcome.PASS.value}
    if rest:
        yield Stacks(title="Those that did not pass", days=days, parts=rest)


def with_units(lost: pl.DataFrame, rules: Sequence[MetricRule]) -> pl.DataFrame:
    """Return *lost* with the unit of each metric."""
    units = pl.DataFrame(
        [(rule.check, rule.metric, rule.unit) for rule in rules],
        schema={"check_name": pl.String, "metric": pl.String, "unit": pl.String},
        orient="row",
    )
    return lost.join(units, on=["check_name", "metric"], how="left", maintain_order="left")
