"""The rows of a synthetic fleet's visits: how each check ended, and what it measured."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self

import numpy as np
import numpy.typing as npt
import polars as pl

from analytics.frame import schema, stored
from analytics.result import USUAL_LOG
from slurm_hooks.record import Evidence, Outcome
from tests.fleet_checks import HARDWARE, MOST, FleetCheck, Measure
from tests.fleet_events import Events

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_LOG_PATH = f"/shared/logs{USUAL_LOG}"
INGEST_MS = 600_000
"""An ingest comes so often; all that it takes in is ingested at one time."""

_OUTCOMES = tuple(Outcome)
_CODE = {outcome: code for code, outcome in enumerate(_OUTCOMES)}
_JUDGED = np.array([outcome.judged for outcome in _OUTCOMES])
_EXIT = {Outcome.PASS: 0, Outcome.WARN: 193, Outcome.FAIL: 194, Outcome.SKIP: 195, Outcome.ERROR: 1}
_SIGKILL = 9
_SAID = {
    Outcome.WARN: " which is less than usual",
    Outcome.FAIL: " which is below what is asked for",
    Outcome.ERROR: "exit status 1",
    Outcome.TIMEOUT: "over its time limit of 300 s",
    Outcome.SKIP: "there is nothing to look at on this node",
    Outcome.PREEMPTED: "a user's job took the node",
    Outcome.CANCELLED: "the visit was cancelled",
    Outcome.NODE_FAIL: "the node failed during the visit",
    Outcome.NOT_STARTED: "the visit ended before it",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fates:
    """How often results end in some way, and how often visits do, which ends what is left."""

    fail: float
    told_twice: float
    warn: float = 0.01
    error: float = 0.003
    timeout: float = 0.001
    skip: float = 0.004
    preempted: float = 0.01
    cancelled: float = 0.002
    node_fail: float = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Visits:
    """Some visits, a place each in every array."""

    index: Ints
    """The number of its batch, in the order of time."""
    task: Ints
    node: Ints
    hardware: Ints
    turn: Ints
    """The number of its round."""
    created_ms: Ints
    """When its batch was made, since 1970."""
    apart_ms: float
    """How long after each other the visits of a batch begin."""

    def where(self, wanted: Bools) -> Self:
        """Return those that are *wanted*."""
        return type(self)(
            index=self.index[wanted],
            task=self.task[wanted],
            node=self.node[wanted],
            hardware=self.hardware[wanted],
            turn=self.turn[wanted],
            created_ms=self.created_ms[wanted],
            apart_ms=self.apart_ms,
        )

    def since(self, first: int) -> Self:
        """Return those of batch *first* and later ones."""
        return self.where(self.index >= first)

    def batches(self) -> pl.DataFrame:
        """Return the id, the making and the job of each batch, by its number."""
        index, places = np.unique(self.index, return_index=True)
        ids = [f"{number * 2654435761 % 2**32:08x}" for number in index.tolist()]  # none repeats
        created = pl.Series(self.created_ms[places]).cast(pl.Datetime("ms", "UTC"))
        return pl.DataFrame(
            {"index": index, "created_at": created, "job_id": 100_000 + index * 977, "end": ids}
        ).select(
            "index",
            "created_at",
            pl.col("job_id").cast(pl.UInt64),
            pl.col("created_at").dt.strftime("%Y%m%dT%H%M%SZ-").add(pl.col("end")).alias("batch"),
        )


def result_frame(
    visits: Visits,
    due: Bools,
    *,
    checks: Sequence[FleetCheck],
    events: Events,
    fates: Fates,
    cluster: str,
    names: Sequence[str],
    until: datetime,
    random: np.random.Generator,
) -> pl.DataFrame:
    """Return a row for each check that is *due* in *visits*, in the order of ingests."""
    rows = _Rows(visits, due, checks=checks, names=names, random=random)
    rows.end(fates)
    rows.plant(events)
    made = rows.frame(cluster)
    if fates.told_twice:
        made = _told_twice(made, random.random(len(made)) < fates.told_twice)
    last = pl.lit(until).cast(pl.Datetime("ms", "UTC"))
    made = made.with_columns(pl.min_horizontal("ingested_at", last).alias("ingested_at"))
    ordered = made.sort("ingested_at", "finished_at", maintain_order=True)
    return stored(ordered).select(pl.col(name).cast(kind) for name, kind in schema().items())


class _Rows:
    """A place for each row in every array, in the order of visits and of their checks."""

    def __init__(
        self,
        visits: Visits,
        due: Bools,
        *,
        checks: Sequence[FleetCheck],
        names: Sequence[str],
        random: np.random.Generator,
    ) -> None:
        self.visits, self.due, self.random = visits, due, random
        self.checks, self.names = checks, names
        self.visit, self.check = np.nonzero(due)
        self.node = visits.node[self.visit]
        self.hardware = visits.hardware[self.visit]
        self.codes = np.zeros(len(self.visit), dtype=np.int64)
        self.place = (np.cumsum(due, axis=1) - 1)[due]
        """Which of its visit's checks it is."""
        self.started_ms, self.finished_ms = self._times()
        self.values = [self._values(number) for number in range(MOST)]

    def _times(self) -> tuple[Ints, Ints]:
        usual = np.array([check.seconds for check in self.checks]) * 1000
        took = np.where(self.due, usual * self.random.lognormal(0, 0.1, self.due.shape), 0)
        begins = self.visits.created_ms + 5000 + self.visits.task * self.visits.apart_ms
        begins = begins + self.random.uniform(0, 2000, len(begins))
        ends = begins[:, None] + np.cumsum(took, axis=1)
        return (ends - took)[self.due].astype(np.int64), ends[self.due].astype(np.int64)

    def _values(self, number: int) -> Floats:
        """Return each row's first or second measurement, NaN where its check has none."""
        levels = np.full((len(self.checks), len(HARDWARE)), np.nan)
        spreads = np.zeros(len(self.checks))
        for place, check in enumerate(self.checks):
            if number < len(check.measures):
                levels[place] = check.measures[number].levels
                spreads[place] = check.measures[number].spread
        noise = np.abs(1 + spreads[self.check] * self.random.standard_normal(len(self.check)))
        found: Floats = levels[self.check, self.hardware] * noise
        return found

    def end(self, fates: Fates) -> None:
        """Let each check end somehow; what ends a visit leaves its later checks not started."""
        own = (Outcome.FAIL, Outcome.WARN, Outcome.ERROR, Outcome.TIMEOUT, Outcome.SKIP)
        shares = (fates.fail, fates.warn, fates.error, fates.timeout, fates.skip)
        self.codes = _drawn(self.random, len(self.codes), own, shares)
        whole = (Outcome.PREEMPTED, Outcome.CANCELLED, Outcome.NODE_FAIL)
        visit_shares = (fates.preempted, fates.cancelled, fates.node_fail)
        visits = len(self.visits.index)
        self._cut(_drawn(self.random, visits, whole, visit_shares))

    def _cut(self, ends: Ints) -> None:
        """End each visit by the outcome of its code in *ends*, within one of its checks."""
        counts = self.due.sum(axis=1)
        cuts = np.floor(self.random.random(len(ends)) * counts)[self.visit]
        by_visit = ends[self.visit]
        cut = by_visit != _CODE[Outcome.PASS]
        self.codes[cut & (self.place == cuts)] = by_visit[cut & (self.place == cuts)]
        self.codes[cut & (self.place > cuts)] = _CODE[Outcome.NOT_STARTED]

    def plant(self, events: Events) -> None:
        """Let what stands out stand out."""
        self._plant_lemon(events)
        judged = _JUDGED[self.codes]
        if events.flapping:
            column = self._column(events.flapping.check)
            here = judged & self._at(events.flapping.node) & (self.check == column)
            by_turns = self.visits.turn[self.visit] // self.checks[column].every % 2
            self.codes[here] = np.where(by_turns, _CODE[Outcome.FAIL], _CODE[Outcome.PASS])[here]
        if events.failing:
            since, until = _ms(events.failing.since), _ms(events.failing.until)
            created = self.visits.created_ms[self.visit]
            there = np.isin(self.node, [self.names.index(name) for name in events.failing.nodes])
            here = there & (created >= since) & (created < until)
            self.codes[here & (self.check == self._column(events.failing.check))] = _CODE[
                Outcome.FAIL
            ]
        if events.never:
            self.codes[judged & self._at(events.never.node)] = _CODE[Outcome.ERROR]
        if events.drift:
            since, until = _ms(events.drift.since), _ms(events.drift.until)
            gone = np.clip((self.finished_ms - since) / (until - since), 0, 1)
            here = self._at(events.drift.node) & (self.check == self._column(events.drift.check))
            self.values[0] *= np.where(here, 1 + events.drift.share * gone, 1)

    def _plant_lemon(self, events: Events) -> None:
        if events.lemon is None:
            return
        here = self._at(events.lemon.node)
        bad = here & (self.random.random(len(here)) < 1 / 3)
        self.codes[bad] = _CODE[Outcome.FAIL]
        lost = self.random.random(len(self.visits.index)) < 0.15
        lost &= self.visits.node == self.names.index(events.lemon.node)
        self._cut(np.where(lost, _CODE[Outcome.NODE_FAIL], _CODE[Outcome.PASS]))

    def _at(self, node: str) -> Bools:
        here: Bools = self.node == self.names.index(node)
        return here

    def _column(self, check: str) -> int:
        return [one.name for one in self.checks].index(check)

    def frame(self, cluster: str) -> pl.DataFrame:
        """Return the rows with all columns of `results`, and some more."""
        told = self._drawn().with_columns(
            _time("started_ms").alias("started_at"),
            _time("finished_ms").alias("finished_at"),
            _time((pl.col("finished_ms") // INGEST_MS + 1) * INGEST_MS).alias("ingested_at"),
            pl.lit(cluster).alias("cluster"),
            pl.lit(0).alias("attempt"),
            pl.lit("background").alias("partition"),
            *_evidence(Evidence.RUNNER),
        )
        return told.with_columns(*_ENDED).with_columns(_DURATION.alias("duration_s"))

    def _drawn(self) -> pl.DataFrame:
        """Return what was drawn for each row, by name."""
        batches = self.visits.batches()
        nth = np.searchsorted(batches["index"].to_numpy(), self.visits.index[self.visit])
        task = self.visits.task[self.visit]
        return pl.DataFrame(
            {
                "node": pl.Series(self.names).gather(self.node),
                "check_name": self._of_check([check.name for check in self.checks]),
                "outcome": pl.Series([*map(str, _OUTCOMES)]).gather(self.codes),
                "exit_code": pl.Series([_EXIT.get(one) for one in _OUTCOMES]).gather(self.codes),
                "said": pl.Series([_SAID.get(one, "") for one in _OUTCOMES]).gather(self.codes),
                "judged": _JUDGED[self.codes],
                "batch": batches["batch"].gather(nth),
                "task": task,
                "job_id": batches["job_id"].gather(nth) + task,
                "started_ms": self.started_ms,
                "finished_ms": self.finished_ms,
                "around_ms": self.random.integers(1, 9, len(task)),
                "metrics": self._metrics(),
                **self._told(),
            }
        )

    def _of_check(self, texts: Sequence[str]) -> pl.Series:
        return pl.Series(texts, dtype=pl.String).gather(self.check)

    def _told(self) -> dict[str, pl.Series]:
        """Return the parts of what each check says."""
        scales = np.array([check.scale for check in self.checks])[self.check]
        return {
            "says": self._of_check([check.says for check in self.checks]),
            "shown": pl.Series(self.values[0] / scales).round_sig_figs(3),
            "unit": self._of_check([check.unit for check in self.checks]),
        }

    def _metrics(self) -> pl.Series:
        """Return what each judged check measured, as programs print it."""
        keys = [measure.name for check in self.checks for measure in (*check.measures, _NO)[:MOST]]
        which = self.check[:, None] * MOST + np.arange(MOST)
        pairs = pl.DataFrame(
            {
                "key": pl.Series(keys).gather(which.ravel()),
                "value": _printed(np.stack(self.values, axis=1)).ravel(),
            }
        ).to_struct()
        counts = np.array([len(check.measures) for check in self.checks])[self.check]
        lists = pairs.reshape((len(self.check), MOST)).arr.to_list()
        table = pl.DataFrame({"pairs": lists, "count": counts * _JUDGED[self.codes]})
        return table.select(pl.col("pairs").list.head(pl.col("count"))).to_series()


_NO = Measure(name="", levels=(0, 0, 0))
_PAIRS = pl.List(pl.Struct({"key": pl.String, "value": pl.Float64}))
_BEGAN = pl.col("outcome") != Outcome.NOT_STARTED.value
_KILLED = pl.col("outcome") == Outcome.TIMEOUT.value
_DURATION = (
    ((pl.col("finished_at") - pl.col("started_at")).dt.total_milliseconds() - pl.col("around_ms"))
    .clip(lower_bound=0)
    .fill_null(0)
) / 1000
"""The program's own: the runner's times have some milliseconds around it."""

_ENDED = (
    pl.when(_BEGAN).then("started_at").alias("started_at"),
    pl.when(_KILLED).then(_SIGKILL).alias("signal"),
    pl.when("judged")
    .then(pl.concat_str("says", pl.lit(" "), pl.col("shown").cast(pl.String), "unit", "said"))
    .otherwise("said")
    .alias("detail"),
    pl.when(_BEGAN).then(pl.lit(_LOG_PATH)).otherwise(pl.lit("")).alias("log_path"),
)
"""What depends on the outcome."""


def _told_twice(rows: pl.DataFrame, chosen: Bools) -> pl.DataFrame:
    """Let Slurm's word come first for the judged ones of *chosen*, and the runner's an hour late.

    It says that the node failed a minute after the check's end, and nothing of what it found.
    """
    late = pl.Series(chosen) & rows["judged"]
    inferred = rows.filter(late).with_columns(
        (pl.col("finished_at") + timedelta(minutes=1)).alias("finished_at"),
        pl.lit(Outcome.NODE_FAIL.value).alias("outcome"),
        pl.lit(_SAID[Outcome.NODE_FAIL]).alias("detail"),
        pl.lit(None, dtype=rows.schema["exit_code"]).alias("exit_code"),
        pl.lit([], dtype=_PAIRS).alias("metrics"),
        *_evidence(Evidence.SLURM),
    )
    runner = rows.with_columns(
        pl.when(late)
        .then(pl.col("ingested_at") + timedelta(hours=1))
        .otherwise("ingested_at")
        .alias("ingested_at")
    )
    return pl.concat([runner, inferred])


def _evidence(of: Evidence) -> tuple[pl.Expr, pl.Expr]:
    return pl.lit(of.value).alias("evidence"), pl.lit(of.revision).alias("revision")


def _drawn(
    random: np.random.Generator, count: int, outcomes: Sequence[Outcome], shares: Sequence[float]
) -> Ints:
    """Return codes of *outcomes*, each as often as its share says, and of pass for the rest."""
    codes = np.array([_CODE[outcome] for outcome in (*outcomes, Outcome.PASS)])
    found: Ints = codes[np.searchsorted(np.cumsum(shares), random.random(count), side="right")]
    return found


def _printed(values: Floats) -> Floats:
    """Return *values* as a check's report has them: whole from 1000 on, six digits below."""
    size = np.where(np.isfinite(values) & (values != 0), np.abs(values), 1)
    decimals = np.where(size >= 1000, 0, 5 - np.floor(np.log10(size)))
    rounded: Floats = np.round(values * 10.0**decimals) / 10.0**decimals
    return rounded


def _time(ms: str | pl.Expr) -> pl.Expr:
    column = pl.col(ms) if isinstance(ms, str) else ms
    return column.cast(pl.Datetime("ms", "UTC"))


def _ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)
