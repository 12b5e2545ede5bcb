-- Of each check in each visit the result that counts: a judged one before others, then that of the
-- latest attempt. An attempt has one result, so nothing is left to chance. Filters on cluster,
-- check_name and batch reach the table.
CREATE OR REPLACE VIEW visits AS
SELECT *
FROM history
ORDER BY outcome IN ('pass', 'warn', 'fail') DESC, attempt DESC
LIMIT 1 BY cluster, check_name, batch, task
