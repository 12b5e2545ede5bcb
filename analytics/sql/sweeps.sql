-- One row per sweep, those that failed too. Filters on cluster and started_at reach the table
-- through the LIMIT BY; of rows that tell of the same sweep the last that was written counts.
CREATE OR REPLACE VIEW sweeps AS
SELECT *
FROM sweep_rows
ORDER BY finished_at DESC
LIMIT 1 BY cluster, started_at
