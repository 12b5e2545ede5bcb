"""Starts the ClickHouse that tests ask: `tests.clickhouse_front`, or a real server's address.

``CLUSTER_DOCTOR_TEST_CLICKHOUSE=http://user:password@host:8123`` names a real one. Tests of
misbehaviour always take a front.
"""

import contextlib
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlencode, urlsplit
from urllib.request import Request, urlopen

from analytics import migration
from analytics.server import Server
from slurm_hooks.store_settings import PASSWORD, USER, StoreSettings
from tests.clickhouse_front import READER, WRITER

REAL = "CLUSTER_DOCTOR_TEST_CLICKHOUSE"
ROOT = Path(__file__).parent.parent


@dataclass
class ClickHouse:
    """Where it listens, and who may ask it."""

    host: str
    port: int
    directory: Path | None = None
    """Where a front keeps its data; None: it is no front."""
    writer: tuple[str, str] = WRITER
    secure: bool = False
    process: subprocess.Popen[str] | None = field(default=None, repr=False)

    @property
    def environ(self) -> Mapping[str, str]:
        """The environment of a writer."""
        return {USER: self.writer[0], PASSWORD: self.writer[1]}

    @property
    def reading(self) -> Mapping[str, str]:
        """The environment of one who may only read."""
        return {USER: READER[0], PASSWORD: READER[1]}

    def settings(self, database: str, **more: object) -> StoreSettings:
        """Return the settings of a store in *database*."""
        known: dict[str, object] = {
            "path": Path("/etc/cluster-doctor/cluster-doctor.toml"),
            "host": self.host,
            "port": self.port,
            "secure": self.secure,
            "database": database,
            "connect_timeout": timedelta(seconds=2),
            "timeout": timedelta(seconds=60),
        }
        return StoreSettings(**{**known, **more})  # type: ignore[arg-type]  # by their names

    def server(self, database: str = "", **more: object) -> Server:
        """Return the wall to it, as a writer; without a *database* that need not exist."""
        store = self.settings(database or "default", **more)
        return Server(store, database=database, environ=self.environ)

    @contextlib.contextmanager
    def database(self, *, tables: bool = True, **more: object) -> Iterator[StoreSettings]:
        """Yield the settings of a new database, with all *tables*; it is dropped in the end."""
        store = self.settings(f"cd_{uuid.uuid4().hex[:12]}", **more)
        outside = Server(store, database="", environ=self.environ)
        migration.make_database(outside)
        try:
            if tables:
                inside = Server(store, environ=self.environ)
                list(migration.migrate(inside))
                inside.close()
            yield store
        finally:
            outside.command(f"DROP DATABASE `{store.database}`")
            outside.close()

    def misbehave(self, how: str, *, times: int = 1, matching: str = "") -> None:
        """Spoil the front's next answers to what holds *matching*; `clickhouse_front` has how."""
        query = urlencode({"how": how, "times": times, "matching": matching})
        url = f"http://{self.host}:{self.port}/misbehave?{query}"
        with urlopen(Request(url, method="POST"), timeout=10) as answer:
            answer.read()

    def stop(self) -> None:
        """End a front; `restart` has it listen again where it did."""
        assert self.process is not None
        self.process.communicate("", timeout=60)

    def restart(self) -> None:
        """Start a front that was stopped."""
        assert self.directory is not None
        self.process = _process(self.directory, port=self.port)
        assert self.process.stdout is not None
        assert int(self.process.stdout.readline()) == self.port


def real(url: str) -> ClickHouse:
    """Return the server at *url*, which has user and password."""
    found = urlsplit(url)
    return ClickHouse(
        host=found.hostname or "",
        port=found.port or 8123,
        secure=found.scheme == "https",
        writer=(unquote(found.username or "default"), unquote(found.password or "")),
    )


@contextlib.contextmanager
def start(directory: Path, *, certificate: Path | None = None) -> Iterator[ClickHouse]:
    """Yield a front that keeps its data in *directory*, and end it."""
    process = _process(directory, certificate=certificate)
    assert process.stdout is not None
    port = int(process.stdout.readline())
    made = ClickHouse(
        host="127.0.0.1",
        port=port,
        directory=directory,
        secure=certificate is not None,
        process=process,
    )
    try:
        yield made
    finally:
        made.stop()


def _process(
    directory: Path, *, port: int = 0, certificate: Path | None = None
) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.clickhouse_front", str(directory), "--port", str(port)]
    if certificate is not None:
        command += ["--certificate", str(certificate)]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
