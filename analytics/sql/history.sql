-- One row per result: of the rows that share a result_id the highest revision counts, and of
-- equal ones the first ingested. Filters on cluster, node, check_name, batch and result_id reach
-- the table through the LIMIT BY; a filter on anything else sees the winners only. To look at a
-- time window, add batch IN (SELECT batch FROM results WHERE <the window>): it changes no answer,
-- because every revision of a result is of one batch, and spares the rest of the table.
CREATE OR REPLACE VIEW history AS
SELECT *
FROM results
ORDER BY revision DESC, ingested_at ASC
LIMIT 1 BY cluster, node, check_name, batch, result_id
