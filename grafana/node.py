"""The dashboard Node: how one node stands, how it came to that, and how its peers do."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from analytics import story
from grafana import charts, links, panels, style
from grafana.board import Marks, Row, board
from grafana.columns import CLUSTER_COLUMN, age, coloured, column, when
from grafana.select import CLUSTER, HOLDER, NODE, RESULTS, STANDING, both, nodes_then
from grafana.style import OF_HOLDERS, OF_REACTIONS
from grafana.variables import METRICS, ONE_CLUSTER, ONE_NODE

PEERS = 5
"""With fewer nodes measured there is no band: nobody knows what is usual."""

_STEP_S = 6 * 3600
"""The shortest time over which peers are compared; a check runs on each a few times a day."""

_MINE = both(CLUSTER, NODE)
_RESULTS = both(RESULTS, CLUSTER, NODE)
_NODE = nodes_then(_MINE)
_HOLDS = ", ".join(f"'{kind}'" for kind in style.OF_HOLDS if kind != "none")
_DECIDED = both("$__timeFilter(decided_at)", _MINE)

_STOOD = f"""
    SELECT kind, arrayJoin(arrayFilter(one -> isNotNull(one.1), [
               (greatest(done_at, toDateTime64($__fromTime, 3, 'UTC')), 1), (ended_at, -1)
           ])) AS change
    FROM reactions
    WHERE isNotNull(done_at) AND (ended_at IS NULL OR ended_at >= $__fromTime)
      AND kind IN ({_HOLDS}) AND {both(STANDING, _MINE)}
""".strip()
"""When a reaction began and ceased to stand; one from before the shown time begins with that."""

_HAPPENED = f"""
    SELECT finished_at AS time, check_name AS what, 1 AS place,
           {style.code("outcome", style.OUTCOME_CODES)} AS Value
    FROM history WHERE {_RESULTS}
    UNION ALL
    SELECT time, concat('· ', kind) AS what, 2 AS place,
           {style.code("if(standing > 0, kind, 'none')", style.HOLD_CODES)} AS Value
    FROM
    (
        SELECT kind, change.1 AS time,
               sum(change.2) OVER (PARTITION BY kind ORDER BY change.1) AS standing
        FROM ({_STOOD}) WHERE change.1 <= $__toTime
    )
    UNION ALL
    SELECT seen_at AS time, '· held by' AS what, 3 AS place,
           {style.code(HOLDER, style.HOLDER_CODES)} AS Value
    FROM node_states WHERE $__timeFilter(seen_at) AND {_MINE}
