-- What became of each reaction: one row per state of it. The highest revision counts.
CREATE TABLE IF NOT EXISTS {database}.reaction_states {on_cluster}
(
    id String CODEC(ZSTD(1)),
    revision UInt32 CODEC(ZSTD(1)),
    cluster LowCardinality(String),
    decided_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    node LowCardinality(String),
    check_name LowCardinality(String),
    kind LowCardinality(String),
    state LowCardinality(String),
    why String CODEC(ZSTD(3)),
    outcome LowCardinality(String),
    judged_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    detail String CODEC(ZSTD(3)),
    text String CODEC(ZSTD(3)),
    result_id String CODEC(ZSTD(1)),
    batch String CODEC(ZSTD(1)),
    target String CODEC(ZSTD(1)),
    done_at Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    ended_at Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    ended_by String CODEC(ZSTD(1))
)
ENGINE = {replacing revision}
PARTITION BY toYYYYMM(decided_at)
ORDER BY (cluster, node, check_name, id)
TTL toDateTime(decided_at) + toIntervalDay({retention_days})
SETTINGS ttl_only_drop_parts = 1;
