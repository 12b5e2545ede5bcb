"""Dashboards and alert rules as code; none yet."""
