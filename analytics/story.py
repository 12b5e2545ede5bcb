"""What reports and dashboards both ask: ClickHouse SQL, given a condition that chooses the rows.

A report binds parameters in its condition, a dashboard has Grafana's macros in it. So neither
tells another story than the other.
"""

from analytics.result import JUDGED as _JUDGED

JUDGED = "outcome IN ('" + "', '".join(_JUDGED) + "')"
"""That a result says something about its node."""

PASS_RATE = f"if(countIf({JUDGED}) = 0, NULL, countIf(outcome = 'pass') / countIf({JUDGED}))"
"""Passes by judged results, as `analytics.reliability` has it; NULL where nothing was judged."""

WORST_FIRST = (
    "transform(outcome, ['fail', 'error', 'timeout', 'node_fail', 'warn', 'pass'],"
    " [0, 1, 2, 3, 4, 9], 5)"
)
"""The order of outcomes in which a person wants to see them."""

_REACTIONS = "decided_at, check_name, kind, state, why, detail, ended_at, ended_by"


def values(where: str, metrics: str, *, more: str = "") -> str:
    """Ask for each number that a judged result measured, of those that satisfy *metrics*.

    Gives node, check_name, metric, finished_at, value, and the columns of `history` in *more*.
    """
    return (
        f"SELECT node, check_name, metric, finished_at, value{more} FROM ("  # noqa: S608 ours
        f"SELECT node, check_name, finished_at, metrics{more} FROM history "
        f"WHERE {where} AND {JUDGED}) "
        "ARRAY JOIN mapKeys(metrics) AS metric, mapValues(metrics) AS value "
        f"WHERE {metrics}"
    )


def bands(of: str, *, step: str, least: int) -> str:
    """Ask what is usual among the values that *of* asks for: low, middle and high in each *step*.

    *step* makes a time of ``finished_at``. One in which fewer than *least* nodes were measured
    says nothing of what is usual.
    """
    return (
        f"SELECT check_name, metric, {step} AS at, "  # noqa: S608 ours
        "quantiles(0.1, 0.5, 0.9)(value) AS bounds "
        f"FROM ({of}) WHERE isFinite(value) GROUP BY check_name, metric, at "
        f"HAVING uniqExact(node) >= {least:d} ORDER BY check_name, metric, at"
    )


def grounds(where: str, *, most: int = 1000) -> str:
    """Ask what was said where a check did not pass: details, the commonest first."""
    return (
        "SELECT check_name, outcome, detail, count() AS results, "  # noqa: S608 ours
        "uniqExact(node) AS nodes, max(finished_at) AS last_at "
        f"FROM history WHERE {where} AND outcome NOT IN ('pass') "
        "GROUP BY check_name, outcome, detail "
        f"ORDER BY results DESC, check_name, outcome, detail LIMIT {most:d}"
    )


def newest_batches(where: str, most: int) -> str:
    """Ask for the ids of the newest batches, so that no more than their visits are looked at."""
    every = " UNION ALL ".join(
        f"SELECT batch FROM {table} WHERE {where}"  # noqa: S608 ours
        for table in ("results", "batches")
    )
    return f"SELECT DISTINCT batch FROM ({every}) ORDER BY batch DESC LIMIT {most:d}"  # noqa: S608


def reactions(where: str, *, more: str = "") -> str:
    """Ask what was decided, the newest first; *more* names columns before the usual ones."""
    return (
        f"SELECT {more}{_REACTIONS} FROM reactions WHERE {where} "  # noqa: S608 ours
        "ORDER BY decided_at DESC, id"
    )


def nodes_then(until: str, where: str, then: str = "1") -> str:
    """Ask for the nodes as they were at *until*.

    *where* chooses nodes by what never changes, *then* by how they were. Each is written once a
    day at the least.
    """
    return f"""
        SELECT * FROM
        (
            SELECT * FROM node_states
            WHERE seen_at <= {until} AND seen_at > {until} - INTERVAL 2 DAY AND {where}
            ORDER BY seen_at DESC
            LIMIT 1 BY cluster, node
        )
        WHERE state != '' AND {then}
    """.strip()  # noqa: S608 ours


STATE = "concat(state, arrayStringConcat(arrayMap(flag -> concat('+', flag), flags)))"
"""A node's state and its flags, as scontrol writes them."""

_SAID = "if(error != '', error, arrayStringConcat(arrayConcat(refused, warnings), '; '))"


def sweeps(where: str, *, most: int) -> str:
    """Ask for the newest sweeps, each with what it said: its error, else refusals and warnings."""
    return (
        "SELECT cluster, started_at, duration_s, nodes, free, planned, visits, ingested, "  # noqa: S608
        f"{_SAID} AS said FROM sweeps WHERE {where} ORDER BY started_at DESC LIMIT {most:d}"
    )
