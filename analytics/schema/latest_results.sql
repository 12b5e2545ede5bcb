-- Of the rows that tell of one result the one that counts.
CREATE OR REPLACE VIEW latest_results AS
SELECT * FROM results FINAL
SETTINGS do_not_merge_across_partitions_select_final = 1
