"""How soon a ClickHouse store answers what dashboards ask, panel by panel.

The front is one process with one question at a time; `CLUSTER_DOCTOR_TEST_CLICKHOUSE` names a real
server instead, where a database is made and dropped again.
"""

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from analytics.clickhouse import ClickHouseStore
from analytics.server import Server
from analytics.tables import TABLES
from slurm_hooks.store_settings import StoreSettings
from tests.benchmarks.table import Row
from tests.clickhouse import REAL, ClickHouse, real, start
from tests.dashboard_engine import BOARDS, Selection, choose, repeats
from tests.dashboard_engine import questions as asked_by
from tests.fleet import Fleet
from tests.fleet_living import nothing
from tests.fleet_store import fill_once, make
from tests.grafana_macros import Shown, expand

RESULTS = 10_000_000
DAYS = 90.0
NODES = 1000
RUNS = 5
MOST_S = 1.0
DATABASE = "cluster_doctor"

Question = tuple[str, str, str]
"""Dashboard, panel and SQL."""

_TIMEOUT = timedelta(minutes=10)
_SETTLED_S = 60.0
_LOOK_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """Who asks a filled store."""

    server: Server
    filled_s: float
    """How long filling it took; 0: it was filled before."""


def questions(server: Server, until: datetime) -> Iterator[Question]:
    """Yield what every panel and variable asks for everything, of the time that it shows itself."""
    for title, board in BOARDS.items():
        shown = choose(board, _ALL, until=until, ask=partial(_listed, server))
        for variable in board.variables:
            if variable.kind == "query":
                yield title, f"variable {variable.name}", expand(variable.sql, shown)
        for panel, target in asked_by(board):
            seen = next(repeats(panel, shown))
            yield title, panel.title, expand(target.sql, seen)


_ALL = Selection(name="all", most=None)


def _listed(server: Server, sql: str, shown: Shown) -> list[str]:
    return [str(row[0]) for row in server.answer(expand(sql, shown)).rows]


def rows(
    results: int = RESULTS,
    *,
    asked: Callable[[Server, datetime], Iterable[Question]] = questions,
    directory: Path | None = None,
    say: Callable[[str], None] = nothing,
) -> list[Row]:
    """Return how long each of what is *asked* takes at *results* results; promised at RESULTS.

    A *directory* keeps what was filled, however much; the next time it is only asked.
    """
    with _filled(results, directory, say) as store:
        found = _facts(store)
        for dashboard, panel, sql in asked(store.server, _latest(store.server)):
            took = timed(store.server, sql)
            found.append(
                Row(
                    what=f"{dashboard}: {panel}",
                    number=f"{took:.3f} s",
                    promise=f"< {MOST_S:g} s",
                    kept=took < MOST_S if results >= RESULTS else None,
                )
            )
    return found


def _latest(server: Server) -> datetime:
    """Return when the history ends: a kept directory is as old as it is."""
    found = server.rows("SELECT max(finished_at) FROM sweep_rows")[0][0]
    assert isinstance(found, datetime)
    return found.replace(microsecond=0) + timedelta(seconds=1)


def timed(server: Server, sql: str) -> float:
    """Return the median of RUNS answers to *sql* in seconds, after one that warms it up."""
    server.answer(sql)
    took = []
    for _ in range(RUNS):
        began = time.perf_counter()
        server.answer(sql)
        took.append(time.perf_counter() - began)
    return statistics.median(took)


@contextmanager
def _filled(results: int, directory: Path | None, say: Callable[[str], None]) -> Iterator[Store]:
    """Yield a store with a fleet's history of *results* results, filled where it is not."""
    fresh = Fleet(
        nodes=NODES, days=DAYS * results / RESULTS, results=results,
        end=datetime.now(UTC).replace(microsecond=0),
    )  # fmt: skip
    with _settings(directory) as (clickhouse, settings):
        make(settings, clickhouse.environ)
        server = Server(settings, environ=clickhouse.environ)
        began = time.perf_counter()
        whole = _is_whole(server)
        if not whole:
            fill_once(ClickHouseStore(settings, environ=clickhouse.environ), server, fresh, say=say)
            _let_merge(server, settings.database)
        yield Store(server=server, filled_s=0.0 if whole else time.perf_counter() - began)
        server.close()


@contextmanager
def _settings(directory: Path | None) -> Iterator[tuple[ClickHouse, StoreSettings]]:
    """Yield a server and the settings of a store there: in *directory*, or one that goes again."""
    if os.environ.get(REAL):
        clickhouse = real(os.environ[REAL])
        with clickhouse.database(tables=False, timeout=_TIMEOUT) as settings:
            yield clickhouse, settings
    elif directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
        with start(directory) as clickhouse:
            yield clickhouse, clickhouse.settings(DATABASE, timeout=_TIMEOUT)
    else:
        with (
            tempfile.TemporaryDirectory(prefix="cdbench-") as made,
            start(Path(made)) as clickhouse,
        ):
            yield clickhouse, clickhouse.settings(DATABASE, timeout=_TIMEOUT)


def _is_whole(server: Server) -> bool:
    """Whether filling came to its end; the status is made last."""
    return bool(server.rows("SELECT 1 FROM status LIMIT 1"))


def _let_merge(server: Server, database: str) -> None:
    """Let the parts of tables be merged as they are in a server after a while; not all into one."""
    for table in TABLES:
        server.command(f"OPTIMIZE TABLE {table.name}")
    ends_at = time.monotonic() + _SETTLED_S
    merging = "SELECT count() FROM system.merges WHERE database = {database:String}"
    while server.rows(merging, {"database": database})[0][0] and time.monotonic() < ends_at:
        time.sleep(_LOOK_S)


def _facts(store: Store) -> list[Row]:
    """Return what is asked: how many rows, in how many parts, and how long filling it took."""
    found = []
    sql = (
        "SELECT sum(rows), count(), uniq(partition) FROM system.parts "
        "WHERE active AND database = {database:String} AND table = {table:String}"
    )
    for table in TABLES:
        bound = {"database": store.server.store.database, "table": table.name}
        count, parts, partitions = store.server.rows(sql, bound)[0]
        found.append(
            Row(f"rows of {table.name}", f"{count:,} in {parts} parts of {partitions} months")
        )
    if store.filled_s:
        found.append(Row("filling all of it", f"{store.filled_s:.0f} s"))
    return found
