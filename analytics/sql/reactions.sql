-- One row per reaction, as it stood when the history last heard of it. Filters on cluster, node,
-- check_name and id reach the table through the LIMIT BY.
CREATE OR REPLACE VIEW reactions AS
SELECT *
FROM reaction_states
ORDER BY revision DESC
LIMIT 1 BY cluster, node, check_name, id
