"""All dashboards, by the name of the file that each is written to."""

from collections.abc import Callable, Mapping

from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.check import check
from grafana.fleet import fleet
from grafana.node import node
from grafana.reactions import reactions
from grafana.runs import runs

DASHBOARDS: Mapping[str, Callable[[], Dashboard]] = {
    "fleet": fleet,
    "node": node,
    "check": check,
    "runs": runs,
    "reactions": reactions,
}
