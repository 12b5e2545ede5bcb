"""The dashboard Runs: each check over each batch, and the visits of the runs that one chooses."""

from grafana_foundation_sdk.models.dashboard import Dashboard

from analytics import story
from grafana import charts, links, panels, style
from grafana.board import Row, board
from grafana.columns import CLUSTER_COLUMN, coloured, column, graded, when
from grafana.select import CHECK, CLUSTER, PARTITION, PLANNED, WHOLE, both, chosen, counted
from grafana.variables import BATCHES, CHECKS, CLUSTERS, PARTITIONS

OF_STATUS = {"Complete": "good", "Failed": "bad", "Error": "unclear", "InProgress": "accent"}

_MOST_BATCHES = 200
_NAMED = 10
"""So many nodes of a run are named."""

BATCH = chosen("batch", "batch")
_OF = both(PLANNED, CLUSTER, CHECK)

RUN_COLUMNS = {
    "cluster": CLUSTER_COLUMN,
    "created_at": when("Planned"),
    "check_name": column("Check", width=130, leads=links.to_check()),
    "status": coloured("Status", width=100, texts=OF_STATUS),
    "planned": column("Visits", width=70),
    "ended": column("Ended", width=70),
    "pass": column("Pass", width=60),
    "warn": graded("Warn", width=60, steps=style.ANY_IS_UNCLEAR),
    "fail": graded("Fail", width=60, steps=style.ANY_IS_BAD),
    "broke": graded("Broke", width=70, steps=style.ANY_IS_UNCLEAR),
    "gave_way": column("Gave way", width=90),
    "duration_s": column("Took", width=90, unit="s", decimals=0),
    "batch": column("Run", width=210, leads=links.to_run()),
    "failed_on": column("Failed on"),
}


def runs() -> Dashboard:
    """Return the dashboard."""
    return board(
        links.RUNS,
        "Runs",
        means="Each check over each batch of nodes, and what the visits of a run found.",
        since="now-24h",
        variables=(CLUSTERS, PARTITIONS, CHECKS, BATCHES),
        rows=(_now(), _recent(), _visits()),
    )


def runs_sql(where: str, *, most: int) -> str:
    """Ask for the newest runs that *where* chooses, with the columns of RUN_COLUMNS."""
    return f"""
        SELECT cluster, created_at, check_name, status, planned, ended, pass, warn, fail,
               error + timeout + node_fail AS broke,
               preempted + cancelled + not_started AS gave_way, duration_s, batch,
               concat(
                   arrayStringConcat(
                       arraySlice(arrayMap(one -> one.node, failed_jobs), 1, {_NAMED}), ', '),
                   if(length(failed_jobs) > {_NAMED},
                      concat(' and ', toString(length(failed_jobs) - {_NAMED}), ' more'), '')
               ) AS failed_on
        FROM runs
        WHERE {PLANNED} AND {where}
          AND batch IN ({story.newest_batches(both(PLANNED, where), most)})
        ORDER BY batch DESC, check_name LIMIT {most}
    """


def _now() -> Row:
    return Row(
        title="Runs of this time",
        panels=(
            panels.parts(
                "By status",
                f"SELECT {counted('status', OF_STATUS)} FROM runs WHERE {_OF} HAVING count() > 0",
                means="Failed: a check failed. Error: a check or a node broke, or Slurm never took "
                f"the batch. InProgress: visits are missing. {WHOLE}",
                colours=OF_STATUS, width=6,
            ),
            charts.stacks(
                "Runs by status",
                f"""
                SELECT $__timeInterval(created_at) AS time, {counted("status", OF_STATUS)}
                FROM runs WHERE {_OF} GROUP BY time ORDER BY time
                """,
                means=f"When they were planned. {WHOLE}",
                width=9, colours=OF_STATUS,
            ),
            charts.lines(
                "How long runs take",
                f"""
                SELECT $__timeInterval(created_at) AS time, check_name, max(duration_s) AS Value
                FROM runs WHERE {_OF} AND isNotNull(duration_s)
                GROUP BY time, check_name ORDER BY time, check_name
                """,
                means="From the submission to the last result; the longest in each interval. "
                f"{WHOLE}",
                unit="s", width=9, connected=True,
            ),
        ),
    )  # fmt: skip


def _recent() -> Row:
    return Row(
        title="One by one",
        panels=(
            panels.rows(
                "Recent runs",
                runs_sql(both(CLUSTER, CHECK), most=200),
                means=f"The newest 200. A run's id chooses it for the table below. {WHOLE}",
                columns=RUN_COLUMNS,
                nothing="No run in this time",
                height=11,
            ),
        ),
    )


def _visits() -> Row:
    newest = story.newest_batches(both(PLANNED, CLUSTER, CHECK, BATCH), _MOST_BATCHES)
    return Row(
        title="Visits",
        panels=(
            panels.rows(
                "Visits of the chosen runs",
                f"""
                SELECT cluster, node, check_name, outcome, detail, finished_at,
                       duration_s, attempt, job_id, log_path
                FROM visits
                WHERE {both(PLANNED, CLUSTER, CHECK, BATCH, PARTITION)} AND batch IN ({newest})
                ORDER BY {story.WORST_FIRST}, finished_at DESC, node, check_name LIMIT 500
                """,
                means=f"What counts of each visit of the newest {_MOST_BATCHES} batches, what did "
                "not pass first; 500 at most. Choose a run to see all of its nodes.",
                columns={
                    "cluster": CLUSTER_COLUMN,
                    "node": column("Node", width=110, leads=links.to_node()),
                    "check_name": column("Check", width=130, leads=links.to_check()),
                    "outcome": coloured("Outcome", width=100),
                    "detail": column("What it said"),
                    "finished_at": when("Ended"),
                    "duration_s": column("Took", width=90, unit="s", decimals=1),
                    "attempt": column("Attempt", width=80),
                    "job_id": column("Job", width=90, unit="none"),
                    "log_path": column("Log", width=300),
                },
                nothing="No visit of these runs has ended",
                height=12,
            ),
        ),
    )
