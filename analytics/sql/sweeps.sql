-- One row per sweep, those that failed too. Filters on cluster and started_at reach the table
-- through the LIMIT BY: rows that tell of the same sweep are from the same file, so any will do.
CREATE OR REPLACE VIEW sweeps AS
SELECT *
FROM sweep_rows
LIMIT 1 BY cluster, started_at
