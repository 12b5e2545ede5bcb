-- The rows of `status_of_history` (sql/status.sql), as `status_latest` keeps them.
CREATE OR REPLACE VIEW status AS
SELECT * EXCEPT (made_at, version, gone)
FROM status_latest FINAL
