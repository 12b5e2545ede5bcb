CREATE DATABASE IF NOT EXISTS `cluster_doctor`;

CREATE TABLE IF NOT EXISTS `cluster_doctor`.schema_version
(
    version UInt32,
    file String,
    applied_at DateTime64(3, 'UTC'),
    by String
)
ENGINE = ReplacingMergeTree(applied_at)
ORDER BY version;

CREATE TABLE IF NOT EXISTS `cluster_doctor`.results
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
ENGINE = ReplacingMergeTree(version)
PARTITION BY substring(batch, 1, 6)
ORDER BY (cluster, node, check_name, batch, task, attempt)
TTL toDateTime(finished_at) + toIntervalDay(400)
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS `cluster_doctor`.batches
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
ENGINE = ReplacingMergeTree(version)
PARTITION BY substring(batch, 1, 6)
ORDER BY (cluster, batch, check_name)
TTL toDateTime(created_at) + toIntervalDay(400)
SETTINGS index_granularity = 1024, ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS `cluster_doctor`.reaction_states
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
ENGINE = ReplacingMergeTree(revision)
PARTITION BY toYYYYMM(decided_at)
ORDER BY (cluster, node, check_name, id)
TTL toDateTime(decided_at) + toIntervalDay(400)
SETTINGS ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS `cluster_doctor`.status_latest
(
    cluster LowCardinality(String),
    node LowCardinality(String),
    check_name LowCardinality(String),
    judged_visit Nullable(String),
    judged_revision Nullable(UInt8),
    judged_outcome Nullable(String),
    judged_at Nullable(DateTime64(3, 'UTC')),
    judged_detail Nullable(String),
    judged_duration_s Nullable(Float64),
    judged_job_id Nullable(UInt64),
    judged_log_path Nullable(String),
    attempt_visit String,
    attempt_revision UInt8,
    attempt_outcome String,
    attempt_at DateTime64(3, 'UTC'),
    attempt_detail String,
    attempt_duration_s Float64,
    attempt_job_id UInt64,
    attempt_log_path String,
    newest_judged Array(Tuple(Int64, String, UInt8, String)),
    newest_unjudged Array(Tuple(Int64, String, UInt8, String)),
    made_at DateTime64(3, 'UTC'),
    version UInt64,
    gone UInt8,
    oldest_at DateTime64(3, 'UTC') MATERIALIZED fromUnixTimestamp64Milli(toInt64(arrayMin(arrayConcat(
        [toUnixTimestamp64Milli(attempt_at)],
        arrayMap(one -> -one.1, newest_judged),
        arrayMap(one -> -one.1, newest_unjudged)
    ))), 'UTC')
)
ENGINE = ReplacingMergeTree(version, gone)
ORDER BY (cluster, node, check_name)
SETTINGS index_granularity = 1024;

CREATE TABLE IF NOT EXISTS `cluster_doctor`.sweep_rows
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
ENGINE = ReplacingMergeTree(finished_at)
PARTITION BY toYYYYMM(started_at)
ORDER BY (cluster, started_at)
TTL toDateTime(started_at) + toIntervalDay(400)
SETTINGS ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS `cluster_doctor`.node_states
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
ENGINE = ReplacingMergeTree(seen_at)
PARTITION BY toYYYYMM(seen_at)
ORDER BY (cluster, seen_at, node)
TTL toDateTime(seen_at) + toIntervalDay(400)
SETTINGS ttl_only_drop_parts = 1;

CREATE TABLE IF NOT EXISTS `cluster_doctor`.coverage_samples
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
ENGINE = ReplacingMergeTree(at)
PARTITION BY toYYYYMM(at)
ORDER BY (cluster, check_name, at)
TTL toDateTime(at) + toIntervalDay(400)
SETTINGS ttl_only_drop_parts = 1;
