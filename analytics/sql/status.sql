-- Where each check on each node stands: the latest judged result, and the latest attempt, which is
-- the same one unless a later visit could not judge; and the newest eight judged results, and the
-- newest eight attempts that failed to judge (what retries count), each newest first, as
-- (negated time in ms, visit, revision, outcome); a visit's name is batch.task.attempt. Ties of time
-- break by it.
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
    newest_judged, newest_unjudged
FROM
(
    SELECT
        cluster, node, check_name,
        argMinIf(
            tuple(visit, revision, outcome, finished_at, detail, duration_s, job_id, log_path),
            tuple(-toUnixTimestamp64Milli(finished_at), visit),
            outcome IN ('pass', 'warn', 'fail')
        ) AS judged,
        argMin(
            tuple(visit, revision, outcome, finished_at, detail, duration_s, job_id, log_path),
            tuple(-toUnixTimestamp64Milli(finished_at), visit)
        ) AS attempt,
        groupArraySortedIf(8)(
            tuple(-toUnixTimestamp64Milli(finished_at), visit, revision, outcome),
            outcome IN ('pass', 'warn', 'fail')
        ) AS newest_judged,
        groupArraySortedIf(8)(
            tuple(-toUnixTimestamp64Milli(finished_at), visit, revision, outcome),
            outcome IN ('error', 'timeout', 'preempted')
        ) AS newest_unjudged
    FROM
    (
        SELECT *, concat(batch, '.', toString(task), '.', toString(attempt)) AS visit
        FROM history
    )
    GROUP BY cluster, node, check_name
)
