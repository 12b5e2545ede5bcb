"""The same figures as dashboards show, computed by Polars from the frames of the fleets alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

import polars as pl

from grafana.runs import OF_STATUS
from grafana.style import OF_HOLDERS
from tests.dashboard_engine import History
from tests.grafana_macros import ALL, Shown

DAY = timedelta(days=1)
JUDGED = pl.col("outcome").is_in(["pass", "warn", "fail"])
PAIR = ("cluster", "node", "check_name")
BROKE = ["error", "timeout", "node_fail"]
GAVE_WAY = ["preempted", "cancelled", "not_started"]


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
        """Coverage at the end."""
        samples = self.until(self.history.coverage, "at", DAY)
        latest = samples.sort("at").group_by("cluster", "check_name").last()
        return self.chosen(latest).with_columns(SHARE, UNPROVEN)

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

    def time(self, column: str) -> pl.Expr:
        """Return the interval in which a time of *column* is."""
        length = f"{max(self.shown.interval_ms // 1000, 1)}s"
        return pl.col(column).dt.truncate(length).alias("time")


SHARE = (pl.col("proven") / pl.col("nodes")).alias("share")
UNPROVEN = (pl.col("nodes") - pl.col("proven")).alias("unproven")
HOURS = (pl.col("duration_s").sum() / 3600).alias("Value")
PASS_RATE = (pl.col("outcome") == "pass").mean()
"""Of judged results."""

VISITS = pl.struct("batch", "task", "attempt").n_unique()
BY = pl.when(pl.col("holder_kind") == "").then(pl.lit("nobody")).otherwise("holder_kind")

Figure = Callable[[Seen], pl.DataFrame]
"""Rows as a panel has them: all of its columns, or some."""


def one(name: str, value: object) -> pl.DataFrame:
    """Return a row with a number."""
    return pl.DataFrame({name: [value]})


def count(rows: pl.DataFrame, *by: str | pl.Expr, name: str = "Value") -> pl.DataFrame:
    """Return how many *rows* there are of each kind."""
    return rows.group_by(*by).agg(pl.len().alias(name))


def parts(rows: pl.DataFrame, kind: pl.Expr, names: Mapping[str, str]) -> pl.DataFrame:
    """Return a row with how many *rows* are of each of the kinds that *names* has."""
    return rows.select((kind == name).sum().alias(name) for name in names)


def heartbeat(seen: Seen) -> pl.DataFrame:
    """Return how long ago the latest sweep ended, of the cluster where that is longest."""
    ended = seen.chosen(seen.history.sweeps).filter(pl.col("error") == "")
    latest = ended.group_by("cluster").agg(pl.col("finished_at").max().dt.truncate("1s"))
    age = (seen.shown.until - pl.col("finished_at")).dt.total_seconds()
    return latest.select(age.max().alias("age_s"))


def debt(seen: Seen) -> pl.DataFrame:
    """Return the coverage debt by reason: means of each interval, cluster and check, added up."""
    samples = seen.coverage.with_columns(seen.time("at"))
    there = samples.group_by("time", "cluster", "check_name").agg(pl.len().alias("samples"))
    told = _entries(samples, "debt").group_by("time", "cluster", "check_name", "why")
    means = told.agg(pl.col("pairs").sum()).join(there, on=["time", "cluster", "check_name"])
    means = means.with_columns(pl.col("pairs") / pl.col("samples"))
    return means.group_by("time", "why").agg(pl.col("pairs").sum().alias("Value"))


def verdicts(seen: Seen) -> pl.DataFrame:
    """Return what sweeps found: the mean of each interval and cluster, added up."""
    sweeps = seen.sweeps.filter(pl.col("error") == "").with_columns(seen.time("started_at"))
    there = sweeps.group_by("time", "cluster").agg(pl.len().alias("sweeps"))
    told = _entries(sweeps, "verdicts").group_by("time", "cluster", "why")
    means = told.agg(pl.col("pairs").sum()).join(there, on=["time", "cluster"])
    means = means.with_columns(pl.col("pairs") / pl.col("sweeps"))
    added = means.group_by("time", "why").agg(pl.col("pairs").sum().alias("Value"))
    return added.rename({"why": "verdict"})


def _entries(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """Return a row for each entry of the map in *column*: why, and how many pairs."""
    names = pl.col(column).list.eval(pl.element().struct.field("key")).alias("why")
    values = pl.col(column).list.eval(pl.element().struct.field("value")).alias("pairs")
    return rows.with_columns(names, values).explode("why", "pairs").filter(pl.col("pairs") > 0)


def last_sweeps(seen: Seen) -> pl.DataFrame:
    """Return the newest hundred sweeps."""
    newest = seen.sweeps.sort("started_at", descending=True).head(100)
    return newest.select("cluster", "started_at", "duration_s", "planned", "visits", "ingested")


def gave_way(seen: Seen) -> int:
    """Return how many visits a user's job ended."""
    return int(seen.results.filter(outcome="preempted").select(VISITS).item())


