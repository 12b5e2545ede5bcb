-- Which of these files have been applied here, and by which cluster-doctor.
CREATE TABLE IF NOT EXISTS {database}.schema_version {on_cluster}
(
    version UInt32,
    file String,
    applied_at DateTime64(3, 'UTC'),
    by String
)
ENGINE = {replacing applied_at}
ORDER BY version;
