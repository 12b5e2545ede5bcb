"""Writes dashboards as the JSON that Grafana reads: always the same text for the same dashboard."""

import json

from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

_ENCODER = JSONEncoder(indent=2, sort_keys=True, ensure_ascii=False)


def dumps(dashboard: Dashboard) -> str:
    """Return *dashboard* as JSON.

    Without the place that the SDK gives every link: it would hide those between our dashboards
    in a menu, and the SDK's own reader does not know it.
    """
    plain = json.loads(_ENCODER.encode(dashboard))
    for link in plain.get("links", []):
        link.pop("placement", None)
    return json.dumps(plain, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def loads(text: str) -> Dashboard:
    """Return the dashboard in *text*, as the SDK reads it."""
    from grafana import clickhouse  # noqa: PLC0415 the SDK's panels take a while to load

    clickhouse.register()
    return Dashboard.from_json(json.loads(text))
