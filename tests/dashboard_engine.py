"""Asks every question of a dashboard of a real engine, as Grafana would, over a fleet's history.

The history is loaded once: two clusters whose nodes have the same names, with known events.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import polars as pl

from analytics.clickhouse import ClickHouseStore
from analytics.tables import BATCHES, COVERAGE, NODES, REACTIONS, RESULTS, SWEEPS
from grafana import reading
from grafana.alert import Alert
from grafana.build import made
from grafana.reading import Dashboard, Panel, Target
from slurm_hooks.store_settings import StoreSettings
from tests.clickhouse import ClickHouse
from tests.clickhouse_front import READER
from tests.fleet import Fleet
from tests.fleet_sweeps import Planted, Telling
from tests.grafana_macros import ALL, Shown, Value, expand, interval_ms, since

END = datetime(2030, 6, 1, 12, tzinfo=UTC)
ALPHA = Fleet(nodes=200, days=14, results=60_000, end=END)
BETA = replace(
    ALPHA, nodes=40, results=6_000, end=END - timedelta(minutes=2), seed=8, cluster="beta"
)
"""Its sweeps are in other minutes."""


WIDTH_PX = 1000
"""Of a panel: for so many points it asks where it names no number itself."""

TEXTS: Mapping[str, str] = {
    Path(name).stem: text for name, text in made().items() if name.endswith(".json")
}
"""Every dashboard's JSON, by the name of its file."""

BOARDS: Mapping[str, Dashboard] = {
    board.title: board
    for text in TEXTS.values()
    for board in (reading.dashboard(json.loads(text)),)
}
"""Every dashboard, by its title."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Rows, and each column's name and type; times are aware."""

    names: Sequence[str]
    kinds: Sequence[str]
    rows: Sequence[tuple[Any, ...]]

    def column(self, name: str) -> list[Any]:
        """Return a column's values."""
        place = self.names.index(name)
        return [row[place] for row in self.rows]


