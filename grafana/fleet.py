"""The dashboard Fleet: is every node proven, what fails, who holds what, and what checks cost."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from analytics import story
from grafana import charts, links, panels, style
from grafana.board import Row, board
from grafana.columns import CLUSTER_COLUMN, age, coloured, column, graded, measured, when
from grafana.reactions import suspended_checks
from grafana.select import (
    CHECK,
    CLUSTER,
    FAILS,
    HOLDER,
    ITS_PARTITION,
    PARTITION,
    PROVEN,
    RESULTS,
    STANDING,
    THERE,
    WHOLE,
    averaged,
    both,
    counted,
    coverage_then,
    known,
    nodes_then,
    nulls,
    summed,
)
from grafana.style import OF_DEBT, OF_HOLDERS, OF_OUTCOMES, OF_VERDICTS
from grafana.sweeping import OVERDUE, ages_s, interrupted, silences
from grafana.variables import CHECKS, CLUSTERS, PARTITIONS, STOP_S

_NODES = nodes_then(CLUSTER, ITS_PARTITION)
_COVERAGE = coverage_then(both(CLUSTER, CHECK))


def fleet() -> Dashboard:
    """Return the dashboard."""
    return board(
        links.FLEET,
        "Fleet",
        means="Is every node proven, what fails, who holds which node, and what do checks cost?",
        since="now-24h",
        variables=(CLUSTERS, PARTITIONS, CHECKS, STOP_S),
        rows=(_now(), _coverage(), _nodes(), _outcomes(), _sweeps(), _cost()),
    )


def _now() -> Row:
    return Row(
        title="Now",
        panels=(
            *_proven(),
            *_nodes_now(),
            _heartbeat(),
            suspended_checks(both(STANDING, CLUSTER, PARTITION, CHECK), width=4),
        ),
    )


def _proven() -> tuple[panels.Panel, ...]:
    return (
        panels.number(
            "Proven",
            f"SELECT {PROVEN} AS share FROM ({_COVERAGE})",
            means="Of all pairs of a node and a check that is for it, the share that was judged no "
            f"longer ago than the check's max_age. {WHOLE}",
            unit="percentunit", decimals=1, steps=style.SHARE,
        ),
        panels.number(
            "Owed",
            f"SELECT sumOrNull(unproven) AS owed FROM ({_COVERAGE})",
            means="Pairs of a node and a check that are not proven: the coverage debt. Some always "
            "are, since proofs grow old; `Proven` says whether it is much. Why is told below. "
            f"{WHOLE}",
        ),
    )  # fmt: skip


def _nodes_now() -> tuple[panels.Panel, ...]:
    return (
        panels.number(
            "Failing nodes",
            f"SELECT {known(f'countIf({FAILS})')} AS nodes FROM ({_NODES})",
            means="Nodes on which the latest judgement of a check was fail, as the last sweep "
            "saw it.",
            steps=style.ANY_IS_BAD,
        ),
        panels.number(
            "Held nodes",
            f"SELECT {known('countIf(notEmpty(holder_kind)) / count()')} AS share FROM ({_NODES})",
            means="The share of nodes that somebody keeps from their users: checks, people, Slurm, "
            "or a reservation. How many is told below.",
            unit="percentunit", decimals=1, steps=style.AWAY,
        ),
    )  # fmt: skip


def _heartbeat() -> panels.Panel:
    week = "started_at <= $__toTime AND started_at > $__toTime - INTERVAL 7 DAY"
    return panels.number(
        "Heartbeat",
        f"""
        SELECT maxOrNull(age_s) AS age, maxOrNull(age_s / usual_s) AS intervals
        FROM ({ages_s(both(week, CLUSTER))})
        """,
        means="How long ago a cluster's last sweep came to its end, and how many of its usual "
        "intervals that is; of several clusters the most. A sweep is told of by the next one, so "
        f"up to 2 are well; above {OVERDUE} the alert NoSweep rings. Of clusters with a sweep "
        "within a week.",
        unit="none", decimals=1, beside={"age": "s"},
        steps=((None, "good"), (OVERDUE - 1, "warn"), (OVERDUE, "bad")),
    )  # fmt: skip


def _coverage() -> Row:
    sample = f"at <= $__toTime AND at >= $__fromTime AND {both(CLUSTER, CHECK)}"
    return Row(
        title="Coverage",
        panels=(
            charts.lines(
                "Proven share by check",
                interrupted(
                    f"""
                    SELECT time, check_name, sum(proven) / sum(nodes) AS Value FROM
                    (
                        SELECT $__timeInterval(at) AS time, cluster, check_name,
                               avg(coverage.proven) AS proven, avg(coverage.nodes) AS nodes
                        FROM coverage WHERE {sample} GROUP BY time, cluster, check_name
                    )
                    GROUP BY time, check_name HAVING sum(nodes) > 0
                    """,
                    silences("coverage", "at", sample, label="check_name"),
                    "check_name, NULL",
                ),
                means="Of the nodes that a check is for, those that it judged within its max_age. "
                f"{WHOLE}",
                unit="percentunit", low=None, high=1, steps=((None, "bad"), (0.95, "good")),
                least=charts.SWEEPS,
            ),
            charts.areas(
                "Coverage debt, and why",
                interrupted(
                    f"""
                    SELECT time, {summed(OF_DEBT, of="each")} FROM
                    (
                        SELECT $__timeInterval(at) AS time, cluster, check_name,
                               {averaged("debt", OF_DEBT)}
                        FROM coverage WHERE {sample} GROUP BY time, cluster, check_name
                    ) AS each
                    GROUP BY time
                    """,
                    silences("coverage", "at", sample), nulls(OF_DEBT),
                ),
                means="Pairs of a node and a check that are not proven, by what the plan says of "
                "the node. `due` ones are visited next; `busy` ones wait for their users. "
                f"{WHOLE}",
                colours=OF_DEBT, least=charts.SWEEPS,
            ),
            _coverage_now(),
        ),
    )  # fmt: skip


def _coverage_now() -> panels.Panel:
    return panels.rows(
        "Coverage now",
        f"""
        SELECT cluster, check_name, share, proven, nodes, failing, never,
               date_diff('second', oldest_proof, $__toTime) AS oldest_s, max_age_s,
               arrayStringConcat(
                   arrayMap((why, pairs) -> concat(toString(toUInt64(pairs)), ' ', why),
                            mapKeys(debt), mapValues(debt)), ', ') AS why,
               preempted
        FROM ({_COVERAGE}) ORDER BY share, check_name LIMIT 1000
        """,
        means=f"Each check as the last sweep of the shown time found it. {WHOLE}",
        columns={
            "cluster": CLUSTER_COLUMN,
            "check_name": column("Check", width=130, leads=links.to_check()),
            "share": measured("Proven", steps=style.SHARE, width=180),
            "proven": column("Proven nodes", width=110),
            "nodes": column("Nodes", width=80),
            "failing": graded("Failing", steps=style.ANY_IS_BAD, width=80),
            "never": column("Never judged", width=110),
            "oldest_s": age("Oldest proof"),
            "max_age_s": age("Max age"),
            "why": column("Not proven, by why"),
            "preempted": column("Gave way", width=90),
        },
        nothing="No sweep counted in the last day",
        height=8,
    )


def _nodes() -> Row:
    swept = f"error = '' AND $__timeFilter(started_at) AND {CLUSTER}"
    return Row(
        title="Nodes",
        panels=(
            panels.bars(
                "Nodes by state",
                f"""
                SELECT {story.STATE} AS state_shown, count() AS nodes
                FROM ({_NODES}) GROUP BY state_shown ORDER BY nodes DESC, state_shown LIMIT 20
                """,
                means="As scontrol show node has it, at the last sweep of the shown time; the 20 "
                "commonest.",
                width=6,
            ),
            panels.parts(
                "Held by",
                f"SELECT {counted(HOLDER, OF_HOLDERS)} FROM ({_NODES}) HAVING count() > 0",
                means="Who keeps nodes from their users: `check` is cluster-doctor, `user` an "
                "admin, `slurm` Slurm itself.",
                colours=OF_HOLDERS, width=6,
            ),
            charts.areas(
                "What sweeps found",
                interrupted(
                    f"""
                    SELECT time, {summed(OF_VERDICTS, of="each")} FROM
                    (
                        SELECT $__timeInterval(started_at) AS time, cluster,
                               {averaged("verdicts", OF_VERDICTS)}
                        FROM sweeps WHERE {swept} GROUP BY time, cluster
                    ) AS each
                    GROUP BY time
                    """,
                    silences("sweeps", "started_at", swept), nulls(OF_VERDICTS),
                ),
                means="How many nodes each sweep found fresh, due, busy, drained, and so on. "
                f"{WHOLE}",
                colours=OF_VERDICTS, least=charts.SWEEPS,
            ),
            _held_or_failing(),
        ),
    )  # fmt: skip


def _held_or_failing() -> panels.Panel:
    return panels.rows(
        "Held or failing",
        f"""
        SELECT cluster, node, {story.STATE} AS state_shown, holder_kind AS held_by, holder,
               held_since, reason, arrayStringConcat(failing, ', ') AS fails, latest_proof
        FROM ({_NODES}) WHERE holder_kind != '' OR ({FAILS})
        ORDER BY holder_kind = '' DESC, held_since DESC NULLS LAST, node LIMIT 500
        """,
        means="Nodes on which a check fails and that users' jobs may still get, and then "
        "those that somebody keeps from their users, the last held first; 500 at most.",
        columns={
            "cluster": CLUSTER_COLUMN,
            "node": column("Node", width=120, leads=links.to_node()),
            "state_shown": column("State", width=150),
            "held_by": coloured("Held by", width=100, texts=OF_HOLDERS),
            "holder": column("Who", width=110),
            "held_since": when("Since"),
            "reason": column("Reason"),
            "fails": column("Failing", width=160),
            "latest_proof": when("Latest proof"),
        },
        nothing="No node is held, and nothing fails",
    )


def _outcomes() -> Row:
    of = f"{RESULTS} AND {both(CLUSTER, CHECK, PARTITION)}"
    return Row(
        title="How checks ended",
        panels=(
            charts.stacks(
                "Outcomes",
                f"""
                SELECT $__timeInterval(finished_at) AS time, {counted("outcome", OF_OUTCOMES)}
                FROM history WHERE {of} GROUP BY time ORDER BY time
                """,
                means="How the checks ended. Only pass, warn and fail judge the node.",
                colours=OF_OUTCOMES,
            ),
            charts.stacks(
                "Failures by check",
                f"""
                SELECT $__timeInterval(finished_at) AS time, check_name, count() AS Value
                FROM history WHERE outcome = 'fail' AND {of}
                GROUP BY time, check_name ORDER BY time, check_name
                """,
                means="Results that said fail. One check on many nodes at once points at the "
                "check, or at what the nodes share.",
            ),
            panels.rows(
                "Failing now",
                f"""
                SELECT cluster, node, check_name, judged_outcome, judged_at, judged_detail,
                       judged_log_path
                FROM status
                WHERE judged_outcome = 'fail' AND judged_at <= $__toTime
                  AND {both(CLUSTER, CHECK, PARTITION, THERE)}
                ORDER BY judged_at DESC, node, check_name LIMIT 500
                """,
                means="The latest judgement of each check on each node that Slurm has, where it is "
                "fail; as the history stands now, and 500 at most.",
                columns={
                    "cluster": CLUSTER_COLUMN,
                    "node": column("Node", width=120, leads=links.to_node()),
                    "check_name": column("Check", width=130, leads=links.to_check()),
                    "judged_outcome": coloured("Outcome", width=90),
                    "judged_at": when("Judged"),
                    "judged_detail": column("What it said"),
                    "judged_log_path": column("Log", width=420),
                },
                nothing="Nothing fails",
            ),
        ),
    )


def _sweeps() -> Row:
    return Row(
        title="Sweeps",
        panels=(
            panels.rows(
                "Last sweeps",
                story.sweeps(both("$__timeFilter(started_at)", CLUSTER), most=100),
                means="What each sweep found, planned and took in, and what kept it from that; "
                "the newest 100.",
                columns={
                    "cluster": CLUSTER_COLUMN,
                    "started_at": when("Began"),
                    "duration_s": column("Took", width=80, unit="s", decimals=1),
                    "nodes": column("Nodes", width=70),
                    "free": column("Free", width=70),
                    "planned": column("Planned", width=80),
                    "visits": column("Visits", width=70),
                    "ingested": column("Results", width=80),
                    "said": column("Errors, refusals, warnings"),
                },
                nothing="No sweep in this time",
                width=16,
            ),
            charts.lines(
                "How long sweeps take",
                f"""
                SELECT $__timeInterval(started_at) AS time, max(duration_s) AS longest FROM sweeps
                WHERE $__timeFilter(started_at) AND {CLUSTER} GROUP BY time ORDER BY time
                """,
                means="The longest in each interval, with the delivery of notices.",
                unit="s", width=8, height=9, colours={"longest": "accent"}, filled=True,
            ),
        ),
    )  # fmt: skip


def _cost() -> Row:
    of = f"{RESULTS} AND {both(CLUSTER, CHECK, PARTITION)}"
    return Row(
        title="What checks cost",
        panels=(
            panels.number(
                "Node-hours",
                f"SELECT sum(duration_s) / 3600 AS hours FROM history WHERE {of}",
                means="How long checks ran in the shown time, on idle nodes.",
                decimals=1, height=8,
            ),
            panels.number(
                "Visits that gave way",
                f"""
                SELECT uniqExact(cluster, batch, task, attempt) AS visits FROM history
                WHERE outcome = 'preempted' AND {of}
                """,
                means="Visits that a user's job took the node from. Each such job waited for the "
                "visit's end.",
                height=8,
            ),
            panels.number(
                "Users' waiting",
                f"""
                SELECT uniqExact(cluster, batch, task, attempt)
                       * toFloat64OrZero(${{stop_s:singlequote}}) AS waited_s
                FROM history WHERE outcome = 'preempted' AND {of}
                """,
                means="An estimate: visits that gave way, times what one costs the job that takes "
                "its node (the variable `Wait for a stop`; docs/benchmarks.md measures it).",
                unit="s", height=8,
            ),
            charts.stacks(
                "Node-hours by check",
                f"""
                SELECT $__timeInterval(finished_at) AS time, check_name,
                       sum(duration_s) / 3600 AS Value
                FROM history WHERE {of} GROUP BY time, check_name ORDER BY time, check_name
                """,
                means="Whose checks they are.",
                height=8,
            ),
        ),
    )  # fmt: skip
