-- How each check on each node stands, kept at hand: the columns of the view `status`, and when they
-- were made from the history. `gone` marks a pair that has no result any more.
CREATE TABLE IF NOT EXISTS {database}.status_latest {on_cluster}
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
ENGINE = {replacing version, gone}
ORDER BY (cluster, node, check_name)
SETTINGS index_granularity = 1024;
