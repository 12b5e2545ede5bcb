"""The wall to a ClickHouse server: commands, questions and inserts over HTTP, each with a timeout.

By clickhouse-connect. Frames travel as Arrow streams, which Polars reads and writes by itself, so
that a site with a server needs neither pyarrow nor chDB.
"""

import io
import json
import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING

from analytics.answer import FORMAT, SETTINGS, Answer, parsed
from analytics.engine import NONE
from slurm_hooks.errors import StoreError
from slurm_hooks.store_settings import Credentials, StoreSettings, credentials

if TYPE_CHECKING:
    import polars as pl
    from clickhouse_connect.driver.client import Client

_WHOLE = {
    "async_insert": 0,
    "max_partitions_per_insert_block": 0,
    "distributed_ddl_output_mode": "none",
}
"""An insert is done when it is answered, into however many months it goes; and what makes tables on
a cluster answers with nothing, or an error."""


class Server:
    """A server and whoever *environ* and settings say asks it; connects at the first question.

    *database* is the one that names without one are looked for in; empty: the user's own.
    Every method raises StoreError, a line that names the server and the next step.
    """

    def __init__(
        self,
        store: StoreSettings,
        *,
        database: str | None = None,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self.store = store
        self._database = store.database if database is None else database
        self._environ = environ
        self._client: Client | None = None
        self._who: Credentials | None = None

    @property
    def user(self) -> str:
        """Who asks; raises ConfigError where that cannot be told."""
        if self._who is None:
            self._who = credentials(self.store, self._environ)
        return self._who.user

    def command(self, sql: str, parameters: Mapping[str, object] = NONE) -> None:
        """Do *sql*, which returns nothing."""
        if self._ask(sql, parameters, form="", settings=_WHOLE).strip():
            raise self._not_clickhouse()

    def rows(self, sql: str, parameters: Mapping[str, object] = NONE) -> list[tuple[object, ...]]:
        """Return the rows of *sql*; times are aware and in UTC."""
        return self._answer(sql, parameters, SETTINGS).rows

    def answer(self, sql: str) -> Answer:
        """Return the answer to somebody else's statement, which can change nothing."""
        return self._answer(sql, NONE, {**SETTINGS, "readonly": 2})

    def _answer(
        self, sql: str, parameters: Mapping[str, object], settings: Mapping[str, object]
    ) -> Answer:
        answer = self._ask(sql, parameters, form=FORMAT, settings=settings)
        head = answer.split(b"\n", 2)[:2]
        try:
            if len(head) != 2 or not all(isinstance(json.loads(line), list) for line in head):
                raise self._not_clickhouse()
            return parsed(answer)
        except ValueError as error:
            raise self._not_clickhouse() from error

    def frame(self, sql: str, parameters: Mapping[str, object] = NONE) -> "pl.DataFrame":
        """Return the rows of *sql* as a frame; times are aware and in UTC."""
        import polars as pl  # noqa: PLC0415 takes 0.3 s to import

        answer = self._ask(sql, parameters, form="ArrowStream", settings=NONE)
        try:
            return pl.read_ipc_stream(io.BytesIO(answer))
        except pl.exceptions.PolarsError as error:
            raise self._not_clickhouse() from error

    def insert(self, table: str, rows: "pl.DataFrame") -> None:
        """Add *rows* to *table* of the database; they are there when this returns."""
        import polars as pl  # noqa: PLC0415 takes 0.3 s to import

        data = io.BytesIO()
        rows.write_ipc_stream(data, compression="lz4", compat_level=pl.CompatLevel.oldest())
        client = self._connected()
        try:
            done = client.raw_insert(
                f"`{self.store.database}`.{table}",
                rows.columns,
                data.getvalue(),
                settings=_WHOLE,
                fmt="ArrowStream",
            )
        except Exception as error:
            raise self._error(error) from error
        if "written_rows" not in done.summary:
            raise self._not_clickhouse()

    def close(self) -> None:
        """Let the connection go."""
        if self._client is not None:
            with suppress(Exception):
                self._client.close()
        self._client = None

    def _ask(
        self,
        sql: str,
        parameters: Mapping[str, object],
        *,
        form: str,
        settings: Mapping[str, object],
    ) -> bytes:
        client = self._connected()
        try:
            answer: bytes = client.raw_query(
                sql, parameters=dict(parameters), settings=dict(settings), fmt=form or None
            )
        except Exception as error:
            raise self._error(error) from error
        return answer

    def _connected(self) -> "Client":
        if self._client is None:
            self._client = self._connect()
        return self._client

    def _connect(self) -> "Client":
        import clickhouse_connect  # noqa: PLC0415 takes 0.3 s to import

        logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())
        who = self._who = credentials(self.store, self._environ)
        ca_file = self.store.ca_file
        if ca_file is not None and not os.access(ca_file, os.R_OK):
            raise StoreError(f"{self.store.path}: store.ca_file: {ca_file}: cannot read it")
        try:
            return clickhouse_connect.get_client(
                host=self.store.host.strip("[]"),
                port=self.store.port,
                interface="https" if self.store.secure else "http",
                username=who.user,
                password=who.password,
                database=self._database or "__default__",
                ca_cert=str(ca_file) if ca_file else None,
                connect_timeout=_seconds(self.store.connect_timeout),
                send_receive_timeout=_seconds(self.store.timeout),
                autogenerate_session_id=False,
                client_name="cluster-doctor",
            )
        except Exception as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> StoreError:
        from analytics.server_errors import store_error  # noqa: PLC0415 loads the driver

        if isinstance(error, StoreError):
            return error
        return store_error(error, self.store, self.user)

    def _not_clickhouse(self) -> StoreError:
        from analytics.server_errors import not_clickhouse  # noqa: PLC0415 loads the driver

        return not_clickhouse(self.store)


def _seconds(length: timedelta) -> int:
    return ceil(length.total_seconds())
