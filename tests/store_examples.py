"""Deliveries that the tests of stores are made of: late, shuffled, doubled, revised."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import strategies as st

from analytics.frame import frame, plan_frame, reaction_frame, told_frame
from analytics.planned import Planned
from analytics.reaction_row import ReactionRow
from analytics.result import Result
from analytics.tables import BATCHES, COVERAGE, NODES, REACTIONS, RESULTS, SWEEPS, Table
from slurm_hooks.record import Evidence, Outcome

NEW_YEAR = datetime(2030, 1, 1, tzinfo=UTC)
"""Batches, results and reactions are of both sides of it."""

Told = tuple[object, ...]

_CLUSTERS = ("alpha", "beta")
_CHECKS = ("storage", "memory")


@dataclass(frozen=True)
class Delivery:
    """Rows of a table that are appended together."""

    table: Table
    rows: Sequence[Result] | Sequence[Planned] | Sequence[ReactionRow] | Sequence[Told]

    def frame(self, *, taken: int) -> pl.DataFrame:
        """Return the rows as the store takes them; results as ingested at *taken* ms."""
        make: dict[str, Callable[..., pl.DataFrame]] = {
            RESULTS.name: frame,
            BATCHES.name: plan_frame,
            REACTIONS.name: reaction_frame,
        }
        if self.table.name not in make:
            return told_frame([tuple(row) for row in self.rows], self.table)
        made_of = make[self.table.name](self.rows)
        if self.table is RESULTS:
            shift = pl.duration(milliseconds=taken, time_unit="ms")
            made_of = made_of.with_columns(pl.col("ingested_at") + shift)
        return made_of


def batch_id(number: int) -> str:
    """Return a batch's id: half of them are of the year before."""
    at = NEW_YEAR + timedelta(seconds=(number - 3) * 40)
    return f"{at:%Y%m%dT%H%M%SZ}-{number:08x}"


def made(visit: int, evidence: Evidence, *, spread: int = 6) -> Result:
    """Return a result: *visit* says of what, *evidence* which word on it; ties are frequent."""
    place, dice = random.Random(visit), random.Random(f"{visit} {evidence}")
    cluster, check = place.choice(_CLUSTERS), place.choice(_CHECKS)
    batch, attempt = batch_id(place.randrange(6)), place.randrange(2)
    judged = [Outcome.PASS, Outcome.PASS, Outcome.FAIL, Outcome.WARN]
    outcome = dice.choice([*judged, *Outcome] if evidence is not Evidence.SLURM else [*Outcome][3:])
    ended = NEW_YEAR + timedelta(seconds=dice.randrange(-spread, spread))
    return Result(
        result_id="", cluster=cluster, node=f"n{visit % 4}", check_name=check,
        outcome=outcome.value,
        finished_at=ended, started_at=dice.choice([None, ended - timedelta(seconds=6)]),
        duration_s=6.25, detail=f"{outcome} {evidence}", exit_code=dice.choice([None, 0, 194]),
        signal=dice.choice([None, 9]), batch=batch, task=visit, attempt=attempt, job_id=visit,
        partition="background", metrics=dice.choice([{}, {"a": 1.5, "b": 1e300}]),
        log_path=f"/logs/{check}.log", evidence=evidence.value, revision=evidence.revision,
        ingested_at=NEW_YEAR,
    )  # fmt: skip


def plan(number: int, *, taken: bool) -> Planned:
    """Return what was planned of one check of a batch, submitted or not yet."""
    at = NEW_YEAR + timedelta(seconds=(number - 3) * 40)
    return Planned(
        batch=batch_id(number), cluster=_CLUSTERS[number % 2], created_at=at,
        submitted_at=at + timedelta(seconds=2) if taken else None, partition="background",
        job_id=77 if taken else 0, check_name=_CHECKS[number // 2 % 2], planned=3,
        nodes=("n0", "n1", "n2"),
    )  # fmt: skip


def reaction(number: int, revision: int) -> ReactionRow:
    """Return a state of a reaction."""
    at = NEW_YEAR + timedelta(seconds=number - 3)
    return ReactionRow(
        id=f"r{number}", revision=revision, cluster=_CLUSTERS[number % 2], decided_at=at,
        node=f"n{number % 4}", check_name="storage", kind="drain", state=f"state {revision}",
        why="why", outcome="fail", judged_at=at, detail="hot", text=f"text {revision}",
        result_id="x", batch=batch_id(number % 6), target="", done_at=at if revision else None,
        ended_at=at if revision > 1 else None, ended_by="",
    )  # fmt: skip


def told(table: Table, number: int) -> tuple[object, ...]:
    """Return a row of what a sweep tells; the same number is always the same row."""
    at = NEW_YEAR + timedelta(seconds=(number // 8 - 3) * 40)
    fixed = {
        table.time: at, "cluster": _CLUSTERS[number % 2], "node": f"n{number % 4}",
        "check_name": _CHECKS[number // 2 % 2],
    }  # fmt: skip
    return tuple(
        fixed[name] if name in fixed else _any(kind, random.Random(f"{table.name} {number} {name}"))
        for name, kind in table.columns.items()
    )


def _any(kind: str, dice: random.Random) -> object:
    """Return a value of a column of *kind*."""
    if kind.startswith("Nullable(") and dice.random() < 0.3:
        return None
    match kind.removeprefix("Nullable(").split("(")[0].rstrip(")"):
        case "String":
            return dice.choice(["", "a", "it's \\ odd\n日"])
        case "DateTime64":
            return NEW_YEAR + timedelta(milliseconds=dice.randrange(100_000))
        case "Float64":
            return dice.choice([0.0, 1.5, -2.25])
        case "Array":
            return tuple(dice.sample(["x", "y", "z"], dice.randrange(3)))
        case "Map":
            return {key: float(dice.randrange(9)) for key in dice.sample("abc", dice.randrange(3))}
        case _:
            return dice.randrange(200)


TOLD = (SWEEPS, NODES, COVERAGE)
_RESULT = st.builds(made, st.integers(0, 60), st.sampled_from([*Evidence]))
_PLAN = st.builds(plan, st.integers(0, 5), taken=st.booleans())
_REACTION = st.builds(reaction, st.integers(0, 6), st.integers(0, 3))

DELIVERIES = st.lists(
    st.builds(Delivery, st.just(RESULTS), st.lists(_RESULT, max_size=25))
    | st.builds(Delivery, st.just(BATCHES), st.lists(_PLAN, max_size=4))
    | st.builds(Delivery, st.just(REACTIONS), st.lists(_REACTION, max_size=5))
    | st.sampled_from(TOLD).flatmap(
        lambda table: st.builds(
            Delivery,
            st.just(table),
            st.lists(st.builds(told, st.just(table), st.integers(0, 60)), max_size=10),
        )
    )
    | st.just("tidy"),
    max_size=9,
)
"""What comes, in order; "tidy" stands for a tidying between."""
