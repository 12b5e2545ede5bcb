-- How much of the fleet is proven: one row per check and sweep.
CREATE TABLE IF NOT EXISTS {database}.coverage_samples {on_cluster}
(
    cluster LowCardinality(String),
    at DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    check_name LowCardinality(String),
    max_age_s Float64 CODEC(ZSTD(1)),
    nodes UInt32 CODEC(ZSTD(1)),
    proven UInt32 CODEC(ZSTD(1)),
    failing UInt32 CODEC(ZSTD(1)),
    never UInt32 CODEC(ZSTD(1)),
    oldest_proof Nullable(DateTime64(3, 'UTC')) CODEC(Delta, ZSTD(1)),
    debt Map(LowCardinality(String), Float64) CODEC(ZSTD(1)),
    preempted UInt32 CODEC(ZSTD(1)),
    preempted_most UInt32 CODEC(ZSTD(1))
)
ENGINE = {replacing at}
PARTITION BY toYYYYMM(at)
ORDER BY (cluster, check_name, at)
TTL toDateTime(at) + toIntervalDay({retention_days})
SETTINGS ttl_only_drop_parts = 1;
