"""The same figures as dashboards show, computed by Polars from the frames of the fleets alone."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

import polars as pl

from analytics.flapping import HIGH, flapping
from grafana.node import PEERS
from grafana.runs import OF_STATUS
from grafana.style import OF_DEBT, OF_HOLDERS, OF_OUTCOMES, OF_VERDICTS
from tests.dashboard_events import WORST, happened, visits
from tests.dashboard_seen import DAY, Seen

HOURS = (pl.col("duration_s").sum() / 3600).alias("Value")
PASS_RATE = (pl.col("outcome") == "pass").mean()
"""Of judged results."""

VISITS = pl.struct("cluster", "batch", "task", "attempt").n_unique()
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
    """Return how long ago the last sweep ended, and in usual intervals, where that is the most."""
    sweeps = seen.chosen(seen.until(seen.history.sweeps, "started_at", 7 * DAY))
    ages = [_age(seen, one) for one in sweeps.partition_by("cluster")]
    seconds, intervals = (max(each, default=None) for each in zip(*ages, strict=True))
    return pl.DataFrame({"age": [seconds], "intervals": [intervals]})


def _age(seen: Seen, sweeps: pl.DataFrame) -> tuple[float, float]:
    """Return the same for the *sweeps* of one cluster, of which some came to their end."""
    starts = sweeps["started_at"].dt.epoch("s").sort()
    apart = starts.filter(starts > starts[-1] - 86_400).diff().drop_nulls().sort()
    usual = max(60, apart[len(apart) // 2])
    ended = sweeps.filter(pl.col("error") == "").select(pl.col("finished_at").max()).item()
    age = float((seen.shown.until - ended.replace(microsecond=0)).total_seconds())
    return age, age / usual


def wide(rows: pl.DataFrame, *by: str, names: Iterable[str], kind: str) -> pl.DataFrame:
    """Return how many *rows* there are of each *kind* that *names* has, a column each."""
    return rows.group_by(by).agg((pl.col(kind) == name).sum().alias(name) for name in names)


def added(rows: pl.DataFrame, *by: str, column: str, names: Iterable[str]) -> pl.DataFrame:
    """Return the means of a map's *names* in each interval and of each of *by*, added up."""
    entry = pl.element().struct
    values = [
        pl.col(column)
        .list.eval(entry.field("value").filter(entry.field("key") == name))
        .list.sum()
        .alias(name)
        for name in names
    ]
    means = rows.select("time", *by, *values).group_by("time", *by).mean()
    return means.drop(by).group_by("time").sum()


def debt(seen: Seen) -> pl.DataFrame:
    """Return the coverage debt by reason."""
    samples = seen.coverage.with_columns(seen.time("at"))
    return added(samples, "cluster", "check_name", column="debt", names=OF_DEBT)


def proven_share(seen: Seen) -> pl.DataFrame:
    """Return the proven share of each check, of all clusters' nodes together."""
    by = [seen.time("at"), pl.col("check_name")]
    means = seen.coverage.group_by(*by, "cluster").agg(pl.col("proven", "nodes").mean())
    sums = means.group_by("time", "check_name").agg(pl.col("proven", "nodes").sum())
    share = (pl.col("proven") / pl.col("nodes")).alias("Value")
    return sums.select("time", "check_name", share)


def verdicts(seen: Seen) -> pl.DataFrame:
    """Return what sweeps found."""
    sweeps = seen.sweeps.filter(error="").with_columns(seen.time("started_at"))
    return added(sweeps, "cluster", column="verdicts", names=OF_VERDICTS)


def outcomes(seen: Seen) -> pl.DataFrame:
    """Return how many results ended how."""
    rows = seen.results.with_columns(seen.time("finished_at"))
    return wide(rows, "time", names=OF_OUTCOMES, kind="outcome")


def last_sweeps(seen: Seen) -> pl.DataFrame:
    """Return the newest hundred sweeps."""
    newest = seen.sweeps.sort("started_at", descending=True).head(100)
    return newest.select("cluster", "started_at", "duration_s", "planned", "visits", "ingested")


def gave_way(seen: Seen) -> int:
    """Return how many visits a user's job ended."""
    return int(seen.results.filter(outcome="preempted").select(VISITS).item())


