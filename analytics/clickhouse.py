"""The history in a ClickHouse server: tables that `store init` makes, and the same views."""

import os
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from analytics import migration, status_latest
from analytics.answer import Answer
from analytics.engine import NONE
from analytics.server import Server
from analytics.tables import RESULTS, Table
from slurm_hooks.errors import StoreError, UnansweredError
from slurm_hooks.store_settings import StoreSettings

if TYPE_CHECKING:
    import polars as pl

_PAUSE_S = 0.5
_KEPT = "nothing is lost: the records stay in the spool until `cluster-doctor ingest` works"


class ClickHouseStore:
    """Many readers and, for each cluster, one writer at a time, by the ingest's lock.

    It never makes tables: a question too many from a reader's account would be none of its
    business, and a typing mistake in `store.database` a second, empty history.
    """

    def __init__(self, store: StoreSettings, *, environ: Mapping[str, str] = os.environ) -> None:
        self._server = Server(store, environ=environ)
        self._known = False

    @property
    def name(self) -> str:
        """Which server, and which database of it."""
        return f"{self._server.store.url} {self._server.store.database}"

    @property
    def refused(self) -> Sequence[str]:
        """Nothing: a server leaves nothing out."""
        return ()

    def append(self, rows: "pl.DataFrame", table: Table = RESULTS) -> None:
        """Add *rows* to *table*; the same rows replace themselves."""
        try:
            self.load(rows, table)
            if table is RESULTS and not rows.is_empty():
                _twice(lambda: status_latest.refresh(self._server, rows))
        except StoreError as error:
            raise StoreError(f"{error}; {_KEPT}") from error

    def load(self, rows: "pl.DataFrame", table: Table) -> None:
        """Add *rows* to *table* as `append`, but leave the view `status` to `rebuild`."""
        from analytics.frame import schema  # noqa: PLC0415 loads Polars

        if rows.schema != schema(table):
            raise StoreError(f"{self._server.store.url}: rows of another schema: {rows.schema}")
        if not rows.is_empty():
            self._look()
            _twice(lambda: self._server.insert(table.name, rows))

    def rows(self, sql: str, parameters: Mapping[str, object] = NONE) -> list[tuple[object, ...]]:
        """Return the rows of *sql*."""
        self._look()
        return self._server.rows(sql, parameters)

    def query(self, sql: str, parameters: Mapping[str, object] = NONE) -> "pl.DataFrame":
        """Return the rows of *sql* as a frame."""
        self._look()
        return self._server.frame(sql, parameters)

    def answer(self, sql: str) -> Answer:
        """Return the answer to what somebody else asks, who can only read."""
        self._look()
        return self._server.answer(sql)

    def untouched(self) -> bool:
        """Never: only the server could tell, and whether it answers is another question."""
        return False

    def tidy(self, *, now: datetime) -> Sequence[str]:
        """Let the view `status` forget what retention dropped; the rest the server does itself."""
        self._look()
        status_latest.expire(self._server, retention=self._server.store.retention, now=now)
        return ()

    def rebuild(self) -> None:
        """Make the view `status` anew from the history."""
        self._look()
        status_latest.rebuild(self._server)

    def close(self) -> None:
        """Let the connection go."""
        self._server.close()

    def _look(self) -> None:
        """Refuse, once, to use tables that are missing, older or newer."""
        if self._known:
            return
        remedy = migration.behind(self._server)
        if remedy:
            raise StoreError(f"{self._server.store.url}: {remedy}")
        self._known = True


def _twice(do: Callable[[], None]) -> None:
    """Do it, and once more where the connection broke: what is added again replaces itself."""
    try:
        do()
    except UnansweredError:
        time.sleep(_PAUSE_S)
        do()
