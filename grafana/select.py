"""What dashboards' questions have in common: which rows they are about, as ClickHouse SQL."""

from collections.abc import Iterable

from analytics import story


def chosen(column: str, variable: str) -> str:
    """Return the condition that *column* is among what the reader chose; 1=1 where that is all."""
    return f"$__conditionalAll({column} IN (${{{variable}:singlequote}}), ${variable})"


CLUSTER = chosen("cluster", "cluster")
NODE = chosen("node", "node")
CHECK = chosen("check_name", "check")

PARTITION = (
    "$__conditionalAll((cluster, node) IN (SELECT cluster, node FROM nodes"
    " WHERE hasAny(partitions, [${partition:singlequote}])), $partition)"
)
"""That the node is in one of the partitions, as it was last seen."""

ITS_PARTITION = "$__conditionalAll(hasAny(partitions, [${partition:singlequote}]), $partition)"
"""The same where the rows themselves are nodes'."""

BATCH_DAY = "formatDateTime({time}, '%Y%m%dT%H%i%SZ', 'UTC')"

RESULTS = (
    "$__timeFilter(finished_at)"
    f" AND batch >= {BATCH_DAY.format(time='$__fromTime - INTERVAL 7 DAY')}"
    f" AND batch <= {BATCH_DAY.format(time='$__toTime')}"
)
"""That a result ended in the shown time. A batch's id begins with its time, and by the batch the
store leaves out whole months; none is a week older than its results."""

HOLDER = "if(holder_kind = '', 'nobody', holder_kind)"
"""Who keeps a node from its users."""


def counted(of: str, names: Iterable[str]) -> str:
    """Return a column for each of *names*: in how many rows *of* is it."""
    return ", ".join(f"countIf({of} = '{name}') AS `{name}`" for name in names)


def averaged(column: str, names: Iterable[str]) -> str:
    """Return a column for each of *names*: the mean of what the map in *column* has of it."""
    return ", ".join(f"avg({column}['{name}']) AS `{name}`" for name in names)


def summed(names: Iterable[str], *, of: str) -> str:
    """Return a column for each of *names*: the sum of the same column of the rows *of*."""
    return ", ".join(f"sum({of}.`{name}`) AS `{name}`" for name in names)


def known(number: str) -> str:
    """Return *number*, or NULL where there is no row to count: nothing known is not nothing bad."""
    return f"if(count() = 0, NULL, {number})"


def nodes_then(where: str, then: str = "1") -> str:
    """Ask for the nodes as they were at the end of the shown time; as `story.nodes_then`."""
    return story.nodes_then("$__toTime", where, then)


def coverage_then(where: str) -> str:
    """Ask how much of each check was proven at the end of the shown time."""
    return f"""
        SELECT * FROM coverage
        WHERE at <= $__toTime AND at > $__toTime - INTERVAL 1 DAY AND {where}
        ORDER BY at DESC
        LIMIT 1 BY cluster, check_name
    """.strip()


def both(*conditions: str) -> str:
    """Return that all *conditions* hold."""
    return " AND ".join(conditions)
