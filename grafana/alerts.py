"""The alert rules: what an admin should be woken for, or told in the morning.

Each is written so that a cluster which is well, slow, new, or switched off for good rings nothing.
"""

from collections.abc import Sequence

from analytics.ingest import UNTIDY
from analytics.server_errors import ABOUT
from analytics.take_sweeps import LATE
from grafana.alert import Alert
from grafana.select import STAMP, SUSPENDED
from grafana.sweeping import OVERDUE, USUAL_S, ages
from slurm_hooks.room import AT_MOST

COVERAGE_GOAL = 0.9
MANY_NODES = 5
"""As many as `reactions.suspect` allows, unless the settings say otherwise."""

HOUR, DAY = 3600, 86400


def alerts(*, coverage_goal: float = COVERAGE_GOAL) -> Sequence[Alert]:
    """Return all rules."""
    return (
        _no_sweep(),
        _coverage_under_goal(coverage_goal),
        _check_fails_on_many_nodes(),
        _cap_reached(),
        _reactions_suspended(),
        _ingest_lag(),
        _store_errors(),
    )


def _no_sweep() -> Alert:
    return Alert(
        title="NoSweep",
        sql=ages("$__timeFilter(started_at)"),
        window_s=7 * DAY,
        rings=("gt", OVERDUE),
        lasting="2m",
        severity="critical",
        summary="{{ .Labels.cluster }}: no sweep came to its end for three intervals",
        description="The newest one that the history knows is "
        '{{ printf "%.0f" .Values.A.Value }} of the usual intervals old. Nothing is tested '
        "meanwhile.",
        panel="Heartbeat",
        nothing="no sweep for a week: the cluster was switched off, or has not begun. A store that "
        "never got anything shows in every dashboard",
    )


def _coverage_under_goal(goal: float) -> Alert:
    return Alert(
        title="CoverageUnderGoal",
        sql="""
            SELECT cluster, sum(proven) / sum(nodes) AS Value FROM coverage
            WHERE $__timeFilter(at) AND (cluster, at) IN
            (
                SELECT cluster, max(at) FROM coverage_samples
                WHERE $__timeFilter(at) GROUP BY cluster
            )
            GROUP BY cluster HAVING sum(nodes) > 0
            ORDER BY cluster
        """,
        window_s=DAY,
        rings=("lt", goal),
        lasting="1h",
        severity="warning",
        summary="{{ .Labels.cluster }}: {{ humanizePercentage .Values.A.Value }} of the fleet is "
        f"proven, and {goal * 100:g}% should be",
        description="Of all pairs of a node and a check that is for it, so many were judged within "
        "the check's max_age, at the latest sweep that counted.",
        panel="Proven share by check",
        nothing="no sweep counted for a day, of which NoSweep tells; or no check is for any node",
    )


def _check_fails_on_many_nodes() -> Alert:
    return Alert(
        title="CheckFailsOnManyNodes",
        sql="""
            SELECT cluster, check_name, uniqExact(node) AS Value FROM status
            WHERE judged_outcome = 'fail' AND $__timeFilter(judged_at)
            GROUP BY cluster, check_name
            ORDER BY cluster, check_name
        """,
        window_s=HOUR,
        rings=("gt", MANY_NODES),
        lasting="0s",
        severity="critical",
        summary="{{ .Labels.cluster }}: {{ .Labels.check_name }} fails on "
        "{{ .Values.A.Value }} nodes",
        description="They all were judged within the last hour, and their latest judgement is "
        "fail. So many at once point at the check, or at what the nodes share.",
        panel="Failures by check",
        nothing="nothing failed within the hour",
    )


def _cap_reached() -> Alert:
    return Alert(
        title="CapReached",
        sql=f"""
            SELECT cluster, uniqExact(node) AS Value FROM reactions
            WHERE state = 'waiting' AND why LIKE '%{AT_MOST.format(most="%")}'
              AND $__timeFilter(decided_at)
            GROUP BY cluster
            ORDER BY cluster
        """,
        window_s=7 * DAY,
        rings=("gt", 0),
        lasting="5m",
        severity="critical",
        summary="{{ .Labels.cluster }}: {{ .Values.A.Value }} broken nodes stay in service, since "
        "no more may be held",
        description="Their checks failed and they would be drained, but a cap of the reactions is "
        "reached. Users' jobs may start there.",
        panel="Held or failing",
        nothing="nothing waits for room under a cap",
    )


