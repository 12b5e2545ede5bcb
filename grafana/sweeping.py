"""How far apart sweeps are, how overdue the next one is, and when there were none, as SQL."""

USUAL_S = """
                    arraySort(groupArray(toUnixTimestamp(started_at))) AS starts,
                    arrayFilter(start -> start > starts[-1] - 86400, starts) AS last_day,
                    arrayPopFront(arrayDifference(last_day)) AS apart,
                    if(empty(apart), 3600,
                       greatest(60, arrayReduce('quantileExact(0.5)', apart))) AS usual_s
""".strip()
"""How far a cluster's sweeps are apart: the median of the day that its latest one ended. So sites
with other intervals need no other rule. Of a single sweep that cannot be told: an hour."""

OVERDUE = 4
"""From so many intervals on a sweep is missing. A sweep's row enters with the next sweep: where all
is well the newest is up to two intervals old, so four intervals of it are three without a sweep."""


def ages(where: str) -> str:
    """Ask how many of its usual intervals ago each cluster's last sweep came to its end.

    Gives cluster and ``Value``, of the sweeps that *where* chooses. Where none came to its end,
    the first try counts.
    """
    return f"""
            SELECT cluster, age_s / usual_s AS Value FROM ({ages_s(where)})
            ORDER BY cluster
    """.rstrip()


def ages_s(where: str) -> str:
    """Ask the same in seconds: cluster, ``age_s``, and ``usual_s``, the usual interval."""
    return f"""
            SELECT cluster, date_diff('second', ended_at, $__toTime) AS age_s, usual_s FROM
            (
                SELECT
                    cluster,
                    if(countIf(error = '') = 0, min(started_at),
                       maxIf(finished_at, error = '')) AS ended_at,
                    {USUAL_S}
                FROM sweeps WHERE {where} GROUP BY cluster
            )
    """.rstrip()


def silences(table: str, time: str, where: str, *, label: str = "") -> str:
    """Ask for a moment in each silence: longer than three usual distances, and two intervals.

    Gives ``time``, in the first interval without a row of *table*, and one of *label*'s values. A
    line ends where it has no value at such a moment; else it would go straight through the outage.
    """
    more = f", one_of_them AS {label}" if label else ""
    return f"""
            SELECT toDateTime(arrayJoin(arrayMap(
                one -> (intDiv(one.1 - one.2, $__interval_s) + 1) * $__interval_s,
                arrayFilter(
                    one -> one.2 > greatest(3 * usual, 2 * $__interval_s), arrayZip(starts, apart)
                )
            ))) AS time{more}
            FROM
            (
                SELECT
                    arraySort(groupUniqArray(toUnixTimestamp({time}))) AS starts,
                    arrayDifference(starts) AS apart,
                    arrayReduce('quantileExact(0.5)', arrayPopFront(apart)) AS usual
                    {f", any({label}) AS one_of_them" if label else ""}
                FROM {table} WHERE {where}
            )
    """.strip()


def interrupted(sql: str, silent: str, nothing: str) -> str:
    """Ask *sql*, whose columns are a time and what *nothing* has none of, with gaps where *silent*.

    Sorted by all columns, the time first.
    """
    return f"""
                SELECT * FROM
                (
                    {sql}
                    UNION ALL
                    SELECT time, {nothing} FROM ({silent})
                )
                ORDER BY ALL
    """
