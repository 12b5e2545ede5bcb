"""How far apart a cluster's sweeps are, and how overdue the next one is, as ClickHouse SQL."""

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