def _reactions_suspended() -> Alert:
    return Alert(
        title="ReactionsSuspended",
        sql=f"""
            SELECT cluster, check_name, count() AS Value FROM reactions
            WHERE {SUSPENDED} AND $__timeFilter(decided_at)
            GROUP BY cluster, check_name
            ORDER BY cluster, check_name
        """,
        window_s=7 * DAY,
        rings=("gt", 0),
        lasting="0s",
        severity="warning",
        summary="{{ .Labels.cluster }}: {{ .Labels.check_name }} failed on so many nodes that "
        "nothing more is done for it",
        description="{{ .Values.A.Value }} reactions wait until a person decides whether the check "
        "or the nodes are broken: cluster-doctor reactions.",
        panel="Suspended checks",
        nothing="nothing waits for a person's word",
    )


def _ingest_lag() -> Alert:
    # It must last for longer than the hour that is looked at: so what came late at once rings
    # nothing, such as the backlog after an outage, or the records of a node that was away. The
    # table is read without FINAL, every minute: a row that is there twice does no harm.
    first = STAMP.format(time="$__fromTime - INTERVAL 7 DAY")
    return Alert(
        title="IngestLag",
        sql=f"""
            SELECT cluster, if(lag_s > 2 * usual_s, lag_s, 0) AS Value FROM
            (
                SELECT cluster,
                       quantile(0.9)(date_diff('second', finished_at, ingested_at)) AS lag_s
                FROM results
                WHERE $__timeFilter(ingested_at) AND batch >= {first}
                GROUP BY cluster
            )
            AS lags
            LEFT JOIN
            (
                SELECT
                    cluster,
                    {USUAL_S}
                FROM sweeps
                WHERE started_at <= $__toTime AND started_at > $__toTime - INTERVAL 2 DAY
                GROUP BY cluster
            )
            AS sweeping USING (cluster)
            ORDER BY cluster
        """,
        window_s=HOUR,
        rings=("gt", HOUR / 2),
        lasting="75m",
        severity="warning",
        summary="{{ .Labels.cluster }}: results enter the history "
        "{{ humanizeDuration .Values.A.Value }} late",
        description="One in ten of those that entered in the last hour had ended so long before, "
        "and that has been so for more than an hour. What the dashboards show is as old.",
        panel="Last sweeps",
        nothing="no result entered within the hour: nothing was due, or NoSweep tells of it",
    )


def _store_errors() -> Alert:
    # Sweeps cannot tell while the store is away; what they tell afterwards is over once two in a
    # row were well. That Grafana gets no answer rings by on_error, here alone.
    return Alert(
        title="StoreErrors",
        sql=f"""
            SELECT cluster, if(troubled[1] + troubled[2] = 0, 0, arraySum(troubled)) AS Value FROM
            (
                SELECT cluster, arraySlice(arrayMap(
                    one -> one.2, arrayReverseSort(groupArray((started_at, trouble)))
                ), 1, 4) AS troubled
                FROM
                (
                    SELECT cluster, started_at, match(error, '{ABOUT}') OR arrayExists(
                        said -> said LIKE '%{UNTIDY}%' OR said LIKE '%{LATE}%', warnings
                    ) AS trouble
                    FROM sweeps WHERE $__timeFilter(started_at)
                )
                GROUP BY cluster
            )
            ORDER BY cluster
        """,
        window_s=2 * HOUR,
        rings=("gt", 1),
        lasting="10m",
        severity="critical",
        summary="{{ if .Labels.cluster }}{{ .Labels.cluster }}: sweeps have trouble with the "
        "history's store{{ else }}ClickHouse does not answer Grafana{{ end }}",
        description="{{ if .Labels.cluster }}{{ .Values.A.Value }} of the last four sweeps told of "
        "it.{{ else }}The other alerts stay as they were until it does.{{ end }} No result is "
        "lost: records wait in the spool.",
        panel="Last sweeps",
        nothing="no sweep for two hours, of which NoSweep tells",
        on_error="Alerting",
    )
