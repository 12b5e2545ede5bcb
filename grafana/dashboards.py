"""All dashboards, by the name of the file that each is written to."""

from collections.abc import Callable, Mapping

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.fleet import fleet

DASHBOARDS: Mapping[str, Callable[[], Dashboard]] = {"fleet": fleet}