def failing_now(seen: Seen, *outcomes: str) -> pl.DataFrame:
    """Return the latest judgements that are of these *outcomes*, on nodes that Slurm has."""
    there = seen.history.nodes.sort("seen_at").group_by("cluster", "node").last()
    there = there.filter(pl.col("state") != "")
    fails = seen.latest.filter(pl.col("outcome").is_in(outcomes))
    fails = fails.join(there, on=["cluster", "node"], how="semi")
    return fails.select("node", "check_name", pl.col("finished_at").alias("judged_at"))


def held_or_failing(seen: Seen) -> pl.DataFrame:
    """Return the nodes that somebody holds, or on which something fails."""
    bad = (pl.col("holder_kind") != "") | seen.fails()
    fails = pl.col("failing").list.join(", ").alias("fails")
    return seen.nodes.filter(bad).select(
        "node", pl.col("holder_kind").alias("held_by"), "holder", fails
    )


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
    "Failing nodes": lambda seen: one("nodes", seen.nodes.filter(seen.fails()).height),
    "Held nodes": lambda seen: seen.nodes.select(
        (pl.col("holder_kind") != "").mean().alias("share")
    ),
    "Heartbeat": heartbeat,
    "Suspended checks": lambda seen: suspended(seen.standing),
    "Proven share by check": proven_share,
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
    "Outcomes": outcomes,
    "Failures by check": lambda seen: count(
        seen.results.filter(outcome="fail"), seen.time("finished_at"), "check_name"
    ),
    "Failing now": lambda seen: failing_now(seen, "fail"),
    "Last sweeps": last_sweeps,
    "How long sweeps take": lambda seen: seen.sweeps.group_by(seen.time("started_at")).agg(
        pl.col("duration_s").max().alias("longest")
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
    """Return how the values of a metric are spread in each interval of a day or more."""
    shares = {"5 %": 0.05, "25 %": 0.25, "median": 0.5, "75 %": 0.75, "95 %": 0.95}
    values = _values(seen, seen.shown.scoped["metric"])
    return values.group_by(seen.time("finished_at", least_s=86_400)).agg(
        pl.col("value").quantile(share, "linear").alias(name) for name, share in shares.items()
    )


def _values(seen: Seen, metric: str) -> pl.DataFrame:
    """Return the judged results that measured *metric*, each with its value."""
    rows = seen.judged.explode("metrics").unnest("metrics")
    return rows.filter(pl.col("key") == metric)


def durations(seen: Seen) -> pl.DataFrame:
    """Return how many judged results took how long, by the upper bound of their bucket."""
    bounds = {
        "0.1 s": 0.1, "0.3 s": 0.3, "1 s": 1, "3 s": 3, "10 s": 10, "30 s": 30, "1 min": 60,
        "3 min": 180, "10 min": 600, "30 min": 1800,
    }  # fmt: skip
    bucket = pl.lit("longer")
    for name, bound in reversed(bounds.items()):
        bucket = pl.when(pl.col("duration_s") <= bound).then(pl.lit(name)).otherwise(bucket)
    rows = seen.judged.with_columns(seen.time("finished_at"), bucket.alias("bucket"))
    return wide(rows, "time", names=(*bounds, "longer"), kind="bucket")


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
    off_all = (pl.col("mad") == 0) & (pl.col("off") != 0)
    far = alike.with_columns(pl.when(pl.col("mad") > 0).then(mads).alias("mads"))
    far = far.filter((pl.col("mads").abs() >= 5) | off_all)
    return far.select("node", "metric", "found", "usual", "mads", "hardware")


def flaps(seen: Seen) -> pl.DataFrame:
    """Return the nodes that flap from the threshold on, as reports have it."""
    clusters = seen.judged.partition_by("cluster")
    found = pl.concat(flapping(one) for one in clusters)
    return found.filter(pl.col("change_share") >= HIGH).select(
        "node", pl.col("change_share").alias("share")
    )


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


def grounds(seen: Seen) -> pl.DataFrame:
    """Return fifty reasons for not passing, fails first, each outcome's commonest first."""
    rows = seen.results.filter(pl.col("outcome") != "pass")
    said = rows.group_by("outcome", "detail").agg(
        pl.len().alias("results"),
        pl.col("node").n_unique().alias("nodes"),
        pl.col("finished_at").max().alias("last_at"),
    )
    place = pl.col("outcome").replace_strict(WORST, range(len(WORST)), default=len(WORST))
    return said.sort(place, -pl.col("results").cast(pl.Int64), "detail").head(50)


CHECK: Mapping[str, Figure] = {
    "Pass rate": lambda seen: seen.judged.select(PASS_RATE.alias("rate")),
    "Proven": FLEET["Proven"],
    "Failing nodes": lambda seen: one("nodes", seen.coverage_then["failing"].sum()),
    "Never judged": lambda seen: seen.coverage_then.select(
        (pl.col("never").sum() / pl.col("nodes").sum()).alias("share")
    ),
    "Results": lambda seen: one("results", seen.results.height),
    "Takes": lambda seen: one("middle_s", seen.judged["duration_s"].median()),
    "Pass rate over time": lambda seen: (
        seen.judged.group_by(seen.time("finished_at")).agg(PASS_RATE.alias("pass rate"))
    ),
    "Outcomes": FLEET["Outcomes"],
    "What it said where it did not pass": grounds,
    "Runs": newest_runs,
    "How long it takes": durations,
    "$metric": quantiles,
    "Nodes that deviate": deviating,
    "Flapping": flaps,
    "Not passing": lambda seen: failing_now(seen, "fail", "warn").drop("check_name"),
}  # fmt: skip
"""Of the dashboard Check."""


def beside_peers(seen: Seen) -> pl.DataFrame:
    """Return the median of a metric on the node and how its peers' is spread, by six hours."""
    check, metric = seen.shown.scoped["metric"].split("/")
    step = pl.col("finished_at").dt.truncate("6h").alias("time")
    value = pl.col("value")
    own = _values(seen, metric).filter(check_name=check)
    mine = own.group_by(step).agg(value.median().alias("this node"))
    anyone = replace(seen, shown=replace(seen.shown, chosen={**seen.shown.chosen, "node": ""}))
    peers = anyone.nodes.join(seen.nodes, on="hardware", how="semi")
    there = _values(anyone, metric).filter(check_name=check)
    usual = (
        there.join(peers, on=["cluster", "node"], how="semi")
        .group_by(step)
        .agg(
            *(
                value.quantile(share, "linear").alias(name)
                for name, share in (
                    ("peers, low", 0.1), ("peers, middle", 0.5), ("peers, high", 0.9),
                )
            ),
            pl.col("node").n_unique().alias("nodes"),
        )
        .filter(pl.col("nodes") >= PEERS)
        .drop("nodes")
    )  # fmt: skip
    return mine.join(usual, on="time", how="full", coalesce=True)


def ended_by(seen: Seen) -> pl.DataFrame:
    """Return how reactions ended, and by whose hand."""
    nobody = (pl.col("ended_by") == "") | (pl.col("state") == "undone")
    by = pl.when(nobody).then(pl.lit("")).otherwise(" by " + pl.col("ended_by"))
    ended = seen.decided.drop_nulls("ended_at")
    kinds = count(ended, (pl.col("state") + by).alias("how"), name="reactions")
    return kinds.sort("reactions", "how", descending=[True, False]).head(20)


NODE: Mapping[str, Figure] = {
    "The node": lambda seen: seen.nodes.select(
        "node", pl.col("holder_kind").alias("held_by"), "holder", "reason", "hardware", "verdict",
        "seen_at",
    ),
    "Reactions": lambda seen: seen.decided.select(
        "decided_at", "check_name", "kind", "state", "why", "ended_at", "ended_by"
    ),
    "Results": lambda seen: seen.results.sort("finished_at", descending=True).head(500).select(
        "finished_at", "check_name", "outcome", "detail", "duration_s", "job_id", "batch"
    ),
    "$metric": beside_peers,
    "Checks, reactions and who held it": happened,
    "Checks": lambda seen: failing_now(seen, "pass", "warn", "fail").drop("node"),
}  # fmt: skip
"""Of the dashboard Node."""

RUNS: Mapping[str, Figure] = {
    "By status": lambda seen: parts(
        seen.runs, pl.col("status"), OF_STATUS
    ),
    "Runs by status": lambda seen: wide(
        seen.runs.with_columns(seen.time("created_at")), "time", names=OF_STATUS, kind="status"
    ),
    "How long runs take": lambda seen: (
        seen.runs.drop_nulls("duration_s").group_by(seen.time("created_at"), "check_name").agg(
            pl.col("duration_s").max().alias("Value")
        )
    ),
    "Recent runs": runs_of,
    "Visits of the chosen runs": visits,
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
    "How they ended": ended_by,
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