def failing_now(seen: Seen, *outcomes: str) -> pl.DataFrame:
    """Return the latest judgements that are of these *outcomes*."""
    fails = seen.latest.filter(pl.col("outcome").is_in(outcomes))
    return fails.select("node", "check_name", pl.col("finished_at").alias("judged_at"))


def held_or_failing(seen: Seen) -> pl.DataFrame:
    """Return the nodes that somebody holds, or on which something fails."""
    bad = (pl.col("holder_kind") != "") | (pl.col("failing").list.len() > 0)
    fails = pl.col("failing").list.join(", ").alias("fails")
    return seen.nodes.filter(bad).select("node", BY.alias("held_by"), "holder", fails)


def suspended(rows: pl.DataFrame) -> pl.DataFrame:
    """Return how many checks' reactions wait for a person."""
    waiting = rows.filter(pl.col("why").str.ends_with("suspect the check or the fabric"))
    waiting = waiting.filter(state="waiting")
    return one("checks", waiting.select(pl.struct("cluster", "check_name").n_unique()).item())


FLEET: Mapping[str, Figure] = {
    "Proven": lambda seen: seen.coverage_then.select(
        (pl.col("proven").sum() / pl.col("nodes").sum()).alias("share")
    ),
    "Owed": lambda seen: one("owed", seen.coverage_then["unproven"].sum()),
    "Failing nodes": lambda seen: one(
        "nodes", seen.nodes.filter(pl.col("failing").list.len() > 0).height
    ),
    "Held nodes": lambda seen: one("nodes", seen.nodes.filter(pl.col("holder_kind") != "").height),
    "Heartbeat": heartbeat,
    "Suspended checks": lambda seen: suspended(seen.standing),
    "Proven share by check": lambda seen: seen.coverage.group_by(seen.time("at"), "check_name").agg(
        pl.col("share").mean().alias("Value")
    ),
    "Coverage debt, and why": debt,
    "Coverage now": lambda seen: seen.coverage_then.select(
        "check_name", "share", "proven", "nodes", "failing", "never", "preempted"
    ),
    "Nodes by state": lambda seen: count(
        seen.nodes,
        pl.concat_str("state", pl.col("flags").list.eval("+" + pl.element()).list.join("")).alias(
            "state_shown"
        ),
        name="nodes",
    ),
    "Held by": lambda seen: parts(seen.nodes, BY, OF_HOLDERS),
    "What sweeps found": verdicts,
    "Held or failing": held_or_failing,
    "Outcomes": lambda seen: count(seen.results, seen.time("finished_at"), "outcome"),
    "Failures by check": lambda seen: count(
        seen.results.filter(outcome="fail"), seen.time("finished_at"), "check_name"
    ),
    "Failing now": lambda seen: failing_now(seen, "fail"),
    "Last sweeps": last_sweeps,
    "How long sweeps take": lambda seen: seen.sweeps.group_by(seen.time("started_at")).agg(
        pl.col("duration_s").max().alias("Value")
    ),
    "Node-hours": lambda seen: seen.results.select(HOURS.alias("hours")),
    "Visits that gave way": lambda seen: one("visits", gave_way(seen)),
    "Users' waiting": lambda seen: one("waited_s", 0.13 * gave_way(seen)),
    "Node-hours by check": lambda seen: seen.results.group_by(
        seen.time("finished_at"), "check_name"
    ).agg(HOURS),
}
"""Of the dashboard Fleet, by the panel's title."""


def quantiles(seen: Seen) -> pl.DataFrame:
    """Return how the values of a metric are spread in each interval."""
    shares = {"5 %": 0.05, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "95 %": 0.95}
    values = _values(seen, seen.shown.scoped["metric"])
    spread = values.group_by(seen.time("finished_at")).agg(
        pl.col("value").quantile(share, "linear").alias(name) for name, share in shares.items()
    )
    return spread.unpivot(index="time", variable_name="name", value_name="Value")


def _values(seen: Seen, metric: str) -> pl.DataFrame:
    """Return the judged results that measured *metric*, each with its value."""
    rows = seen.judged.explode("metrics").unnest("metrics")
    return rows.filter(pl.col("key") == metric)


def durations(seen: Seen) -> pl.DataFrame:
    """Return how many judged results took how long, by the upper bound of their bucket."""
    bounds = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 3600, 86400]
    bucket = pl.lit(None, dtype=pl.String)
    for bound in reversed(bounds):
        bucket = pl.when(pl.col("duration_s") <= bound).then(pl.lit(f"{bound:g}")).otherwise(bucket)
    return count(seen.judged, seen.time("finished_at"), bucket.alias("bucket"))


