"""Each alert rule is in the runbook and, as Grafana wants it, in the file that it reads."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from grafana import alert_file, build
from grafana.alert import RUNBOOK, Alert, group, panel_number
from grafana.alerts import COVERAGE_GOAL, alerts
from grafana.cli import dashboards
from grafana.clickhouse import UID
from grafana.fleet import fleet

ROOT = Path(__file__).parents[1]
ALERTS: Mapping[str, Alert] = {one.title: one for one in alerts()}
EVERY = pytest.mark.parametrize("alert", ALERTS.values(), ids=lambda one: one.title)


@EVERY
def test_a_rule_tells_only_labels_that_its_question_has(alert: Alert) -> None:
    columns = re.search(r"SELECT (.*?) AS Value", alert.sql, re.DOTALL)
    assert columns is not None
    texts = alert.summary + alert.description
    assert texts.count("{{") == texts.count("}}")
    used = set(re.findall(r"\.Labels\.(\w+)", texts))
    assert used
    assert used <= set(columns[1].replace(",", " ").split())
    assert set(re.findall(r"\.Values\.(\w+)", texts)) <= {"A"}


@EVERY
def test_a_rule_has_a_paragraph_in_the_runbook_that_says_what_to_do(alert: Alert) -> None:
    text = (ROOT / RUNBOOK).read_text()
    paragraph = text.split(f"\n## {alert.title}\n")[1].split("\n## ")[0]
    assert "cluster-doctor " in paragraph
    assert "**False alarm**" in paragraph
    assert len(paragraph) > 300


def test_the_runbook_has_no_rule_that_there_is_not() -> None:
    titles = re.findall(r"^## (\w+)$", (ROOT / RUNBOOK).read_text(), re.MULTILINE)
    assert titles == [*ALERTS]


# The file


def test_the_file_that_grafana_reads_is_what_the_sdk_reads_back() -> None:
    text = alert_file.dumps(coverage_goal=COVERAGE_GOAL)
    made = group(alerts(), fleet()).rules
    assert json.dumps(alert_file.loads(text), cls=JSONEncoder, sort_keys=True) == json.dumps(
        made, cls=JSONEncoder, sort_keys=True
    )
    assert text == alert_file.dumps(coverage_goal=COVERAGE_GOAL)


def test_the_file_is_as_grafana_wants_it() -> None:
    (only,) = yaml.safe_load((build.HOME / build.ALERTS).read_text())["groups"]
    assert (only["orgId"], only["interval"]) == (1, "60s")
    rules = only["rules"]
    assert len({rule["uid"] for rule in rules}) == len(rules) == len(ALERTS)
    for rule in rules:
        question, condition = rule["data"]
        assert re.fullmatch(r"[a-z0-9-]{1,40}", rule["uid"])
        assert question["datasourceUid"] == question["model"]["datasource"]["uid"] == UID
        assert question["relativeTimeRange"]["from"] > question["relativeTimeRange"]["to"] == 0
        assert condition["refId"] == condition["model"]["refId"] == rule["condition"]
        assert condition["model"]["expression"] == question["refId"]
        assert rule["noDataState"] == "OK"
        assert re.fullmatch(r"\d+[smh]", rule["for"])


def test_grafana_finds_no_variable_of_its_environment_in_what_it_expands() -> None:
    (only,) = yaml.safe_load((build.HOME / build.ALERTS).read_text())["groups"]
    expanded = [
        {**rule, "data": [one["datasourceUid"] for one in rule["data"]]} for rule in only["rules"]
    ]
    assert "$" not in json.dumps(expanded)


def test_each_rule_leads_to_its_panel_of_the_dashboard_fleet() -> None:
    board = json.loads((build.HOME / "generated" / "fleet.json").read_text())
    titles = {
        panel["id"]: panel["title"]
        for outer in board["panels"]
        for panel in (outer, *outer.get("panels", []))
    }
    (only,) = yaml.safe_load((build.HOME / build.ALERTS).read_text())["groups"]
    for rule in only["rules"]:
        assert rule["dashboardUid"] == board["uid"] == rule["annotations"]["__dashboardUid__"]
        assert titles[rule["panelId"]] == ALERTS[rule["title"]].panel
        assert rule["annotations"]["__panelId__"] == str(rule["panelId"])


def test_a_panel_that_is_no_more_is_an_error_when_the_rules_are_built() -> None:
    with pytest.raises(LookupError, match="'Heart beat'"):
        panel_number(fleet(), "Heart beat")


def test_another_goal_of_coverage_changes_that_rule_alone(tmp_path: Path) -> None:
    def run(*arguments: str) -> int:
        return (
            CliRunner().invoke(dashboards, ["build", "--into", str(tmp_path), *arguments]).exit_code
        )

    assert run("--coverage-goal", "0.995") == 0
    assert run("--coverage-goal", "0.995", "--check") == 0
    assert run("--check") == 1
    ours, theirs = (
        {rule.title: rule for rule in alert_file.loads((where / build.ALERTS).read_text())}
        for where in (build.HOME, tmp_path)
    )
    differ = [title for title in ours if dumped(ours[title]) != dumped(theirs[title])]
    assert differ == ["CoverageUnderGoal"]
    assert "99.5% should be" in dumped(theirs["CoverageUnderGoal"])


def test_the_commands_goal_is_the_rules_own() -> None:
    assert dashboards.commands["build"].params[-1].default == COVERAGE_GOAL


def dumped(rule: object) -> str:
    return json.dumps(rule, cls=JSONEncoder, sort_keys=True)
