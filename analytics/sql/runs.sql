-- One row per run: one check over one batch. While visits are missing it is InProgress; then Failed
-- if a check failed, Error if Slurm never took the batch or a check or a node broke, else Complete.
-- Where `batches` has no row, planned is NULL and what ended counts as all. Filters on cluster,
-- check_name and batch reach the tables. The status is made of numbers, so that whoever asks for no
-- lists reads none.
CREATE OR REPLACE VIEW runs AS
SELECT
    cluster, check_name, batch,
    concat('cluster-doctor:', batch) AS name,
    multiIf(
        ended < planned, 'InProgress',
        fail > 0, 'Failed',
        error + timeout + node_fail > 0 OR (known AND isNull(plan.3) AND not_started > 0), 'Error',
        'Complete'
    ) AS status,
    if(known, plan.1, NULL) AS planned,
    ended,
    pass, warn, fail, error, timeout, skip, preempted, cancelled, node_fail, not_started,
    arraySort(one -> (one.node, one.job_id, one.reason), fails) AS failed_jobs,
    arraySort(
        one -> (one.node, one.job_id, one.reason),
        if(known AND isNull(plan.3), arrayConcat(errors, unbegun), errors)
    ) AS errored_jobs,
    if(known, plan.2, first_begin) AS created_at,
    plan.3 AS submitted_at,
    if(ended = 0, ifNull(submitted_at, created_at), last_end) AS changed_at,
    if(
        ended < planned, NULL,
        greatest(0, date_diff('ms', ifNull(submitted_at, created_at), changed_at)) / 1000
    ) AS duration_s,
    if(known, plan.4, last_place) AS partition,
    plan.5 AS job_id,
    arraySort(arrayFilter(one -> NOT has(seen, one), plan.6)) AS missing
FROM
(
    SELECT
        cluster, check_name, batch,
        countIf(is_plan) > 0 AS known,
        argMaxIf(
            tuple(visits_planned, made_at, taken_at, place, job, nodes),
            tuple(isNotNull(taken_at), taken_at), is_plan
        ) AS plan,
        countIf(NOT is_plan) AS ended,
        countIf(outcome = 'pass') AS pass,
        countIf(outcome = 'warn') AS warn,
        countIf(outcome = 'fail') AS fail,
        countIf(outcome = 'error') AS error,
        countIf(outcome = 'timeout') AS timeout,
        countIf(outcome = 'skip') AS skip,
        countIf(outcome = 'preempted') AS preempted,
        countIf(outcome = 'cancelled') AS cancelled,
        countIf(outcome = 'node_fail') AS node_fail,
        countIf(outcome = 'not_started') AS not_started,
        groupArrayIf(found, outcome = 'fail') AS fails,
        groupArrayIf(found, outcome IN ('error', 'timeout', 'node_fail')) AS errors,
        groupArrayIf(found, outcome = 'not_started') AS unbegun,
        groupArrayIf(found.node, NOT is_plan) AS seen,
        minIf(made_at, NOT is_plan) AS first_begin,
        maxIf(ended_at, NOT is_plan) AS last_end,
        max(place) AS last_place
    FROM
    (
        SELECT
            cluster, check_name, batch, true AS is_plan,
            planned AS visits_planned, created_at AS made_at, submitted_at AS taken_at,
            partition AS place, job_id AS job, nodes,
            '' AS outcome, created_at AS ended_at,
            CAST(tuple(0, '', ''), 'Tuple(job_id UInt64, node String, reason String)') AS found
        FROM batches
        UNION ALL
        SELECT
            cluster, check_name, batch, false AS is_plan,
            toUInt32(0) AS visits_planned, ifNull(started_at, finished_at) AS made_at,
            CAST(NULL, 'Nullable(DateTime64(3, \'UTC\'))') AS taken_at,
            partition AS place, toUInt64(0) AS job, CAST([], 'Array(String)') AS nodes,
            outcome, finished_at AS ended_at,
            CAST(
                tuple(job_id, node, if(detail = '', outcome, detail)),
                'Tuple(job_id UInt64, node String, reason String)'
            ) AS found
        FROM visits
    )
    GROUP BY cluster, check_name, batch
)