@dataclass(frozen=True, kw_only=True)
class History:
    """What the fleets' frames say, for Polars, and the database that says the same."""

    clickhouse: ClickHouse
    settings: StoreSettings
    results: pl.DataFrame
    plans: pl.DataFrame
    sweeps: pl.DataFrame
    nodes: pl.DataFrame
    coverage: pl.DataFrame
    reactions: pl.DataFrame
    """Every state of each."""
    planted: Planted
    """Of the first fleet."""
    _chosen: dict[tuple[str, str], Shown] = field(default_factory=dict)
    _answers: dict[str, Answer] = field(default_factory=dict)

    @cached_property
    def decided(self) -> pl.DataFrame:
        """Each reaction as it stands."""
        return self.reactions.sort("revision").group_by("cluster", "id").last()

    def ask(self, sql: str) -> Answer:
        """Return the answer to *sql*, asked over HTTP by one who may only read; each once."""
        if sql not in self._answers:
            self._answers[sql] = answered(written(self.clickhouse, self.settings, sql))
        return self._answers[sql]

    def shown(self, board: Dashboard, selection: "Selection") -> Shown:
        """Return what a reader sees who chose *selection*; what it lists is asked once."""
        key = board.title, selection.name
        if key not in self._chosen:
            self._chosen[key] = choose(board, selection, until=END, ask=self._first_column)
        return self._chosen[key]

    def _first_column(self, sql: str, shown: Shown) -> list[str]:
        return [str(row[0]) for row in self.ask(expand(sql, shown)).rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a reader chooses in a dashboard's variables."""

    name: str
    values: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By the variable's name; of one that is not named here, what it lists first."""
    most: int | None = 1
    """How many are chosen where that can be; None: all of them."""
    hostile: str | None = None
    """What somebody typed instead into each."""

    def of(self, variable: reading.Variable, offers: Sequence[str]) -> Value:
        """Return the value of *variable*, which lists *offers*."""
        if variable.kind not in {"query", "textbox"}:
            return variable.value
        if self.hostile is not None:
            return [self.hostile] if variable.multi else self.hostile
        if variable.kind == "textbox":
            return variable.value
        if variable.multi and self.most is None:
            return [ALL]
        wanted = [one for one in self.values.get(variable.name, offers) if one in offers] or offers
        several = list(wanted[: self.most or 1])
        return several if variable.multi else "".join(several[-1:])


def written(clickhouse: ClickHouse, settings: StoreSettings, sql: str) -> dict[str, Any]:
    """Return what one who may only read gets over HTTP as JSONCompact."""
    user, password = READER if clickhouse.directory is not None else clickhouse.writer
    given = {
        "database": settings.database, "user": user, "password": password, "readonly": "2",
        "default_format": "JSONCompact", "output_format_json_quote_64bit_integers": "0",
        "output_format_json_quote_denormals": "1",
    }  # fmt: skip
    scheme = "https" if settings.secure else "http"
    url = f"{scheme}://{settings.host}:{settings.port}/?{urlencode(given)}"
    try:
        with urlopen(Request(url, data=sql.encode(), method="POST"), timeout=60) as answer:
            found: dict[str, Any] = json.loads(answer.read())
    except HTTPError as error:
        raise AssertionError(f"{error.read().decode()}\n{sql}") from error
    return found


def questions(board: Dashboard) -> Iterator[tuple[Panel, Target]]:
    """Yield every panel of *board* that asks something, and what."""
    for panel in board.every_panel():
        for target in panel.targets:
            yield panel, target


def alerted(alert: Alert, ask: Callable[[str], Answer], *, until: datetime) -> Answer:
    """Return the rows that Grafana holds against an alert's threshold at *until*."""
    begin = until - timedelta(seconds=alert.window_s)
    return ask(expand(alert.sql, Shown(since=begin, until=until, interval_ms=60_000, chosen={})))


def rings(alert: Alert, value: float) -> bool:
    """Return whether *value* is beyond the alert's threshold."""
    how, number = alert.rings
    return value > number if how == "gt" else value < number


def choose(
    board: Dashboard,
    selection: Selection,
    *,
    until: datetime,
    ask: Callable[[str, Shown], Sequence[str]],
) -> Shown:
    """Return what one sees of *board* at *until*: its own time, and *selection* of what *ask* says.

    Variables are asked in order, so that each knows what was chosen in those before it.
    """
    begin = since(board.since, until)
    found = Shown(
        since=begin, until=until, interval_ms=interval_ms(until - begin), chosen={}, offered={}
    )
    for variable in board.variables:
        offers = list(ask(variable.sql, found)) if variable.kind == "query" else []
        found = replace(
            found,
            chosen={**found.chosen, variable.name: selection.of(variable, offers)},
            offered={**found.offered, variable.name: offers},
        )
    return found


def repeats(panel: Panel, shown: Shown) -> Iterator[Shown]:
    """Yield what is seen of *panel*; of one that is repeated, of the first two of them."""
    span = shown.until - shown.since
    length = interval_ms(span, width=panel.points or WIDTH_PX, minimum=panel.interval)
    values: Sequence[str | None] = [None]
    if panel.repeat:
        value = shown.chosen[panel.repeat]
        several = [value] if isinstance(value, str) else list(value)
        values = list(shown.offered[panel.repeat] if several == [ALL] else several)
    for one in values[:2]:
        scoped = {} if one is None else {panel.repeat: one}
        yield replace(shown, interval_ms=length, scoped=scoped)


@contextmanager
def told(clickhouse: ClickHouse) -> Iterator[History]:
    """Yield the history of the fleets, in a database of its own."""
    with clickhouse.database() as settings:
        store = ClickHouseStore(settings, environ=clickhouse.environ)
        parts = [_load(store, fleet) for fleet in (ALPHA, BETA)]
        store.rebuild()
        store.close()
        whole = {name: pl.concat(frames[name] for frames, _ in parts) for name in parts[0][0]}
        yield History(
            clickhouse=clickhouse,
            settings=settings,
            results=whole["results"],
            plans=whole["plans"],
            sweeps=whole["sweeps"],
            nodes=whole["nodes"],
            coverage=whole["coverage"],
            reactions=whole["reactions"],
            planted=parts[0][1],
        )


def _load(store: ClickHouseStore, fleet: Fleet) -> tuple[dict[str, pl.DataFrame], Planted]:
    telling = Telling(fleet)
    results = pl.concat(fleet.frames())
    telling.take(results)
    said = telling.told()
    frames = {
        "results": (results, RESULTS), "plans": (pl.concat(fleet.plans()), BATCHES),
        "sweeps": (said.sweeps, SWEEPS), "nodes": (said.nodes, NODES),
        "coverage": (said.coverage, COVERAGE), "reactions": (said.reactions, REACTIONS),
    }  # fmt: skip
    for frame, table in frames.values():
        store.load(frame, table)
    return {name: _plain(frame) for name, (frame, _) in frames.items()}, said.planted


def _plain(rows: pl.DataFrame) -> pl.DataFrame:
    """Return *rows* as views have them: maps as lists of keys and values, lengths in seconds."""
    maps = [name for name, kind in rows.schema.items() if isinstance(kind, pl.Map)]
    rows = rows.with_columns(pl.col(name).map.entries() for name in maps)
    if "duration_ms" in rows.columns:
        rows = rows.with_columns((pl.col("duration_ms") / 1000).alias("duration_s"))
    return rows


def answered(found: dict[str, Any]) -> Answer:
    """Return what was *written* as an answer."""
    kinds = [column["type"] for column in found["meta"]]
    return Answer(
        names=[column["name"] for column in found["meta"]],
        kinds=kinds,
        rows=[
            tuple(_value(value, kind) for value, kind in zip(row, kinds, strict=True))
            for row in found["data"]
        ],
    )


def _value(value: object, kind: str) -> object:
    if value is None or "DateTime" not in kind or not isinstance(value, str):
        return value
    return datetime.fromisoformat(value).replace(tzinfo=UTC)
