-- One row per check and sweep: how many of its nodes are proven, and why the others are not. A check
-- that is for no node has no share. Filters on cluster, check_name and at reach the table.
CREATE OR REPLACE VIEW coverage AS
SELECT *, if(nodes = 0, NULL, proven / nodes) AS share, nodes - proven AS unproven
FROM coverage_samples
LIMIT 1 BY cluster, check_name, at
