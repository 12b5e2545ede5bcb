-- Where each check on each node stands: the latest judged result, and the latest attempt, which is
-- the same one unless a later visit could not judge; and the newest eight judged results, and the
-- newest eight attempts since that failed to judge (what retries count), each newest first, as
-- (negated time in ms, visit, revision, outcome); a visit's name is batch.task.attempt. Ties of time
-- break by it.
--
-- What is older than the eighth judged result of its node and check can be none of these. To drop it
-- first needs the times alone, and leaves ten rows a check and node of a thousand.
CREATE OR REPLACE VIEW status AS
SELECT
    cluster, node, check_name,
    nullIf(judged.1, '') AS judged_visit,
    if(judged.1 = '', NULL, judged.2) AS judged_revision,
    if(judged.1 = '', NULL, judged.3) AS judged_outcome,
    if(judged.1 = '', NULL, judged.4) AS judged_at,
    if(judged.1 = '', NULL, judged.5) AS judged_detail,
    if(judged.1 = '', NULL, judged.6) AS judged_duration_s,
    if(judged.1 = '', NULL, judged.7) AS judged_job_id,
    if(judged.1 = '', NULL, judged.8) AS judged_log_path,
    attempt.1 AS attempt_visit,
    attempt.2 AS attempt_revision,
    attempt.3 AS attempt_outcome,
    attempt.4 AS attempt_at,
    attempt.5 AS attempt_detail,
    attempt.6 AS attempt_duration_s,
    attempt.7 AS attempt_job_id,
    attempt.8 AS attempt_log_path,
    newest_judged,
    arrayFilter(
        one -> judged.1 = '' OR (one.1, one.2) < (-toUnixTimestamp64Milli(judged.4), judged.1),
        tried
    ) AS newest_unjudged
FROM
(
    SELECT
        cluster, node, check_name,
        argMinIf(
            tuple(visit, revision, outcome, finished_at, detail, duration_s, job_id, log_path),
            tuple(ago_ms, visit),
            outcome IN ('pass', 'warn', 'fail')
        ) AS judged,
        argMin(
            tuple(visit, revision, outcome, finished_at, detail, duration_s, job_id, log_path),
            tuple(ago_ms, visit)
        ) AS attempt,
        groupArraySortedIf(8)(
            tuple(ago_ms, visit, revision, outcome), outcome IN ('pass', 'warn', 'fail')
        ) AS newest_judged,
        groupArraySortedIf(8)(
            tuple(ago_ms, visit, revision, outcome), outcome IN ('error', 'timeout', 'preempted')
        ) AS tried
    FROM
    (
        SELECT
            cluster, node, check_name, revision, outcome, finished_at, detail, duration_s, job_id,
            log_path,
            concat(batch, '.', toString(task), '.', toString(attempt)) AS visit,
            -toUnixTimestamp64Milli(finished_at) AS ago_ms
        FROM history
        INNER JOIN
        (
            SELECT
                cluster, node, check_name,
                multiIf(
                    notEmpty(judged_ms), judged_ms[-1],
                    notEmpty(tried_ms), greatest(tried_ms[-1], latest_ms),
                    latest_ms
                ) AS oldest_ms
            FROM
            (
                SELECT
                    cluster, node, check_name,
                    groupArraySortedIf(8)(
                        -toUnixTimestamp64Milli(finished_at), outcome IN ('pass', 'warn', 'fail')
                    ) AS judged_ms,
                    groupArraySortedIf(8)(
                        -toUnixTimestamp64Milli(finished_at),
                        outcome IN ('error', 'timeout', 'preempted')
                    ) AS tried_ms,
                    min(-toUnixTimestamp64Milli(finished_at)) AS latest_ms
                FROM history
                GROUP BY cluster, node, check_name
            )
        ) AS bounds USING (cluster, node, check_name)
        WHERE -toUnixTimestamp64Milli(finished_at) <= oldest_ms
    )
    GROUP BY cluster, node, check_name
)
