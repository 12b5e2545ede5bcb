"""Writes alert rules as the YAML from which Grafana provisions them, and reads that again."""

import json
from collections.abc import Iterator, Sequence
from textwrap import fill, indent
from typing import Any

import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.alerting import Rule, RuleGroup

from grafana import clickhouse
from grafana.alert import FOLDER, INTERVAL_S, Alert, group
from grafana.alerts import alerts
from grafana.clickhouse import UID
from grafana.fleet import fleet

Json = dict[str, Any]

_HEAD = f"""\
# Made by cluster-doctor dashboards build; docs/alerts.md says what each rule means.
apiVersion: 1
groups:
  - orgId: 1
    name: {UID}
    folder: {FOLDER}
    interval: {INTERVAL_S}s
    rules:
"""
_OURS = {"orgID": 1, "folderUID": FOLDER, "ruleGroup": UID}
"""What a rule of the API says by itself, and one in a file by where it stands."""

_ORDER = (
    "uid", "title", "condition", "data", "dashboardUid", "panelId", "noDataState", "execErrState",
    "for", "annotations", "labels", "isPaused",
)  # fmt: skip


class _Dumper(yaml.SafeDumper):
    """Texts of several lines as they are; lists below their key's column."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002 its parent's
        super().increase_indent(flow, indentless=False)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else "")


_Dumper.add_representer(str, _text)


def dumps(*, coverage_goal: float) -> str:
    """Return the file with all rules; the same text for the same goal."""
    wanted = alerts(coverage_goal=coverage_goal)
    made = group(wanted, fleet())
    return _HEAD + "".join(_written(wanted, made))


def loads(text: str) -> Sequence[Rule]:
    """Return the rules in *text*, as the SDK reads them."""
    clickhouse.register()
    (only,) = yaml.safe_load(text)["groups"]
    return [Rule.from_json(_as_asked(rule)) for rule in only["rules"]]


def _written(wanted: Sequence[Alert], made: RuleGroup) -> Iterator[str]:
    for alert, rule in zip(wanted, made.rules or [], strict=True):
        why = fill(f"No data: {alert.nothing}.", 92, initial_indent="# ", subsequent_indent="# ")
        text = yaml.dump([_provisioned(rule)], Dumper=_Dumper, sort_keys=False, width=100)
        yield indent(f"{why}\n{text}", " " * 6)


def _provisioned(rule: Rule) -> Json:
    """Return *rule* as a file has it."""
    found: Json = json.loads(json.dumps(rule, cls=JSONEncoder))
    said = found["annotations"]
    found["dashboardUid"], found["panelId"] = said["__dashboardUid__"], int(said["__panelId__"])
    return {name: found[name] for name in _ORDER}


def _as_asked(rule: Json) -> Json:
    """Return a rule of a file as Grafana's API has it."""
    return {**rule, **_OURS}
