"""Draws Grafana dashboards from query results in headless Chromium, and tells what they show."""
