-- One row per node that Slurm has: the latest that a sweep wrote of it, with how its checks stood
-- then. Results are not read. Every node is written at least once a day, so that nothing is looked
-- for further back than two days before the last sweep that saw nodes; of each cluster, since one of
-- several may have stopped. Filters on cluster and node reach the table.
CREATE OR REPLACE VIEW nodes AS
SELECT *
FROM
(
    SELECT *
    FROM node_states
    WHERE seen_at >=
    (
        SELECT min(latest) - INTERVAL 2 DAY
        FROM
        (
            SELECT max(started_at) AS latest
            FROM sweep_rows
            WHERE nodes > 0
            GROUP BY cluster
        )
    )
    ORDER BY seen_at DESC
    LIMIT 1 BY cluster, node
)
WHERE state != ''
