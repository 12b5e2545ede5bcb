"""What the reader of a dashboard chooses; each dashboard takes those that its panels ask for."""

from dataclasses import replace

from grafana.board import Entry, Variable
from grafana.select import CHECK, CLUSTER, NODE, PLANNED, RESULTS, both

CLUSTERS = Variable(
    name="cluster", label="Cluster",
    sql="""
        SELECT DISTINCT cluster FROM sweeps
        WHERE started_at <= $__toTime AND started_at > $__fromTime - INTERVAL 30 DAY
        ORDER BY cluster
    """,
)  # fmt: skip

ONE_CLUSTER = replace(CLUSTERS, multi=False)
"""Where a node's name must mean one node."""

_SEEN = f"seen_at <= $__toTime AND seen_at > $__toTime - INTERVAL 2 DAY AND {CLUSTER}"

PARTITIONS = Variable(
    name="partition", label="Partition",
    sql=f"SELECT DISTINCT arrayJoin(partitions) AS partition FROM node_states WHERE {_SEEN}"
    " ORDER BY partition",
)  # fmt: skip

NODES = Variable(
    name="node", label="Node",
    sql=f"SELECT DISTINCT node FROM node_states WHERE {_SEEN} ORDER BY node",
)  # fmt: skip

CHECKS = Variable(
    name="check", label="Check",
    sql=f"""
        SELECT DISTINCT check_name FROM coverage_samples
        WHERE at <= $__toTime AND at > $__fromTime - INTERVAL 1 DAY AND {CLUSTER}
        ORDER BY check_name
    """,
)  # fmt: skip

STOP_S = Entry(
    name="stop_s", label="Wait for a stop (s)", value="0.13",
    means="How long a user's job waits when it takes its node from a visit: what the benchmarks "
    "measured on a small machine.",
)  # fmt: skip

ONE_NODE = replace(NODES, multi=False)

ONE_CHECK = replace(CHECKS, multi=False)

METRICS = Variable(
    name="metric", label="Metric",
    sql=f"""
        SELECT DISTINCT concat(check_name, '/', arrayJoin(mapKeys(metrics))) AS metric FROM history
        WHERE {both(RESULTS, CLUSTER, NODE)} ORDER BY metric LIMIT 60
    """,
)  # fmt: skip
"""What was measured on the chosen node: check/metric."""

CHECK_METRICS = Variable(
    name="metric", label="Metric",
    sql=f"""
        SELECT DISTINCT arrayJoin(mapKeys(metrics)) AS metric FROM history
        WHERE {both(RESULTS, CLUSTER, CHECK)} ORDER BY metric LIMIT 60
    """,
)  # fmt: skip
"""What the chosen check measures."""

BATCHES = Variable(
    name="batch", label="Run",
    sql=f"""
        SELECT DISTINCT batch FROM batches
        WHERE {both(PLANNED, CLUSTER, CHECK)}
        ORDER BY batch DESC LIMIT 500
    """,
)  # fmt: skip
"""The newest batches of the shown time."""
