"""What a reader of a panel looks at: the part of the fleets' frames, cut out by Polars."""

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from tests.dashboard_engine import History
from tests.grafana_macros import ALL, Shown

DAY = timedelta(days=1)
JUDGED = pl.col("outcome").is_in(["pass", "warn", "fail"])
PAIR = ("cluster", "node", "check_name")
BROKE = ["error", "timeout", "node_fail"]
GAVE_WAY = ["preempted", "cancelled", "not_started"]


SHARE = (pl.col("proven") / pl.col("nodes")).alias("share")
UNPROVEN = (pl.col("nodes") - pl.col("proven")).alias("unproven")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a reader of a panel looks at: a part of the history."""

    history: History
    shown: Shown
    in_partitions: bool
    """Whether the panel asks which partitions are chosen."""

    @property
    def results(self) -> pl.DataFrame:
        """Results that ended in the shown time."""
        return self.chosen(self.within(self.history.results, "finished_at"))

    @property
    def judged(self) -> pl.DataFrame:
        """Of them, those that judged."""
        return self.results.filter(JUDGED)

    @property
    def latest(self) -> pl.DataFrame:
        """The latest judgement of each check on each node, until the end."""
        judged = self.chosen(self.history.results.filter(JUDGED))
        return judged.sort("finished_at").group_by(PAIR).last()

    @property
    def nodes(self) -> pl.DataFrame:
        """The nodes as they were at the end."""
        states = self.until(self.history.nodes, "seen_at", 2 * DAY)
        latest = states.sort("seen_at").group_by("cluster", "node").last()
        return self.chosen(latest.filter(pl.col("state") != ""))

    @property
    def coverage(self) -> pl.DataFrame:
        """Coverage in the shown time."""
        return self.chosen(self.within(self.history.coverage, "at")).with_columns(SHARE, UNPROVEN)

    @property
    def coverage_then(self) -> pl.DataFrame:
        """Coverage at each cluster's last sweep until the end."""
        samples = self.until(self.history.coverage, "at", DAY)
        latest = samples.filter(pl.col("at") == pl.col("at").max().over("cluster"))
        return self.chosen(latest).with_columns(SHARE, UNPROVEN)

    def fails(self) -> pl.Expr:
        """Return whether one of the chosen checks fails on a node."""
        failing = pl.col("failing")
        if not self.everything("check"):
            failing = failing.list.set_intersection(self.values("check"))
        return failing.list.len() > 0

    @property
    def sweeps(self) -> pl.DataFrame:
        """Sweeps of the shown time."""
        return self.chosen(self.within(self.history.sweeps, "started_at"))

    @property
    def decided(self) -> pl.DataFrame:
        """Reactions that were decided in the shown time, as they stand."""
        return self.chosen(self.within(self.history.decided, "decided_at"))

    @property
    def standing(self) -> pl.DataFrame:
        """Reactions whenever they were decided, as they stand."""
        return self.chosen(self.history.decided)

    @property
    def runs(self) -> pl.DataFrame:
        """Runs that were planned in the shown time, with how their visits ended."""
        planned = self.within(self.history.plans, "created_at")
        planned = self.pick(self.pick(planned, "cluster", "cluster"), "check_name", "check")
        of = ["cluster", "batch", "check_name"]
        ends = self.history.results.group_by(of).agg(
            pl.len().alias("ended"),
            *(
                pl.col("outcome").is_in(outcomes).sum().alias(name)
                for name, outcomes in {
                    "pass": ["pass"], "warn": ["warn"], "fail": ["fail"], "broke": BROKE,
                    "gave_way": GAVE_WAY,
                }.items()
            ),
            pl.col("finished_at").max().alias("last_at"),
        )  # fmt: skip
        took = (pl.col("last_at") - pl.col("submitted_at")).dt.total_milliseconds() / 1000
        return (
            planned.join(ends, on=of, how="inner")
            .with_columns(
                pl.when(pl.col("ended") < pl.col("planned")).then(pl.lit("InProgress"))
                .when(pl.col("fail") > 0).then(pl.lit("Failed"))
                .when(pl.col("broke") > 0).then(pl.lit("Error"))
                .otherwise(pl.lit("Complete")).alias("status"),
            )
            .with_columns(
                pl.when(pl.col("status") != "InProgress").then(took).alias("duration_s")
            )
        )  # fmt: skip

    def chosen(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return those *rows* that are about what the reader chose."""
        for column, variable in (("cluster", "cluster"), ("node", "node"), ("check_name", "check")):
            rows = self.pick(rows, column, variable)
        if not self.in_partitions or self.everything("partition") or "node" not in rows.columns:
            return rows
        wanted = pl.col("partitions").list.set_intersection(self.values("partition"))
        nodes = self.history.nodes.sort("seen_at").group_by("cluster", "node").last()
        return rows.join(nodes.filter(wanted.list.len() > 0), on=["cluster", "node"], how="semi")

    def pick(self, rows: pl.DataFrame, column: str, variable: str) -> pl.DataFrame:
        """Return those *rows* whose *column* has what was chosen of *variable*."""
        if self.everything(variable) or column not in rows.columns:
            return rows
        return rows.filter(pl.col(column).is_in(self.values(variable)))

    def everything(self, variable: str) -> bool:
        """Whether all of *variable* is chosen, or the dashboard does not have it."""
        return self.shown.chosen.get(variable, ALL) in (ALL, [ALL], "")

    def values(self, variable: str) -> list[str]:
        """Return what is chosen of *variable*."""
        value = self.shown.chosen[variable]
        return [value] if isinstance(value, str) else [*value]

    def within(self, rows: pl.DataFrame, column: str) -> pl.DataFrame:
        """Return the *rows* of the shown time."""
        return rows.filter(pl.col(column).is_between(self.shown.since, self.shown.until))

    def until(self, rows: pl.DataFrame, column: str, length: timedelta) -> pl.DataFrame:
        """Return the *rows* of so *length* a time before the end."""
        end = self.shown.until
        return rows.filter((pl.col(column) <= end) & (pl.col(column) > end - length))

    def time(self, column: str, *, least_s: int = 1) -> pl.Expr:
        """Return the interval, of *least_s* or more, in which a time of *column* is."""
        length = f"{max(self.shown.interval_ms // 1000, least_s)}s"
        return pl.col(column).dt.truncate(length).alias("time")
