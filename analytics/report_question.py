"""What a report asks of the store: ClickHouse SQL with bound parameters; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from analytics import story

Question = tuple[str, Mapping[str, object]]

_SINCE, _UNTIL = (
    f"fromUnixTimestamp64Milli({{{name}:Int64}}, 'UTC')" for name in ("since", "until")
)
_WINDOW = f"finished_at >= {_SINCE} AND finished_at <= {_UNTIL}"
_OF_CLUSTER = f"cluster = {{cluster:String}} AND {_WINDOW}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Which results; an empty tuple means all."""

    cluster: str
    since: datetime
    until: datetime
    nodes: Sequence[str] = ()
    checks: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """One of several parts of all nodes, so that no answer holds more than a part."""

    part: int = 0
    parts: int = 1


WHOLE = Slice()


def size(scope: Scope) -> Question:
    """Ask how many rows there are, records that do not count included: what a report weighs."""
    where, bound = _where(scope, _OF_CLUSTER)
    return f"SELECT count() AS rows FROM results WHERE {where}", bound  # noqa: S608


def outcomes(scope: Scope, of: Slice = WHOLE) -> Question:
    """Ask for what `analytics.reliability.OUTCOMES` has, and which visits began.

    ``visit`` is a number that the results of one visit attempt share, 0 where it never began.
    """
    where, bound = _where(scope, _OF_CLUSTER, of)
    sql = (
        "SELECT node, check_name, outcome, finished_at, duration_s, "  # noqa: S608 bound
        "if(isNull(started_at) AND outcome != 'node_fail', 0, cityHash64(batch, attempt)) AS visit "
        f"FROM history WHERE {where}"
    )
    return sql, bound


def metrics(scope: Scope, names: Sequence[str], of: Slice = WHOLE) -> Question:
    """Ask for what `analytics.regression.VALUES` has of the metrics *names*."""
    where, bound = _where(scope, _OF_CLUSTER, of)
    sql = story.values(where, "metric IN {metrics:Array(String)}")
    return sql, {**bound, "metrics": list(names)}


def bands(scope: Scope, names: Sequence[str], least: int) -> Question:
    """Ask for what is usual: of each metric of each check, low, middle and high for each day.

    A day on which fewer than *least* nodes were measured says nothing of what is usual.
    """
    inner, bound = metrics(scope, names)
    day = "toDateTime64(toStartOfDay(finished_at), 3, 'UTC')"
    return story.bands(inner, step=day, least=least), bound


def grounds(scope: Scope, of: Slice = WHOLE) -> Question:
    """Ask what was said where a check did not pass: details, the commonest first."""
    where, bound = _where(scope, _OF_CLUSTER, of)
    return story.grounds(where), bound


def runs(scope: Scope, most: int) -> Question:
    """Ask for the latest runs that were planned in this time, by what `runs` calls its columns."""
    where, bound = _where(scope, "cluster = {cluster:String}")
    where += " AND batch >= {first:String} AND batch <= {last:String}"
    latest = story.newest_batches(where, most)
    sql = (
        "SELECT batch, status, planned, ended, pass, warn, fail, error, created_at, "  # noqa: S608
        f"duration_s FROM runs WHERE {where} AND batch IN ({latest}) "
        f"ORDER BY batch DESC, check_name LIMIT {most:d}"
    )
    # A batch's id begins with the time when it was made; ~ comes after all of a second.
    first, last = (f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}" for at in (scope.since, scope.until))
    return sql, {**bound, "first": first, "last": f"{last}~"}


def taken(scope: Scope) -> Question:
    """Ask how often each node was taken from users, or found taken when a check failed."""
    where, bound = _where(scope, "cluster = {cluster:String}")
    sql = (
        "SELECT node, toUInt32(count()) AS out "  # noqa: S608 bound
        f"FROM reactions WHERE {where} AND kind IN ('drain', 'reserve') "
        "AND isNotNull(done_at) AND state != 'joined' "
        f"AND done_at >= {_SINCE} AND done_at <= {_UNTIL} "
        "GROUP BY node ORDER BY node"
    )
    return sql, bound


def holds(scope: Scope) -> Question:
    """Ask which nodes somebody kept from their users at the end of the time, the latest first."""
    where, bound = _where(scope, "cluster = {cluster:String}")
    nodes = story.nodes_then(_UNTIL, where, "holder_kind != ''")
    sql = (
        f"SELECT node, {story.STATE} AS state, holder, holder_kind, held_since, reason "  # noqa: S608
        f"FROM ({nodes}) ORDER BY held_since DESC NULLS LAST, node"
    )
    return sql, bound


def sweeps(scope: Scope, most: int) -> Question:
    """Ask for the newest sweeps of the time."""
    window = f"started_at >= {_SINCE} AND started_at <= {_UNTIL}"
    where, bound = _where(scope, f"cluster = {{cluster:String}} AND {window}")
    return story.sweeps(where, most=most), bound


def latest_reactions(scope: Scope, most: int) -> Question:
    """Ask what was decided lately about any node, the newest first."""
    sql, bound = reactions(scope, more="node, ")
    return f"{sql} LIMIT {most:d}", bound


def reactions(scope: Scope, *, more: str = "") -> Question:
    """Ask what was decided about these nodes, the newest first; as `story.reactions`."""
    where, bound = _where(scope, "cluster = {cluster:String}")
    window = f"decided_at >= {_SINCE} AND decided_at <= {_UNTIL}"
    return story.reactions(f"{where} AND {window}", more=more), bound


def _where(scope: Scope, first: str, of: Slice = WHOLE) -> Question:
    lists = {"node": scope.nodes, "check_name": scope.checks}
    given = {name: list(values) for name, values in lists.items() if values}
    conditions = [first, *(f"{name} IN {{{name}:Array(String)}}" for name in given)]
    if of.parts > 1:
        conditions.append(f"cityHash64(node) % {of.parts:d} = {of.part:d}")
    bound: dict[str, object] = {
        "cluster": scope.cluster,
        "since": round(scope.since.timestamp() * 1000),
        "until": round(scope.until.timestamp() * 1000),
    }
    return " AND ".join(conditions), bound | given
