-- What each sweep told of itself: one row per sweep.
CREATE TABLE IF NOT EXISTS {database}.sweep_rows {on_cluster}
(
    cluster LowCardinality(String),
    started_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    finished_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    duration_s Float64 CODEC(ZSTD(1)),
    host LowCardinality(String),
    error String CODEC(ZSTD(3)),
    nodes UInt32 CODEC(ZSTD(1)),
    free UInt32 CODEC(ZSTD(1)),
    verdicts Map(LowCardinality(String), Float64) CODEC(ZSTD(1)),
    planned UInt32 CODEC(ZSTD(1)),
    batches UInt32 CODEC(ZSTD(1)),
    visits UInt32 CODEC(ZSTD(1)),
    cancelled UInt32 CODEC(ZSTD(1)),
    settled UInt32 CODEC(ZSTD(1)),
    ingested UInt32 CODEC(ZSTD(1)),
    closed UInt32 CODEC(ZSTD(1)),
    refused Array(String) CODEC(ZSTD(3)),
    warnings Array(String) CODEC(ZSTD(3))
)
ENGINE = {replacing finished_at}
PARTITION BY toYYYYMM(started_at)
ORDER BY (cluster, started_at)
TTL toDateTime(started_at) + toIntervalDay({retention_days})
SETTINGS ttl_only_drop_parts = 1;