def deviating(seen: Seen) -> pl.DataFrame:
    """Return nodes that are far from the median of their hardware."""
    rows = seen.judged.explode("metrics").unnest("metrics")
    found = rows.group_by("cluster", "node", pl.col("key").alias("metric")).agg(
        pl.col("value").median().alias("found")
    )
    known = Seen(history=seen.history, shown=seen.shown, in_partitions=False).nodes
    peers = ["hardware", "metric"]
    alike = found.join(known.select("cluster", "node", "hardware"), on=["cluster", "node"])
    alike = alike.filter(pl.len().over(peers) >= 5).with_columns(
        pl.col("found").median().over(peers).alias("usual")
    )
    off = pl.col("found") - pl.col("usual")
    alike = alike.with_columns(off.alias("off"), off.abs().median().over(peers).alias("mad"))
    mads = (pl.col("off") / pl.col("mad")).alias("mads")
    far = alike.filter(pl.col("mad") > 0).with_columns(mads).filter(pl.col("mads").abs() >= 5)
    return far.select("node", "metric", "found", "usual", "mads", "hardware")


def runs_of(seen: Seen) -> pl.DataFrame:
    """Return runs as tables have them."""
    return seen.runs.select(
        "created_at", "check_name", "status", "planned", "ended", "pass", "warn", "fail", "broke",
        "gave_way", "duration_s", "batch",
    )  # fmt: skip


def newest_runs(seen: Seen) -> pl.DataFrame:
    """Return the newest hundred runs."""
    order = ["batch", "check_name"]
    return runs_of(seen).sort(order, descending=[True, False]).head(100)


CHECK: Mapping[str, Figure] = {
    "Pass rate": lambda seen: seen.judged.select(PASS_RATE.alias("rate")),
    "Proven": FLEET["Proven"],
    "Failing nodes": lambda seen: one("nodes", seen.coverage_then["failing"].sum()),
    "Never judged": lambda seen: one("nodes", seen.coverage_then["never"].sum()),
    "Results": lambda seen: one("results", seen.results.height),
    "Takes": lambda seen: one("middle_s", seen.judged["duration_s"].median()),
    "Pass rate over time": lambda seen: (
        seen.judged.group_by(seen.time("finished_at")).agg(PASS_RATE.alias("Value"))
    ),
    "Outcomes": FLEET["Outcomes"],
    "Runs": newest_runs,
    "How long it takes": durations,
    "$metric": quantiles,
    "Nodes that deviate": deviating,
    "Not passing": lambda seen: failing_now(seen, "fail", "warn").drop("check_name"),
}  # fmt: skip
"""Of the dashboard Check."""


def mine(seen: Seen) -> pl.DataFrame:
    """Return the median of a metric on the node, in steps of six hours."""
    check, metric = seen.shown.scoped["metric"].split("/")
    values = _values(seen, metric).filter(check_name=check)
    step = pl.col("finished_at").dt.truncate("6h").alias("time")
    return values.group_by(step).agg(pl.col("value").median().alias("this node"))


NODE: Mapping[str, Figure] = {
    "The node": lambda seen: seen.nodes.select(
        "node", BY.alias("held_by"), "holder", "reason", "hardware", "verdict", "seen_at"
    ),
    "Reactions": lambda seen: seen.decided.select(
        "decided_at", "check_name", "kind", "state", "why", "ended_at", "ended_by"
    ),
    "Results": lambda seen: seen.results.sort("finished_at", descending=True).head(500).select(
        "finished_at", "check_name", "outcome", "detail", "duration_s", "job_id", "batch"
    ),
    "$metric": mine,
}  # fmt: skip
"""Of the dashboard Node."""

RUNS: Mapping[str, Figure] = {
    "By status": lambda seen: parts(
        seen.runs, pl.col("status"), OF_STATUS
    ),
    "Runs by status": lambda seen: count(seen.runs, seen.time("created_at"), "status"),
    "How long runs take": lambda seen: (
        seen.runs.drop_nulls("duration_s").group_by(seen.time("created_at"), "check_name").agg(
            pl.col("duration_s").max().alias("Value")
        )
    ),
    "Recent runs": runs_of,
}  # fmt: skip
"""Of the dashboard Runs."""

REACTIONS: Mapping[str, Figure] = {
    "Nodes that we hold": lambda seen: one(
        "nodes",
        seen.standing.filter(state="done").filter(pl.col("kind").is_in(["drain", "reserve"]))
        .select(pl.struct("cluster", "node").n_unique()).item(),
    ),
    "Waiting": lambda seen: one("waiting", seen.standing.filter(state="waiting").height),
    "Suspended checks": FLEET["Suspended checks"],
    "Would have": lambda seen: one("would", seen.decided.filter(state="would").height),
    "Decided, and what became of it": lambda seen: count(
        seen.decided, seen.time("decided_at"), "state"
    ),
    "Which": lambda seen: count(seen.decided, "kind", name="reactions"),
    "Reactions": lambda seen: seen.decided.select(
        "node", "decided_at", "check_name", "kind", "state", "why", "ended_at", "ended_by"
    ),
    "Waiting for room or for a person": lambda seen: seen.standing.filter(state="waiting").select(
        "node", "decided_at", "check_name", "kind", "why"
    ),
}  # fmt: skip
"""Of the dashboard Reactions."""

FIGURES: Mapping[str, Mapping[str, Figure]] = {
    "Fleet": FLEET, "Node": NODE, "Check": CHECK, "Runs": RUNS, "Reactions": REACTIONS,
}  # fmt: skip