""".strip()
"""What the timeline has a row for: each check, each kind of reaction, and who held the node."""


def node() -> Dashboard:
    """Return the dashboard."""
    return board(
        links.NODE,
        "Node",
        means="How one node stands, how it came to that, and how it does beside its peers.",
        since="now-21d",
        variables=(ONE_CLUSTER, ONE_NODE, METRICS),
        rows=(_now(), _timeline(), _metrics(), _reactions(), _results()),
        marks=Marks(
            name="Reactions",
            colour="bad",
            sql=f"""
            SELECT done_at AS time, concat(kind, ': ', check_name, ': ', detail) AS text,
                   state AS tags
            FROM reactions WHERE {both("$__timeFilter(done_at)", STANDING, _MINE)}
            ORDER BY time DESC LIMIT 200
            """,
        ),
    )


def _now() -> Row:
    return Row(
        title="$node",
        panels=(
            panels.rows(
                "The node",
                f"""
                SELECT cluster, node, {story.STATE} AS state_shown,
                       holder_kind AS held_by, holder, held_since,
                       reason, hardware, verdict, detail, seen_at
                FROM ({_NODE}) ORDER BY cluster, node LIMIT 20
                """,
                means="As the last sweep of the shown time saw it.",
                columns={
                    "cluster": CLUSTER_COLUMN,
                    "node": column("Node", width=110, leads=links.to_node()),
                    "state_shown": column("State", width=150),
                    "held_by": coloured("Held by", width=100, texts=OF_HOLDERS),
                    "holder": column("Who", width=110),
                    "held_since": when("Since"),
                    "reason": column("Reason"),
                    "hardware": column("Hardware", width=220),
                    "verdict": column("Plan", width=90),
                    "detail": column("Why"),
                    "seen_at": when("Seen"),
                },
                nothing="No sweep saw it within two days",
                height=4,
            ),
            panels.rows(
                "Checks",
                f"""
                SELECT cluster, check_name, judged_outcome, judged_at,
                       date_diff('second', judged_at, $__toTime) AS age_s, judged_detail,
                       if(attempt_visit = judged_visit, '', attempt_outcome) AS unjudged,
                       if(attempt_visit = judged_visit, '', attempt_detail) AS why_not,
                       judged_log_path
                FROM status WHERE attempt_at <= $__toTime AND {_MINE}
                ORDER BY judged_outcome = 'fail' DESC, check_name LIMIT 500
                """,
                means="The latest judgement of every check, and how its latest attempt ended where "
                "that judged nothing; as the history stands now.",
                columns={
                    "cluster": CLUSTER_COLUMN,
                    "check_name": column("Check", width=130, leads=links.to_check(partition=False)),
                    "judged_outcome": coloured("Outcome", width=80),
                    "judged_at": when("Judged"),
                    "age_s": age("Ago"),
                    "judged_detail": column("What it said"),
                    "unjudged": coloured("Attempt since", width=110),
                    "why_not": column("Why not judged", width=200),
                    "judged_log_path": column("Log", width=380),
                },
                nothing="No check ever ran here",
            ),
        ),
    )


def _timeline() -> Row:
    return Row(
        title="What happened",
        panels=(
            charts.states(
                "Checks, reactions and who held it",
                f"""
                SELECT time, what, Value FROM
                (
                    SELECT * FROM ({_HAPPENED}) ORDER BY time DESC LIMIT 50000
                )
                ORDER BY time, place, what
                """,
                means="How each check ended, what reactions stood, and who kept the node from its "
                "users, on one axis; the newest 50,000.",
                mappings=style.coded(),
                height=12,
            ),
        ),
    )


def _metrics() -> Row:
    asked = "concat(check_name, '/', metric) IN (${metric:singlequote})"
    checks = "check_name IN arrayMap(one -> splitByChar('/', one)[1], [${metric:singlequote}])"
    peers = nodes_then(CLUSTER)
    alike = (
        f"(cluster, node) IN (SELECT cluster, node FROM ({peers}) WHERE hardware IN"
        f" (SELECT hardware FROM ({_NODE})))"
    )
    step = (
        "toStartOfInterval(toDateTime(finished_at), "
        f"toIntervalSecond(greatest($__interval_s, {_STEP_S})))"
    )
    of = story.values(both(RESULTS, CLUSTER, checks, alike), asked)
    own = story.values(both(_RESULTS, checks), asked)
    return Row(
        title="Metrics beside peers",
        panels=(
            charts.band(
                "$metric",
                f"""
                SELECT time, anyOrNull(mine) AS `this node`, anyOrNull(low) AS `peers, low`,
                       anyOrNull(middle) AS `peers, middle`, anyOrNull(high) AS `peers, high`
                FROM
                (
                    SELECT at AS time, NULL AS mine, bounds[1] AS low, bounds[2] AS middle,
                           bounds[3] AS high
                    FROM ({story.bands(of, step=step, least=PEERS)})
                    UNION ALL
                    SELECT {step} AS time, median(value) AS mine, NULL AS low, NULL AS middle,
                           NULL AS high
                    FROM ({own}) WHERE isFinite(value) GROUP BY time
                )
                GROUP BY time ORDER BY time
                """,
                means="This node, over the band in which four of five nodes of the same hardware "
                f"are. No band where fewer than {PEERS} were measured.",
                line="this node", low="peers, low", middle="peers, middle", high="peers, high",
                repeat="metric",
            ),
        ),
    )  # fmt: skip


def _reactions() -> Row:
    return Row(
        title="What was done",
        panels=(
            panels.rows(
                "Reactions",
                story.reactions(_DECIDED, more="cluster, ") + " LIMIT 500",
                means="What was decided about this node in the shown time because of its results, "
                "and what became of it; the newest 500.",
                columns={
                    "cluster": CLUSTER_COLUMN,
                    "decided_at": when("Decided"),
                    "check_name": column("Check", width=130, leads=links.to_check(partition=False)),
                    "kind": column("Reaction", width=100),
                    "state": coloured("State", width=110, texts=OF_REACTIONS),
                    "why": column("Why"),
                    "detail": column("What the check said"),
                    "ended_at": when("Ended"),
                    "ended_by": column("Ended by", width=120),
                },
                nothing="No reaction in this time",
                height=7,
            ),
        ),
    )


def _results() -> Row:
    return Row(
        title="Every result",
        panels=(
            panels.rows(
                "Results",
                f"""
                SELECT cluster, finished_at, check_name, outcome, detail, duration_s, job_id, batch,
                       log_path
                FROM history WHERE {_RESULTS}
                ORDER BY finished_at DESC, check_name LIMIT 500
                """,
                means="The newest 500 of the shown time, with the file in which the program's "
                "output is.",
                columns={
                    "cluster": CLUSTER_COLUMN,
                    "finished_at": when("Ended"),
                    "check_name": column("Check", width=130, leads=links.to_check(partition=False)),
                    "outcome": coloured("Outcome", width=100),
                    "detail": column("What it said"),
                    "duration_s": column("Took", width=90, unit="s", decimals=1),
                    "job_id": column("Job", width=90, unit="none"),
                    "batch": column("Run", width=210, leads=links.to_run(partition=False)),
                    "log_path": column("Log", width=380),
                },
                nothing="No result in this time",
                height=10,
            ),
        ),
    )
