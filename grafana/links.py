"""Where things lead: from any dashboard to any other, the time and what was chosen kept."""

from grafana_foundation_sdk.builders import dashboard as build
from grafana_foundation_sdk.models import dashboard as model

TAG = "cluster-doctor"
FLEET, NODE, CHECK, RUNS, REACTIONS = (
    f"{TAG}-{name}" for name in ("fleet", "node", "check", "runs", "reactions")
)
"""The dashboards' ids, which are in their addresses."""

_KEPT = "${cluster:queryparam}&${__url_time_range}"
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


def to_node() -> build.DashboardLink:
    """Return what the name of a node leads to."""
    return build.DashboardLink("This node").url(f"/d/{NODE}?var-node={_VALUE}&{_KEPT}")


def to_check() -> build.DashboardLink:
    """Return what the name of a check leads to."""
    return build.DashboardLink("This check").url(f"/d/{CHECK}?var-check={_VALUE}&{_KEPT}")


def to_run() -> build.DashboardLink:
    """Return what the id of a batch leads to."""
    return build.DashboardLink("This run").url(f"/d/{RUNS}?var-batch={_VALUE}&{_KEPT}")
