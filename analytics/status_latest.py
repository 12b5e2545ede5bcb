"""Keeps the server's table `status_latest` what the view `status` is of the history.

Not by a materialized view: that sees each insert by itself, and a later word of a higher revision
takes back what an earlier one proved. So what was touched is made anew from the history, after
the history has it. Whoever dies in between does the same insert again, and this with it.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from analytics.server import Server

if TYPE_CHECKING:
    import polars as pl

_PAIR = "cluster, node, check_name"
_VERSION = (
    "(SELECT greatest(max(version) + 1, toUInt64(toUnixTimestamp64Micro(now64(6)))) "
    "FROM status_latest)"
)
"""Greater than every one there, also where a server's clock was set back."""

_MOST_TEXT = 90_000
"""Characters in a parameter: ClickHouse takes 128 KiB (http_max_field_value_size)."""

_MOST_ROWS = 2_000_000
"""Results that one statement looks through: a minute's work at most."""

_MOST_PAIRS = 2_000
"""So many at a time; the next tidying goes on."""

_AGAIN = timedelta(days=1)


def refresh(server: Server, rows: "pl.DataFrame") -> None:
    """Make anew how the checks on nodes stand that *rows* of `results` tell of."""
    pairs = rows.select("cluster", "node", "check_name").unique().sort("cluster", "node").rows()
    for bound in _bounded(pairs):
        _make(
            server,
            "cluster = {cluster:String} AND (node, check_name) IN "
            "arrayZip({nodes:Array(String)}, {checks:Array(String)})",
            bound,
        )


def rebuild(server: Server) -> None:
    """Make all of it anew; what the history does not know any more goes."""
    counts = server.rows(
        "SELECT cluster, node, count() FROM results GROUP BY cluster, node ORDER BY cluster, node"
    )
    found = [(str(cluster), str(node), int(str(rows))) for cluster, node, rows in counts]
    for cluster, first, last in _ranges(found):
        bound = {"cluster": cluster, "first": first, "last": last}
        _make(
            server,
            "cluster = {cluster:String} AND node BETWEEN {first:String} AND {last:String}",
            bound,
        )
    _forget(server, "1", {})


def expire(server: Server, *, retention: timedelta, now: datetime) -> None:
    """Make anew, once a day each, what rests on results that retention may have dropped."""
    old = (
        f"({_PAIR}) IN (SELECT {_PAIR} FROM status_latest FINAL "  # noqa: S608 ours
        "WHERE oldest_at < fromUnixTimestamp64Milli({before:Int64}, 'UTC') "
        "AND made_at < fromUnixTimestamp64Milli({made:Int64}, 'UTC') "
        f"ORDER BY oldest_at LIMIT {_MOST_PAIRS})"
    )
    bound = {"before": _ms(now - retention), "made": _ms(now - _AGAIN)}
    if server.rows(f"SELECT 1 FROM status_latest WHERE {old} LIMIT 1", bound):  # noqa: S608 ours
        _forget(server, old, bound)
        _make(server, old, bound)


def _make(server: Server, which: str, bound: Mapping[str, object]) -> None:
    server.command(
        f"INSERT INTO status_latest SELECT *, now64(3), {_VERSION}, 0 "  # noqa: S608 ours
        f"FROM status_of_history WHERE {which}",
        bound,
    )


def _forget(server: Server, which: str, bound: Mapping[str, object]) -> None:
    """Mark as gone what *which* names and the history does not know."""
    server.command(
        f"INSERT INTO status_latest ({_PAIR}, made_at, version, gone) "  # noqa: S608 ours
        f"SELECT {_PAIR}, now64(3), {_VERSION}, 1 FROM status_latest FINAL "
        f"WHERE {which} AND ({_PAIR}) NOT IN (SELECT {_PAIR} FROM results WHERE {which})",
        bound,
    )


def _bounded(pairs: Iterable[tuple[str, ...]]) -> Iterator[Mapping[str, object]]:
    """Yield *pairs*, sorted by cluster, as parameters of which none is too long."""
    cluster, nodes, checks, size = "", list[str](), list[str](), 0
    for its_cluster, node, check in pairs:
        if nodes and (its_cluster != cluster or size > _MOST_TEXT):
            yield {"cluster": cluster, "nodes": nodes, "checks": checks}
            nodes, checks, size = [], [], 0
        cluster = its_cluster
        nodes.append(node)
        checks.append(check)
        size += len(repr(node)) + len(repr(check)) + 2
    if nodes:
        yield {"cluster": cluster, "nodes": nodes, "checks": checks}


def _ranges(counts: Iterable[tuple[str, str, int]]) -> Iterator[tuple[str, str, str]]:
    """Yield cluster, first and last node of what one statement may look through."""
    start: tuple[str, str] | None = None
    last, total = ("", ""), 0
    for cluster, node, rows in counts:
        if start and (cluster != start[0] or total + rows > _MOST_ROWS):
            yield (*start, last[1])
            start, total = None, 0
        start = start or (cluster, node)
        last, total = (cluster, node), total + rows
    if start:
        yield (*start, last[1])


def _ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)
