-- The results that decide how a check on a node stands: of its judged ones the newest eight, of
-- those that failed to judge the newest eight, and the newest of all; with what is of the same
-- time. It has all that the view `status` needs, and is all of it that costs anything to sort.
CREATE OR REPLACE VIEW newest_history AS
SELECT history.*
FROM history
INNER JOIN
(
    SELECT
        cluster, node, check_name,
        max(finished_at) AS newest_at,
        groupArraySortedIf(8)(
            -toUnixTimestamp64Milli(finished_at), outcome IN ('pass', 'warn', 'fail')
        )[-1] AS judged_from,
        groupArraySortedIf(8)(
            -toUnixTimestamp64Milli(finished_at), outcome IN ('error', 'timeout', 'preempted')
        )[-1] AS unjudged_from
    FROM latest_results
    GROUP BY cluster, node, check_name
) AS newest USING (cluster, node, check_name)
WHERE finished_at = newest_at
    OR (outcome IN ('pass', 'warn', 'fail')
        AND -toUnixTimestamp64Milli(finished_at) <= judged_from)
    OR (outcome IN ('error', 'timeout', 'preempted')
        AND -toUnixTimestamp64Milli(finished_at) <= unjudged_from)
