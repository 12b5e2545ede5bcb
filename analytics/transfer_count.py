"""Whether a copy of the history is whole: how much of what both sides have."""

from collections.abc import Mapping
from datetime import datetime

from analytics.store import Store
from analytics.tables import RESULTS, TABLES, Table


def missing(source: Store, target: Store, *, since: datetime, cluster: str = "") -> str:
    """Return where *target* has less than *source*, of one cluster or of all; empty: nowhere.

    What happened before *since* is not counted: retention may have dropped it on one side.

    Raises:
        StoreError: one of them does not answer.
    """
    for table in TABLES:
        wanted, there = _counts(source, table, since), _counts(target, table, since)
        for name, rows in wanted.items():
            if cluster in {"", name} and there.get(name, 0) < rows:
                return (
                    f"{table.name} of cluster {name!r}: {rows:,} were to be copied, and "
                    f"{there.get(name, 0):,} are there"
                )
    return ""


def _counts(store: Store, table: Table, since: datetime) -> Mapping[str, int]:
    """Return of each cluster how many things there are, whoever told of them how often."""
    recent = f"{table.time} >= fromUnixTimestamp64Milli({{since:Int64}}, 'UTC')"
    each = f"SELECT DISTINCT {', '.join(table.identity)} FROM {table.name} WHERE {recent}"  # noqa: S608 ours
    if table is RESULTS:
        each = f"SELECT cluster FROM latest_results WHERE {recent}"  # noqa: S608 ours
    found = store.rows(
        f"SELECT cluster, count() FROM ({each}) GROUP BY cluster",  # noqa: S608 ours
        {"since": round(since.timestamp() * 1000)},
    )
    return {str(cluster): int(str(rows)) for cluster, rows in found}
