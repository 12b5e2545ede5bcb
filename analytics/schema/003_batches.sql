-- What was planned: one row per check of a batch. The row that knows of a submission counts.
CREATE TABLE IF NOT EXISTS {database}.batches {on_cluster}
(
    batch String CODEC(ZSTD(1)),
    cluster LowCardinality(String),
    created_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    submitted_at Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    partition LowCardinality(String),
    job_id UInt64 CODEC(Delta, ZSTD(1)),
    check_name LowCardinality(String),
    planned UInt32 CODEC(ZSTD(1)),
    nodes Array(String) CODEC(ZSTD(3)),
    version Int64 MATERIALIZED ifNull(toUnixTimestamp64Milli(submitted_at), -1) CODEC(ZSTD(1))
)
ENGINE = {replacing version}
PARTITION BY substring(batch, 1, 6)
ORDER BY (cluster, batch, check_name)
TTL toDateTime(created_at) + toIntervalDay({retention_days})
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1;
