-- One row per result, with the id that is made from its key (slurm_hooks.record, `result_id`: a
-- UUID of version 5), its begin, and the whole path of its log (analytics.result). Which of the
-- rows that tell of one result counts is decided below it, in `latest_results`.
CREATE OR REPLACE VIEW history AS
WITH
    lower(hex(substring(SHA1(concat(
        unhex('6f4d2f2e0c575a0c9d0a3a1b6c1f0e55'),
        '["', cluster, '", "', batch, '", ', toString(task), ', ', toString(attempt),
        ', "', check_name, '"]'
    )), 1, 16))) AS digest,
    fromUnixTimestamp64Milli(
        toUnixTimestamp64Milli(finished_at) - toInt64(duration_ms) - overhead_ms, 'UTC'
    ) AS began,
    '/{check}/{node}/{check}_{node}_{started}.log' AS usual
SELECT
    concat(
        substring(digest, 1, 8), '-', substring(digest, 9, 4), '-5', substring(digest, 14, 3), '-',
        substring('89ab', bitAnd(position('0123456789abcdef', substring(digest, 17, 1)) - 1, 3) + 1, 1),
        substring(digest, 18, 3), '-', substring(digest, 21, 12)
    ) AS result_id,
    cluster, node, check_name, outcome, finished_at, began AS started_at,
    duration_ms / 1000 AS duration_s, detail, exit_code, signal, batch, task, attempt, job_id, partition, metrics,
    if(
        endsWith(latest_results.log_path, usual),
        concat(
            substring(
                latest_results.log_path, 1, length(latest_results.log_path) - length(usual)
            ),
            '/', check_name, '/', node, '/', check_name, '_', node, '_',
            ifNull(formatDateTime(began, '%Y%m%dT%H%i%SZ', 'UTC'), ''), '.log'
        ),
        latest_results.log_path
    ) AS log_path,
    evidence, revision, ingested_at
FROM latest_results
