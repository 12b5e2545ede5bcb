"""An alert rule: a question to the history, what its answer must not be, and what to tell of it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from grafana_foundation_sdk.builders import alerting as build
from grafana_foundation_sdk.builders import expr
from grafana_foundation_sdk.models import alerting as model
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import Dashboard

from grafana.clickhouse import PLUGIN, UID, Form, Query, plain

GROUP = FOLDER = "cluster-doctor"
INTERVAL_S = 60
RUNBOOK = "docs/alerts.md"

_SOURCE = DataSourceRef(type_val=PLUGIN, uid=UID)
"""A rule has nobody who chooses one."""

_EXPRESSION = "__expr__"

Severity = Literal["critical", "warning"]
OnError = Literal["KeepLast", "Alerting"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """One rule; it rings for each row of *sql* by itself.

    Its texts are Grafana's templates. They say `.Labels` and `.Values`, not `$labels` and
    `$values`: in a file that Grafana reads, a dollar may begin a variable of its environment.
    """

    title: str
    sql: str
    """Columns of text, which become the alert's labels, and one number, `Value`."""
    window_s: int
    """How far back the question looks: what its macros expand to."""
    rings: tuple[Literal["gt", "lt"], float]
    """When `Value` is above, or below, a number."""
    lasting: str
    """For how long that must be so."""
    severity: Severity
    summary: str
    description: str
    panel: str
    """Of dashboard Fleet: where to look."""
    nothing: str
    """Why it is well when the answer has no row; that rings nowhere."""
    on_error: OnError = "KeepLast"
    """When ClickHouse does not answer. One rule rings then, and the others stay as they were."""

    @property
    def name(self) -> str:
        """Return the title with dashes, for its id."""
        return re.sub(r"(?<=.)(?=[A-Z])", "-", self.title).lower()


def group(alerts: Sequence[Alert], fleet: Dashboard) -> model.RuleGroup:
    """Return *alerts* as Grafana's rules, each with its panel of *fleet*."""
    made = build.RuleGroup(GROUP).folder_uid(FOLDER).interval(INTERVAL_S)
    for alert in alerts:
        made = made.with_rule(_rule(alert, fleet))
    return made.build()


def panel_number(dashboard: Dashboard, title: str) -> int:
    """Return the number by which links find the panel; raises LookupError where there is none."""
    for panel in dashboard.panels or []:
        for one in (panel, *(getattr(panel, "panels", None) or [])):
            if one.title == title and one.id_val is not None:
                return int(one.id_val)
    raise LookupError(f"{dashboard.title} has no panel {title!r}")


def _rule(alert: Alert, fleet: Dashboard) -> build.Rule:
    return (
        build.Rule(alert.title)
        .uid(f"{UID}-{alert.name}")
        .org_id(1)
        .folder_uid(FOLDER)
        .rule_group(GROUP)
        .condition("B")
        .with_query(_question(alert))
        .with_query(_threshold(alert))
        .no_data_state("OK")
        .exec_err_state(alert.on_error)
        .for_val(alert.lasting)
        .annotations(
            {
                "summary": alert.summary,
                "description": alert.description,
                "runbook": f"{RUNBOOK}#{alert.title.lower()}",
                "__dashboardUid__": str(fleet.uid),
                "__panelId__": str(panel_number(fleet, alert.panel)),
            }
        )
        .labels({"severity": alert.severity})
        .is_paused(is_paused=False)
    )


def _question(alert: Alert) -> build.Query:
    return (
        build.Query("A")
        .datasource_uid(UID)
        .relative_time_range(model.RelativeTimeRange(from_val=alert.window_s, to=0))
        .model(Query(plain(alert.sql), Form.TABLE, source=_SOURCE))
    )


def _threshold(alert: Alert) -> build.Query:
    how, number = alert.rings
    evaluator = expr.ExprTypeThresholdConditionsEvaluator().type(how).params([number])
    return (
        build.Query("B")
        .datasource_uid(_EXPRESSION)
        .relative_time_range(model.RelativeTimeRange(from_val=alert.window_s, to=0))
        .model(
            expr.TypeThreshold()
            .ref_id("B")
            .datasource(DataSourceRef(type_val=_EXPRESSION, uid=_EXPRESSION))
            .expression("A")
            .conditions([expr.ExprTypeThresholdConditions().evaluator(evaluator)])
        )
    )
