-- What sweeps told of each node: a row where something changed, and one a day at the least. Whoever
-- asks wants the latest of all nodes, so time comes before the node.
CREATE TABLE IF NOT EXISTS {database}.node_states {on_cluster}
(
    cluster LowCardinality(String),
    node LowCardinality(String),
    seen_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    state LowCardinality(String),
    flags Array(LowCardinality(String)) CODEC(ZSTD(1)),
    verdict LowCardinality(String),
    detail String CODEC(ZSTD(3)),
    reason String CODEC(ZSTD(3)),
    reason_user LowCardinality(String),
    reason_at Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    holder String CODEC(ZSTD(1)),
    holder_kind LowCardinality(String),
    held_since Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    partitions Array(LowCardinality(String)) CODEC(ZSTD(1)),
    features Array(LowCardinality(String)) CODEC(ZSTD(1)),
    gres String CODEC(ZSTD(1)),
    cpus UInt32 CODEC(ZSTD(1)),
    memory_mb UInt64 CODEC(ZSTD(1)),
    hardware String CODEC(ZSTD(1)),
    failing Array(LowCardinality(String)) CODEC(ZSTD(1)),
    latest_proof Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    oldest_proof Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    checks UInt32 CODEC(ZSTD(1))
)
ENGINE = {replacing seen_at}
PARTITION BY toYYYYMM(seen_at)
ORDER BY (cluster, seen_at, node)
TTL toDateTime(seen_at) + toIntervalDay({retention_days})
SETTINGS ttl_only_drop_parts = 1;
