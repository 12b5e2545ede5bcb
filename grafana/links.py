"""Where things lead: from any dashboard to any other, the time and what was chosen kept."""

from collections.abc import Mapping

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as model

Link = Mapping[str, str]
"""What a value in a table leads to: a title and an address."""

TAG = "cluster-doctor"
FLEET, NODE, CHECK, RUNS, REACTIONS = (
    f"{TAG}-{name}" for name in ("fleet", "node", "check", "runs", "reactions")
)
"""The dashboards' ids, which are in their addresses."""

_KEPT = (
    "${datasource:queryparam}&var-cluster=${__data.fields.cluster:percentencode}"
    "&${__url_time_range}"
)
"""Of the row's own cluster: several may have nodes of one name. So its column is in every table."""
_VALUE = "${__value.raw:percentencode}"


def others() -> build.DashboardLink:
    """Return the links to all our dashboards that stand above one."""
    return (
        build.DashboardLink("cluster-doctor")
        .type(model.DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .include_vars(include_vars=True)
        .keep_time(keep_time=True)
    )


def to_node() -> Link:
    """Return what the name of a node leads to."""
    return {"title": "This node", "url": f"/d/{NODE}?var-node={_VALUE}&{_KEPT}"}


def to_check(*, partition: bool = True) -> Link:
    """Return what the name of a check leads to; with the *partition* where it can be chosen."""
    return {"title": "This check", "url": f"/d/{CHECK}?var-check={_VALUE}&{_kept(partition)}"}


def to_run(*, partition: bool = True) -> Link:
    """Return what the id of a batch leads to; with the *partition* where it can be chosen."""
    return {"title": "This run", "url": f"/d/{RUNS}?var-batch={_VALUE}&{_kept(partition)}"}


def _kept(partition: bool) -> str:
    return f"${{partition:queryparam}}&{_KEPT}" if partition else _KEPT
