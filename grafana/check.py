"""The dashboard Check: how often one check passes, what it measures, and which nodes stand out."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from analytics import story
from analytics.flapping import HIGH, NEWEST, OLDEST, STATES
from grafana import charts, links, panels, style
from grafana.board import Row, board
from grafana.columns import CLUSTER_COLUMN, age, coloured, column, graded, when
from grafana.runs import RUN_COLUMNS, runs_sql
from grafana.select import (
    CHECK,
    CLUSTER,
    PARTITION,
    PROVEN,
    RESULTS,
    THERE,
    WHOLE,
    both,
    counted,
    coverage_then,
    nodes_then,
)
from grafana.style import OF_OUTCOMES
from grafana.variables import CHECK_METRICS, CLUSTERS, ONE_CHECK, PARTITIONS

LEAST = 5
"""So many nodes of one hardware say what is usual for it."""

FAR = 5
"""From so many median absolute deviations on a node stands out."""

_OF = both(RESULTS, CLUSTER, CHECK, PARTITION)
_COVERAGE = coverage_then(both(CLUSTER, CHECK))
_FLAPS: style.Steps = ((None, "warn"), (0.5, "bad"))
_QUANTILES = {
    "5 %": (0.05, "away"), "25 %": (0.25, "idle"), "median": (0.5, "accent"),
    "75 %": (0.75, "idle"), "95 %": (0.95, "away"),
}  # fmt: skip
_OF_QUANTILES = {name: colour for name, (_, colour) in _QUANTILES.items()}
_DAYS = (
    "toStartOfInterval(toDateTime(finished_at), toIntervalSecond(greatest($__interval_s, 86400)))"
)
"""In less than a day a check does not see nodes of every kind."""
_LEVELS = ", ".join(str(level) for level, _ in _QUANTILES.values())
_NAMED = ", ".join(f"spread[{place}] AS `{name}`" for place, name in enumerate(_QUANTILES, 1))

_BOUNDS_S = {
    "0.1 s": 0.1, "0.3 s": 0.3, "1 s": 1, "3 s": 3, "10 s": 10, "30 s": 30, "1 min": 60,
    "3 min": 180, "10 min": 600, "30 min": 1800, "longer": 1e9,
}  # fmt: skip
_DURATIONS = ", ".join(
    f"countIf(duration_s > {low} AND duration_s <= {high}) AS `{name}`"
    for (name, high), low in zip(_BOUNDS_S.items(), (-1, *_BOUNDS_S.values()), strict=False)
)
"""How many results took how long: a column for each bound."""


def check() -> Dashboard:
    """Return the dashboard."""
    return board(
        links.CHECK,
        "Check",
        means="How often one check passes, what it measures, and which nodes stand out.",
        since="now-7d",
        variables=(CLUSTERS, PARTITIONS, ONE_CHECK, CHECK_METRICS),
        rows=(_now(), _success(), _runs(), _measured(), _nodes()),
    )


def _now() -> Row:
    return Row(
        title="$check",
        panels=(
            panels.number(
                "Pass rate",
                f"SELECT {story.PASS_RATE} AS rate FROM history WHERE {_OF}",
                means="Passes by judged results in the shown time. What judged nothing counts for "
                "nothing.",
                unit="percentunit", decimals=1, steps=style.SHARE,
            ),
            panels.number(
                "Proven",
                f"SELECT {PROVEN} AS share FROM ({_COVERAGE})",
                means="Of the nodes that the check is for, those judged within its max_age. "
                f"{WHOLE}",
                unit="percentunit", decimals=1, steps=style.SHARE,
            ),
            panels.number(
                "Failing nodes",
                f"SELECT sumOrNull(failing) AS nodes FROM ({_COVERAGE})",
                means=f"Nodes whose latest judgement by this check is fail, however old. {WHOLE}",
                steps=style.ANY_IS_BAD,
            ),
            panels.number(
                "Never judged",
                f"SELECT if(sum(nodes) = 0, NULL, sum(never) / sum(nodes)) AS share "
                f"FROM ({_COVERAGE})",
                means="Of the nodes that the check is for, those that it never judged: new ones, "
                f"and all of them while a check is new. {WHOLE}",
                unit="percentunit", decimals=1, steps=style.AWAY,
            ),
            panels.number(
                "Results",
                f"SELECT count() AS results FROM history WHERE {_OF}",
                means="All of the shown time, those that judged nothing too.",
            ),
            panels.number(
                "Takes",
                f"""
                SELECT medianOrNull(duration_s) AS middle_s FROM history
                WHERE {_OF} AND {story.JUDGED}
                """,
                means="The median time that the program ran where it judged.",
                unit="s", decimals=1,
            ),
        ),
    )  # fmt: skip


def _success() -> Row:
    return Row(
        title="How it went",
        panels=(
            charts.lines(
                "Pass rate over time",
                f"""
                SELECT $__timeInterval(finished_at) AS time, {story.PASS_RATE} AS `pass rate`
                FROM history
                WHERE {_OF} AND {story.JUDGED} GROUP BY time ORDER BY time
                """,
                means="Passes by judged results in each interval.",
                unit="percentunit", low=None, high=1, colours={"pass rate": "good"}, filled=True,
                steps=((None, "bad"), (0.95, "good")),
            ),
            charts.stacks(
                "Outcomes",
                f"""
                SELECT $__timeInterval(finished_at) AS time, {counted("outcome", OF_OUTCOMES)}
                FROM history WHERE {_OF} GROUP BY time ORDER BY time
                """,
                means="How it ended. Only pass, warn and fail judge the node.",
                colours=OF_OUTCOMES,
            ),
            panels.rows(
                "What it said where it did not pass",
                f"""
                SELECT outcome, results, nodes, last_at, detail
                FROM ({story.grounds(_OF, most=10_000)})
                ORDER BY {story.WORST_FIRST}, results DESC, detail LIMIT 50
                """,
                means="The commonest reasons of the shown time, those that failed first; 50 at "
                "most.",
                columns={
                    "outcome": coloured("Outcome", width=110),
                    "results": column("Results", width=80),
                    "nodes": column("Nodes", width=80),
                    "last_at": when("Last"),
                    "detail": column("What it said"),
                },
                nothing="It always passed",
                height=7,
            ),
        ),
    )  # fmt: skip


def _runs() -> Row:
    return Row(
        title="Its runs",
        panels=(
            panels.rows(
                "Runs",
                runs_sql(both(CLUSTER, CHECK), most=100),
                means="The newest 100 runs of the shown time: this check over one batch of nodes. "
                f"{WHOLE}",
                columns=RUN_COLUMNS,
                nothing="No run in this time",
                height=8,
            ),
        ),
    )


def _measured() -> Row:
    asked = "metric IN (${metric:singlequote})"
    return Row(
        title="Duration and metrics",
        panels=(
            charts.spread(
                "How long it takes",
                f"""
                SELECT $__timeInterval(finished_at) AS time, {_DURATIONS}
                FROM history WHERE {_OF} AND {story.JUDGED} GROUP BY time ORDER BY time
                """,
                means="Judged results by how long the program ran: each row's upper bound.",
                width=24,
            ),
            charts.lines(
                "$metric",
                f"""
                SELECT time, {_NAMED} FROM
                (
                    SELECT {_DAYS} AS time, quantiles({_LEVELS})(value) AS spread
                    FROM ({story.values(_OF, asked)}) WHERE isFinite(value) GROUP BY time
                )
                ORDER BY time
                """,
                means="How what it measured is spread over nodes of all kinds: quantiles of days, "
                "or of longer intervals.",
                low=None, width=8, repeat="metric", colours=_OF_QUANTILES,
            ),
        ),
    )  # fmt: skip


def _nodes() -> Row:
    return Row(
        title="Nodes that stand out",
        panels=(_deviating(), _flapping(), _failing()),
    )


def _deviating() -> panels.Panel:
    return panels.rows(
        "Nodes that deviate",
        f"""
        SELECT cluster, node, metric, found, usual,
               if(usual = 0, NULL, found / usual - 1) AS apart,
               if(mad = 0, NULL, (found - usual) / mad) AS mads, hardware
        FROM
        (
            SELECT hardware, metric, usual, mad, arrayJoin(pairs) AS pair, pair.1 AS cluster,
                   pair.2 AS node, pair.3 AS found
            FROM
            (
                SELECT hardware, metric, groupArray((cluster, node, found)) AS pairs,
                       arrayReduce('median', arrayMap(one -> one.3, pairs)) AS usual,
                       arrayReduce('median', arrayMap(one -> abs(one.3 - usual), pairs)) AS mad
                FROM
                (
                    SELECT cluster, node, metric, median(value) AS found
                    FROM ({story.values(_OF, "isFinite(value)", more=", cluster")})
                    GROUP BY cluster, node, metric
                ) AS measured
                INNER JOIN (SELECT cluster, node, hardware FROM ({nodes_then(CLUSTER)})) AS known
                USING (cluster, node)
                GROUP BY hardware, metric HAVING count() >= {LEAST}
            )
        )
        WHERE if(mad = 0, found != usual, abs(mads) >= {FAR})
        ORDER BY abs(mads) DESC NULLS LAST, abs(apart) DESC, node, metric LIMIT 100
        """,
        means="Nodes whose median of the shown time is far from that of the chosen nodes of the "
        f"same hardware: {FAR} median absolute deviations (MADs) or more; and, below those, any "
        "other value where at least half of them have the same. 100 at most.",
        columns={
            "cluster": CLUSTER_COLUMN,
            "node": column("Node", width=110, leads=links.to_node()),
            "metric": column("Metric"),
            "found": column("Here", width=100),
            "usual": column("Usual", width=100),
            "apart": column("Apart", width=80, unit="percentunit", decimals=1),
            "mads": graded("MADs", width=80, decimals=1, steps=style.PLAIN),
            "hardware": column("Hardware", width=180),
        },
        nothing="No node is far from its peers",
        width=15,
    )


def _flapping() -> panels.Panel:
    step = (NEWEST - OLDEST) / (STATES - 2)
    return panels.rows(
        "Flapping",
        f"""
        SELECT cluster, node, share, changes, last_at FROM
        (
            SELECT cluster, node, max(finished_at) AS last_at,
                   arrayMap(one -> one.2, arraySlice(arrayReverseSort(groupArray(
                       (finished_at, outcome))), 1, {STATES})) AS newest,
                   arrayMap((now, before) -> toUInt8(now != before),
                            arrayPopBack(newest), arrayPopFront(newest)) AS changed,
                   arraySum(changed) AS changes,
                   arraySum((change, place) -> change * ({NEWEST} - {step} * (place - 1)),
                            changed, arrayEnumerate(changed)) / {STATES - 1} AS share
            FROM history WHERE {_OF} AND {story.JUDGED} GROUP BY cluster, node
        )
        WHERE share >= {HIGH} ORDER BY share DESC, node LIMIT 100
        """,
        means=f"Nodes about which the check keeps changing its mind: of their last {STATES} judged "
        f"results in the shown time, changes that weigh {HIGH:.0%} or more, the newest the most, "
        "as Nagios counts them. The worst 100.",
        columns={
            "cluster": CLUSTER_COLUMN,
            "node": column("Node", width=110, leads=links.to_node()),
            "share": graded("Changes", width=90, unit="percentunit", steps=_FLAPS),
            "changes": column("Times", width=70),
            "last_at": when("Last judged"),
        },
        nothing="Nothing flaps",
        width=9,
    )


def _failing() -> panels.Panel:
    return panels.rows(
        "Not passing",
        f"""
        SELECT cluster, node, judged_outcome, judged_at,
               date_diff('second', judged_at, $__toTime) AS age_s, judged_detail, judged_log_path
        FROM status
        WHERE judged_outcome IN ('fail', 'warn') AND judged_at <= $__toTime
          AND {both(CLUSTER, CHECK, PARTITION, THERE)}
        ORDER BY judged_outcome, judged_at DESC, node LIMIT 500
        """,
        means="Nodes that Slurm has and whose latest judgement by this check is fail or warn, fail "
        "first; as the history stands now, and 500 at most.",
        columns={
            "cluster": CLUSTER_COLUMN,
            "node": column("Node", width=110, leads=links.to_node()),
            "judged_outcome": coloured("Outcome", width=90),
            "judged_at": when("Judged"),
            "age_s": age("Ago"),
            "judged_detail": column("What it said"),
            "judged_log_path": column("Log", width=420),
        },
        nothing="It passes everywhere",
    )
