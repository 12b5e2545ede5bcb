-- One row per result and revision of it. All columns of the sorting key are the same in every
-- revision, and so is the month of its batch; so a result's rows meet in one partition, and what
-- FINAL leaves is exact though it looks at each partition by itself. The highest revision counts,
-- and of equal ones the first that was ingested: the greatest `version`. Questions are about few
-- nodes, so granules are small. No index on finished_at: every granule has all times, and one that
-- left out a part with a later word would show the earlier one.
CREATE TABLE IF NOT EXISTS {database}.results {on_cluster}
(
    cluster LowCardinality(String),
    node LowCardinality(String),
    check_name LowCardinality(String),
    outcome LowCardinality(String),
    finished_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    overhead_ms Nullable(Int64) CODEC(ZSTD(1)),
    duration_ms UInt64 CODEC(ZSTD(1)),
    detail String CODEC(ZSTD(3)),
    exit_code Nullable(Int32) CODEC(ZSTD(1)),
    signal Nullable(Int32) CODEC(ZSTD(1)),
    batch String CODEC(ZSTD(1)),
    task UInt32 CODEC(ZSTD(1)),
    attempt UInt32 CODEC(ZSTD(1)),
    job_id UInt64 CODEC(Delta, ZSTD(1)),
    partition LowCardinality(String),
    metrics Map(LowCardinality(String), Float64) CODEC(ZSTD(1)),
    log_path String CODEC(ZSTD(3)),
    evidence LowCardinality(String),
    revision UInt8 CODEC(ZSTD(1)),
    ingested_at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    version Int64 MATERIALIZED
        revision * 1000000000000000 - toUnixTimestamp64Milli(ingested_at) CODEC(Delta, ZSTD(1))
)
ENGINE = {replacing version}
PARTITION BY substring(batch, 1, 6)
ORDER BY (cluster, node, check_name, batch, task, attempt)
TTL toDateTime(finished_at) + toIntervalDay({retention_days})
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1;
