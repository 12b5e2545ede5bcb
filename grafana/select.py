"""What dashboards' questions have in common: which rows they are about, as ClickHouse SQL."""

from collections.abc import Iterable

from analytics import story
from slurm_hooks.policy import SUSPECT


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

THERE = "(cluster, node) IN (SELECT cluster, node FROM nodes)"
"""That Slurm has the node still, as far as its cluster's sweeps know."""

WHOLE = "Of whole clusters, whatever partition is chosen."
"""What is said of panels over what sweeps do not count by partition."""

ITS_PARTITION = "$__conditionalAll(hasAny(partitions, [${partition:singlequote}]), $partition)"
"""The same where the rows themselves are nodes'."""

FAILS = "notEmpty(failing) AND $__conditionalAll(hasAny(failing, [${check:singlequote}]), $check)"
"""That one of the checks fails on the node, where the rows are nodes'."""

STANDING = "decided_at <= $__toTime AND decided_at > $__toTime - INTERVAL 400 DAY"
"""That a reaction was decided until the end of the shown time: any that may still stand."""

SUSPENDED = f"state = 'waiting' AND endsWith(why, '{SUSPECT}')"
"""That a reaction waits because its check failed on so many nodes that a person must decide."""

PROVEN = "if(sum(nodes) = 0, NULL, sum(proven) / sum(nodes))"
"""The proven share of the rows of `coverage`, by pairs: a large check or cluster weighs more."""

STAMP = "formatDateTime({time}, '%Y%m%dT%H%i%SZ', 'UTC')"
"""A time as a batch's id begins with it."""

RESULTS = (
    "$__timeFilter(finished_at)"
    f" AND batch >= {STAMP.format(time='$__fromTime - INTERVAL 7 DAY')}"
    f" AND batch <= {STAMP.format(time='$__toTime')}"
)
"""That a result ended in the shown time. A batch's id begins with its time, and by the batch the
store leaves out whole months; none is a week older than its results."""

PLANNED = (
    f"batch >= {STAMP.format(time='$__fromTime')}"
    f" AND batch <= concat({STAMP.format(time='$__toTime')}, '~')"
)
"""That a run's batch was planned in the shown time: its id begins with when."""

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


def nulls(names: Iterable[str]) -> str:
    """Return a column for each of *names* without a value."""
    return ", ".join(f"NULL AS `{name}`" for name in names)


def known(number: str) -> str:
    """Return *number*, or NULL where there is no row to count: nothing known is not nothing bad."""
    return f"if(count() = 0, NULL, {number})"


def nodes_then(where: str, then: str = "1") -> str:
    """Ask for the nodes as they were at the end of the shown time; as `story.nodes_then`."""
    return story.nodes_then("$__toTime", where, then)


def coverage_then(where: str) -> str:
    """Ask how much of each check was proven at each cluster's last sweep of the shown time.

    A check that the last sweep did not count, since it is suspended or no more, has no row.
    """
    last_day = "at <= $__toTime AND at > $__toTime - INTERVAL 1 DAY"
    return f"""
        SELECT * FROM coverage
        WHERE {last_day} AND {where} AND (cluster, at) IN
        (
            SELECT cluster, max(at) FROM coverage_samples WHERE {last_day} GROUP BY cluster
        )
    """.strip()


def both(*conditions: str) -> str:
    """Return that all *conditions* hold."""
    return " AND ".join(conditions)
