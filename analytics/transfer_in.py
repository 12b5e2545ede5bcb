"""Copies the history of a cluster from a server into the state directory, some batches at a time.

Killed anywhere, the next one goes on: what is copied twice counts once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from analytics.alone import alone
from analytics.clickhouse import ClickHouseStore
from analytics.effects import Disk
from analytics.embedded import EmbeddedStore
from analytics.layout import cuts
from analytics.tables import RESULTS, TABLES, Table
from analytics.transfer_count import missing
from analytics.transfer_file import Noted, Tell
from slurm_hooks.errors import StoreError
from slurm_hooks.settings import Settings
from slurm_hooks.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """What is copied at once: all whose keys are between these."""

    first: str
    last: str
    rows: int


def import_(
    settings: Settings,
    embedded: EmbeddedStore,
    server: ClickHouseStore,
    *,
    now: datetime,
    tell: Tell,
) -> None:
    """Copy what *server* has of the settings' cluster, and make the status snapshot of it.

    Raises:
        StoreError: one side refuses, or the state directory has less than the server in the end.
        StateError: its files cannot be written, or an ingest held the lock for long.
    """
    state, cluster = State(settings.state_dir), settings.cluster
    state.prepare()
    noted = Noted(state.transfer("import"), server=server.name)
    for table in TABLES:
        parts = list(_parts(server, table, cluster, after=(*noted.done(table.name), "")[0]))
        total = sum(part.rows for part in parts)
        for number, part in enumerate(parts):
            tell(table.name, sum(one.rows for one in parts[:number]), total)
            rows = server.query(*_question(table, cluster, part))
            with alone(state):
                embedded.append(rows, table)
                embedded.tidy(now=now)
            noted.note(table.name, [part.last])
        tell(table.name, total, total)
    with alone(state):
        embedded.tidy_here(now=now, all_of_it=True)
        Disk(state, embedded, cluster=cluster, now=now).rebuild()
    problem = missing(server, embedded, since=now - settings.store.retention, cluster=cluster)
    noted.forget()
    if problem:
        raise StoreError(f"{problem}; did an ingest write meanwhile? import again: it begins anew")


def _parts(server: ClickHouseStore, table: Table, cluster: str, *, after: str) -> Iterator[_Part]:
    """Yield what is to be copied of *table*, in the order of the keys, each part bounded."""
    key = _key(table)
    found = server.rows(
        f"SELECT {key} AS place, count() FROM {_source(table)} "  # noqa: S608 ours
        f"WHERE cluster = {{cluster:String}} AND {key} > {{after:String}} GROUP BY place",
        {"cluster": cluster, "after": after},
    )
    rows_of = {str(place): int(str(rows)) for place, rows in found}
    for part in cuts(rows_of):
        yield _Part(first=part[0], last=part[-1], rows=sum(rows_of[key] for key in part))


def _question(table: Table, cluster: str, part: _Part) -> tuple[str, dict[str, object]]:
    sql = (
        f"SELECT {', '.join(table.columns)} FROM {_source(table)} "  # noqa: S608 ours
        f"WHERE cluster = {{cluster:String}} "
        f"AND {_key(table)} BETWEEN {{first:String}} AND {{last:String}}"
    )
    return sql, {"cluster": cluster, "first": part.first, "last": part.last}


def _key(table: Table) -> str:
    """Return the key as text that sorts as it does."""
    if "DateTime" in table.columns[table.key]:
        return f"leftPad(toString(toUnixTimestamp64Milli({table.key})), 16, '0')"
    return table.key


def _source(table: Table) -> str:
    """Return where each thing of *table* is once."""
    return "latest_results" if table is RESULTS else f"{table.name} FINAL"
