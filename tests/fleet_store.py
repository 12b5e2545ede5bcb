"""Fills a ClickHouse store with a synthetic fleet's history, for tests, benchmarks and a demo.

``python -m tests.fleet_store --url http://HOST:8123 --database NAME`` makes the tables and fills
them; with ``--living`` it goes on and appends what happens, minute by minute, until SIGTERM.
Started again it doubles nothing. User and password come from the environment, as the product's.
"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from analytics import migration
from analytics.clickhouse import ClickHouseStore
from analytics.server import Server
from slurm_hooks.errors import ClusterDoctorError
from slurm_hooks.store_settings import PASSWORD, USER, StoreSettings
from tests.fleet import Fleet
from tests.fleet_living import Known, Living, Say, known, live, make_memory, nothing, remember
from tests.fleet_sweeps import Planted

_TIMEOUT = timedelta(minutes=10)


def fill(
    store: ClickHouseStore, fleet: Fleet, *, days: float | None = None, say: Say = nothing
) -> Planted:
    """Load all of *fleet* into *store*, whose tables are there; returns what was planted.

    Sweeps tell of the last *days*, as in `tests.fleet_sweeps`.
    """
    return Living(store=store, fleet=fleet, days=days, say=say).catch_up(fleet.end).planted


def make(settings: StoreSettings, environ: Mapping[str, str]) -> None:
    """Make database, tables and views, as `cluster-doctor store init` does."""
    outside = Server(settings, database="", environ=environ)
    migration.make_database(outside)
    outside.close()
    inside = Server(settings, environ=environ)
    list(migration.migrate(inside))
    inside.close()


def fill_once(store: ClickHouseStore, server: Server, fresh: Fleet, *, say: Say = nothing) -> Fleet:
    """Load *fresh*, or once more the fleet that the store knows; returns which it was."""
    make_memory(server)
    one = known(server, fresh.cluster)
    if one is None:
        one = Known(fleet=fresh)
        remember(server, one)
    fill(store, one.fleet, say=say)
    return one.fleet


def settings_of(url: str, database: str, environ: Mapping[str, str]) -> StoreSettings:
    """Return the settings of the store at *url*; who asks there is in *environ*."""
    found = urlsplit(url)
    secure = found.scheme == "https"
    return StoreSettings(
        path=Path("--url"), host=found.hostname or "", secure=secure,
        port=found.port or (8443 if secure else 8123), database=database,
        user=environ.get(USER, "default"), timeout=_TIMEOUT,
    )  # fmt: skip


def who(url: str, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Return *environ* with the user and password that *url* has, where it has any."""
    found = urlsplit(url)
    if found.username is None:
        return environ
    return {**environ, USER: unquote(found.username), PASSWORD: unquote(found.password or "")}


def main(arguments: Sequence[str]) -> int:
    """Fill a store as *arguments* say."""
    options = _options(arguments)
    environ = who(options.url, os.environ)
    settings = settings_of(options.url, options.database, environ)
    fresh = Fleet(nodes=options.nodes, days=options.days, results=options.results, end=_now())
    fresh = replace(fresh, end=fresh.end.replace(microsecond=0))
    try:
        make(settings, environ)
        store = ClickHouseStore(settings, environ=environ)
        server = Server(settings, environ=environ)
        if options.living:
            live(store, server, fresh, stop=_until_told(), clock=_now, say=_say)
        else:
            fill_once(store, server, fresh, say=_say)
    except ClusterDoctorError as error:
        _say(str(error))
        return 1
    return 0


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fleet_store", description=__doc__)
    parser.add_argument("--url", required=True, help="http://[user:password@]host:8123")
    parser.add_argument("--database", default="cluster_doctor")
    parser.add_argument("--results", type=int, default=1_000_000)
    parser.add_argument("--nodes", type=int, default=1000)
    parser.add_argument("--days", type=float, default=30.0)
    parser.add_argument("--living", action="store_true", help="go on until SIGTERM")
    return parser.parse_args(arguments)


def _until_told() -> threading.Event:
    stop = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: stop.set())
    return stop


def _now() -> datetime:
    return datetime.now(UTC)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
