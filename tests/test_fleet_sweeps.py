"""What a synthetic fleet's sweeps and reactor tell is alike each time, and true of its results."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import NamedTuple

import polars as pl
import pytest

from analytics.frame import schema
from analytics.reacted import STATES
from analytics.result import JUDGED
from analytics.tables import COVERAGE, NODES, REACTIONS, SWEEPS
from slurm_hooks.journal import Book, Entry, Event, Item, Verdict, What
from slurm_hooks.outcome import Outcome
from slurm_hooks.reaction import Kind
from slurm_hooks.room import Rails, Room
from tests.fleet import Fleet
from tests.fleet_checks import chosen
from tests.fleet_holds import NOT_RESPONDING, PERSONS_REASON
from tests.fleet_past import in_a_row
from tests.fleet_sweeps import Told, tell
from tests.fleet_times import EVERY, GAP, UNREACHABLE

END = datetime(2030, 1, 2, 12, tzinfo=UTC)
FLEET = Fleet(nodes=240, results=60_000, end=END)
SMALL = Fleet(nodes=40, days=3, results=4_000, end=END, told_twice=0.05)
PREEMPTED, PASS, SKIP, ERROR = (
    list(Outcome).index(one)
    for one in (Outcome.PREEMPTED, Outcome.PASS, Outcome.SKIP, Outcome.ERROR)
)


@cache
def told(fleet: Fleet) -> Told:
    return tell(fleet)


@cache
def results(fleet: Fleet) -> pl.DataFrame:
    return pl.concat(fleet.frames())


@cache
def reactions() -> pl.DataFrame:
    """Each reaction of FLEET as it stands in the end."""
    return told(FLEET).reactions.sort("revision").group_by("id", maintain_order=True).last()


def frames(one: Told) -> list[pl.DataFrame]:
    return [one.sweeps, one.nodes, one.coverage, one.reactions]


def sampled(fleet: Fleet) -> list[datetime]:
    """Some sweeps that came to their end, the last among them."""
    done = told(fleet).sweeps.filter(error="")["started_at"].to_list()
    return [*done[::61], done[-1]]


class Seen(NamedTuple):
    """What of one check on one node was known at some time."""

    judged_at: datetime | None
    outcome: str


def standing(fleet: Fleet, at: datetime) -> Mapping[tuple[str, str], Seen]:
    """The latest judgement that was known at *at*, pair by pair, one row after another."""
    found: dict[tuple[str, str], Seen] = {}
    columns = "node", "check_name", "outcome", "finished_at"
    for node, check, outcome, ended in (
        results(fleet).filter(pl.col("ingested_at") <= at).select(columns).iter_rows()
    ):
        before = found.setdefault((node, check), Seen(None, ""))
        if outcome in JUDGED and (before.judged_at is None or ended > before.judged_at):
            found[node, check] = Seen(ended, outcome)
    return found


def test_equal_fleets_are_told_of_alike() -> None:
    again = tell(SMALL)
    for one, other in zip(frames(told(SMALL)), frames(again), strict=True):
        assert one.equals(other)
    assert told(SMALL).planted == again.planted


def test_rows_are_of_the_tables_schemas() -> None:
    tables = SWEEPS, NODES, COVERAGE, REACTIONS
    for table, frame in zip(tables, frames(told(FLEET)), strict=True):
        assert frame.schema == schema(table)


@pytest.mark.parametrize("fleet", [FLEET, SMALL, Fleet(nodes=20, days=1, results=500, end=END)])
def test_nothing_is_later_than_the_end(fleet: Fleet) -> None:
    for frame in frames(told(fleet)):
        for name, kind in frame.schema.items():
            if isinstance(kind, pl.Datetime):
                assert frame.filter(pl.col(name) > END).is_empty(), name


# Sweeps.


def test_sweeps_come_every_five_minutes_but_for_one_gap() -> None:
    began = told(FLEET).sweeps["started_at"].sort()
    apart = Counter(round(one / timedelta(minutes=5)) for one in began.diff().drop_nulls())
    assert apart == {1: len(began) - 2, GAP // EVERY: 1}
    first, second = told(FLEET).planted.gap
    assert abs(second - first - timedelta(minutes=25)) < timedelta(seconds=5)


def test_the_last_sweep_ends_within_a_minute_before_the_end() -> None:
    assert END - timedelta(minutes=1) < max(told(FLEET).sweeps["finished_at"]) <= END


def test_sweeps_tell_of_thirty_days_at_most_and_of_fewer_where_asked() -> None:
    assert abs(END - min(told(FLEET).sweeps["started_at"]) - timedelta(days=30)) < 2 * EVERY
    assert abs(END - min(tell(SMALL, days=1).sweeps["started_at"]) - timedelta(days=1)) < 2 * EVERY


def test_failed_sweeps_have_an_error_and_count_nothing() -> None:
    failed = told(FLEET).sweeps.filter(pl.col("error") != "")
    assert [*failed.select("started_at", "error").iter_rows()] == [*told(FLEET).planted.errors]
    assert UNREACHABLE.startswith("http://clickhouse:8123: nothing listens there")
    assert UNREACHABLE in failed["error"].to_list()
    counted = pl.all_horizontal(pl.col("nodes", "free", "planned", "visits", "ingested") == 0)
    assert len(failed.filter(counted & (pl.col("verdicts").cast(pl.List).list.len() == 0))) == 6


def test_the_verdicts_of_a_sweep_add_up_to_its_nodes() -> None:
    for nodes, free, planned, verdicts in (
        told(FLEET).sweeps.filter(error="").select("nodes", "free", "planned", "verdicts")
    ).iter_rows():
        counts = dict(verdicts)
        assert sum(counts.values()) == nodes == FLEET.nodes
        assert planned == counts.get("due", 0)
        assert free == sum(counts.get(name, 0) for name in ("due", "fresh", "waiting"))


def test_sweeps_took_in_every_result_once() -> None:
    sweeps = told(FLEET).sweeps
    first, last = min(sweeps["started_at"]), max(sweeps["started_at"])
    came = results(FLEET)["ingested_at"]
    assert sweeps["ingested"].sum() == int(((came > first - EVERY) & (came <= last)).sum())


def test_batches_that_slurm_refused_are_named_and_taken_later() -> None:
    sweeps = told(FLEET).sweeps
    refused = sweeps.filter(pl.col("refused").list.len() > 0)
    assert refused["started_at"].to_list() == [*told(FLEET).planted.refused] != []
    for line in refused["refused"].explode():
        assert re.fullmatch(
            r"batch \d{8}T\d{6}Z-[0-9a-f]{8} was not taken: sbatch: error: .*", line
        )
    plans = pl.concat(FLEET.plans())
    made = plans.filter(pl.col("created_at") > min(sweeps["started_at"]) - EVERY)
    assert sweeps["batches"].sum() == made["batch"].n_unique()


def test_some_sweeps_warn() -> None:
    warned = told(FLEET).sweeps.filter(pl.col("warnings").list.len() > 0)
    assert warned["started_at"].to_list() == [*told(FLEET).planted.warned] != []


# Coverage.


def test_coverage_is_what_the_results_say_pair_by_pair() -> None:
    rows = {(at, check): row for at, check, *row in _coverage_rows()}
    kinds = dict(zip(SMALL.names, SMALL.hardware, strict=True))
    for at in sampled(SMALL):
        known = standing(SMALL, at)
        for check in chosen(SMALL.checks):
            nodes = [node for node, kind in kinds.items() if kind in check.hardware]
            seen = [known.get((node, check.name), Seen(None, "")) for node in nodes]
            judged = [one.judged_at for one in seen if one.judged_at is not None]
            since = at - told(SMALL).planted.max_ages[check.name]
            assert rows[at, check.name] == [
                len(nodes),
                sum(time >= since for time in judged),
                sum(one.outcome == "fail" for one in seen),
                len(nodes) - len(judged),
                min(judged, default=None),
            ]


def _coverage_rows() -> list[tuple[object, ...]]:
    columns = "at", "check_name", "nodes", "proven", "failing", "never", "oldest_proof"
    return told(SMALL).coverage.select(columns).rows()


def test_there_is_a_sample_of_each_check_at_each_sweep_that_came_to_its_end() -> None:
    done = told(FLEET).sweeps.filter(error="")["started_at"]
    samples = told(FLEET).coverage.group_by("at").len()
    assert sorted(samples["at"]) == sorted(done)
    assert samples["len"].unique().to_list() == [len(FLEET.checks)]


@pytest.mark.parametrize("fleet", [FLEET, SMALL])
def test_debts_add_up_to_what_is_not_proven(fleet: Fleet) -> None:
    reasons: set[str] = set()
    for nodes, proven, debt, preempted, most in (
        told(fleet)
        .coverage.select("nodes", "proven", "debt", "preempted", "preempted_most")
        .iter_rows()
    ):
        counts = dict(debt)
        reasons |= counts.keys()
        assert sum(counts.values()) == nodes - proven
        assert preempted <= nodes - proven
        assert (most > 0) == (preempted > 0)
        assert most <= 8
    assert reasons >= {"busy", "drained", "unavailable", "due", "waiting"}


def test_most_is_proven_most_of_the_time_and_less_while_the_rack_is_dark() -> None:
    dark = FLEET.events.dark
    assert dark is not None
    share = pl.col("proven") / pl.col("nodes")
    settled = told(FLEET).coverage.filter(pl.col("at") > END - timedelta(days=20))
    assert 0.9 < settled.select(share.mean()).item() < 0.999
    clock = settled.filter(check_name="clock")
    late = dark.until - timedelta(hours=1), dark.until
    before = dark.since - timedelta(hours=6), dark.since
    there = [clock.filter(pl.col("at").is_between(*when)).select(share.mean()) for when in
             (late, before)]  # fmt: skip
    assert there[0].item() < there[1].item() - 0.5 * len(dark.nodes) / FLEET.nodes


def test_attempts_that_gave_way_are_counted_in_a_row() -> None:
    codes = [PREEMPTED, PREEMPTED, SKIP, PREEMPTED, PASS, PREEMPTED, ERROR, PREEMPTED, PREEMPTED]
    pairs = [0, 0, 0, 0, 0, 0, 0, 0, 1]
    found = in_a_row(pl.Series(pairs).to_numpy(), pl.Series(codes).to_numpy())
    assert found.tolist() == [1, 2, 0, 3, 0, 1, 0, 1, 1]


# Nodes.


@cache
def latest_rows(at: datetime) -> Mapping[str, dict[str, object]]:
    """Of each node of SMALL the last row that was written until *at*."""
    rows = told(SMALL).nodes.filter(pl.col("seen_at") <= at).sort("seen_at")
    last = rows.group_by("node").last()
    return {str(row["node"]): row for row in last.iter_rows(named=True)}


def test_nodes_say_what_the_results_say() -> None:
    for at in sampled(SMALL):
        by_node: dict[str, dict[str, Seen]] = defaultdict(dict)
        for (node, check), seen in standing(SMALL, at).items():
            by_node[node][check] = seen
        for name, row in latest_rows(at).items():
            here = by_node[name]
            judged = [one.judged_at for one in here.values() if one.judged_at is not None]
            fails = sorted(check for check, one in here.items() if one.outcome == "fail")
            said = row["failing"], row["latest_proof"], row["oldest_proof"], row["checks"]
            assert said == (
                fails, max(judged, default=None), min(judged, default=None), len(here)
            )  # fmt: skip


def test_sweeps_count_the_nodes_as_their_rows_are() -> None:
    verdicts = dict(told(SMALL).sweeps.select("started_at", "verdicts").iter_rows())
    for at in sampled(SMALL):
        assert Counter(str(row["verdict"]) for row in latest_rows(at).values()) == dict(
            verdicts[at]
        )


def test_a_row_is_written_where_something_changed_and_once_a_day() -> None:
    rows = told(FLEET).nodes.sort("node", "seen_at")
    same = [name for name in rows.columns if name not in ("seen_at", "detail")]
    repeated = rows.filter(
        pl.all_horizontal(pl.col(name).eq_missing(pl.col(name).shift(1)) for name in same)
    )
    apart = rows.select(pl.col("seen_at").diff().over("node")).drop_nulls().to_series()
    assert max(apart) < timedelta(days=1, minutes=30)
    assert len(repeated) < len(rows) / 50
    assert rows["node"].n_unique() == FLEET.nodes


def test_the_dark_rack_is_down_while_it_is_dark() -> None:
    dark = FLEET.events.dark
    assert dark is not None
    down = told(FLEET).nodes.filter(state="DOWN")
    assert sorted(down["node"].unique()) == sorted(dark.nodes)
    assert down["seen_at"].is_between(dark.since, dark.until).all()
    said = down.select("flags", "reason", "holder", "holder_kind", "verdict").unique()
    assert said.rows() == [(["NOT_RESPONDING"], NOT_RESPONDING, "Slurm", "slurm", "unavailable")]


def test_nodes_are_held_by_checks_by_people_and_by_a_reservation() -> None:
    rows = told(FLEET).nodes
    assert set(rows["holder_kind"]) == {"", "check", "user", "slurm", "reservation"}
    assert set(rows.filter(holder_kind="user").select("reason", "reason_user").rows()) == {
        (PERSONS_REASON, "root")
    }
    for reason in rows.filter(holder_kind="check")["reason"].unique():
        assert re.fullmatch(
            r"(cpu|memory|gpu): [a-z-]+: .* \(\d{4}-\d\d-\d\dT\d\d:\d\dZ\) \[cd:[0-9a-f]{8}\]",
            reason,
        )
    assert set(rows.filter(state="ALLOCATED")["verdict"]) == {"busy", "in-batch"}
    assert set(rows.filter(state="MIXED")["verdict"]) == {"busy"}


def test_nodes_have_partitions_and_hardware_by_their_kind() -> None:
    kinds = told(FLEET).nodes.group_by("hardware").agg(pl.col("node").n_unique(), "partitions")
    assert set(kinds.select("hardware", "node").rows()) == {
        ("128 CPUs, 512 GiB, epyc+hdr", 96),
        ("96 CPUs, 2048 GiB, gpu:h100:8, ndr+xeon", 96),
        ("64 CPUs, 1024 GiB, gpu:l40s:4, epyc+hdr", 48),
    }
    for hardware, partitions in told(FLEET).nodes.select("hardware", "partitions").iter_rows():
        assert "main" in partitions
        assert ("gpu" in partitions) == ("gpu" in hardware)


# Reactions.


def test_reactions_are_to_results_that_there_are() -> None:
    of_results = reactions().filter(pl.col("batch") != "")
    there = results(FLEET).select("node", "check_name", "batch", "outcome", "detail")
    keys = ["node", "check_name", "batch", "outcome", "detail"]
    assert of_results.join(there, on=keys, how="anti").is_empty()
    assert set(reactions()["node"]) <= set(FLEET.names)
    others = set(reactions()["check_name"]) - set(FLEET.checks)
    assert others == {"verification"}


def test_reactions_are_in_every_state_that_dashboards_show() -> None:
    found = dict(reactions()["state"].value_counts().iter_rows())
    assert found == told(FLEET).planted.reactions
    assert found.keys() <= {*STATES}
    wanted = ("done", "undone", "would", "waiting", "lost", "discarded", "superseded", "noted")
    assert all(found[state] > 0 for state in (*wanted, "passed", "failed"))


def test_the_planted_fails_wait_for_a_person() -> None:
    failing = FLEET.events.failing
    assert failing is not None
    waiting = reactions().filter(
        (pl.col("state") == "waiting") & pl.col("why").str.contains("suspect the check")
    )
    there = waiting.filter(pl.col("judged_at").is_between(failing.since, failing.until))
    assert sorted(there["node"]) == sorted(failing.nodes)
    assert set(waiting["why"]) == {
        f"failed on {len(failing.nodes)} nodes, more than 5: suspect the check or the fabric"
    }
    assert set(waiting["check_name"]) == {failing.check} == {told(FLEET).planted.suspected}


def test_some_wait_for_room_as_the_reactor_words_it() -> None:
    rails = told(FLEET).planted.rails
    waiting = reactions().filter(pl.col("why").str.starts_with(f"{rails.held} nodes are held"))
    assert set(waiting.filter(state="waiting")["why"]) == {_full(rails)}


def _full(rails: Rails) -> str:
    items = {}
    for number in range(rails.held):
        entry = Entry(
            id=str(number), at=END, kind=Kind.DRAIN, node=f"n{number}", check="cpu", result_id="",
            batch="", outcome=Outcome.FAIL, judged_at=END, detail="", prefix="",
            verdict=Verdict.DO,
        )  # fmt: skip
        items[entry.id] = Item(entry=entry, events=(Event(entry=entry.id, what=What.DONE, at=END),))
    return Room(Book(items=items), {}, rails, now=END).why_not("other")


def test_no_more_nodes_are_held_by_us_than_may_be() -> None:
    ours = told(FLEET).nodes.sort("seen_at").group_by("node").last().filter(holder_kind="check")
    assert 0 < len(ours) <= told(FLEET).planted.rails.held


def test_a_node_is_held_by_a_check_as_long_as_the_drain_stands() -> None:
    drains = reactions().filter((pl.col("kind") == "drain") & (pl.col("state") == "done"))
    last = told(FLEET).nodes.sort("seen_at").group_by("node").last()
    held = last.filter(holder_kind="check").select("node", "reason").rows()
    assert sorted(held) == sorted(drains.select("node", "text").rows())


def test_each_state_of_a_reaction_is_told_and_the_times_fit() -> None:
    rows = told(FLEET).reactions.with_columns(told(FLEET).reacted_at.alias("at"))
    counts = rows.group_by("id").agg(pl.len(), pl.col("revision").max())
    assert (counts["len"] == counts["revision"] + 1).all()
    assert rows.filter(pl.col("done_at") < pl.col("decided_at")).is_empty()
    assert rows.filter(pl.col("ended_at") < pl.col("done_at")).is_empty()
    assert rows.filter(pl.col("at") > END).is_empty()
