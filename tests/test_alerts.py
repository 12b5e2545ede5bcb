"""The alert rules ring where an admin must act, and nowhere else; on the real engine."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner
from grafana_foundation_sdk.cog.encoder import JSONEncoder

from analytics.clickhouse import ClickHouseStore
from analytics.frame import frame, reaction_frame, told_frame
from analytics.ingest import UNTIDY
from analytics.reaction_changes import changed
from analytics.result import Result
from analytics.server_errors import ABOUT, store_error
from analytics.tables import COVERAGE, REACTIONS, SWEEPS
from analytics.take_sweeps import LATE
from grafana import alert_file, build
from grafana.alert import RUNBOOK, Alert, group, panel_number
from grafana.alerts import COVERAGE_GOAL, alerts
from grafana.cli import dashboards
from grafana.clickhouse import UID
from grafana.fleet import fleet
from slurm_hooks.journal import CheckEvent, Word
from slurm_hooks.outcome import Outcome
from slurm_hooks.policy import Case, Rails
from slurm_hooks.store_settings import StoreSettings
from tests import decisions
from tests.clickhouse import ClickHouse
from tests.grafana_macros import Shown, expand
from tests.history_examples import NOW, row
from tests.sweep_examples import sample, sweep_file

ROOT = Path(__file__).parents[1]
ALERTS: Mapping[str, Alert] = {one.title: one for one in alerts()}
EVERY = pytest.mark.parametrize("alert", ALERTS.values(), ids=lambda one: one.title)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SETTINGS = StoreSettings(path=Path("/etc/cluster-doctor.toml"), host="ch.example", port=8123)
AWAY = str(store_error(ConnectionRefusedError(111, "Connection refused"), SETTINGS, "doctor"))

Labels = tuple[str, ...]


@pytest.fixture(scope="module")
def store(clickhouse: ClickHouse) -> Iterator[ClickHouseStore]:
    """One history for all tests; each has clusters of its own."""
    with clickhouse.database() as settings:
        made = ClickHouseStore(settings, environ=clickhouse.environ)
        yield made
        made.close()


def answers(store: ClickHouseStore, title: str, now: datetime = NOW) -> Mapping[Labels, float]:
    """What Grafana would get at *now*: a number for each alert that there is."""
    alert = ALERTS[title]
    shown = Shown(
        since=now - timedelta(seconds=alert.window_s), until=now, interval_ms=1000, chosen={}
    )
    found: dict[Labels, float] = {}
    for *labels, value in store.rows(expand(alert.sql, shown)):
        assert isinstance(value, int | float)
        assert all(isinstance(label, str) for label in labels)
        found[tuple(map(str, labels))] = value
    return found


def ringing(
    store: ClickHouseStore, title: str, cluster: str, now: datetime = NOW
) -> Sequence[Labels]:
    """For which labels a rule's condition holds in *cluster* at *now*."""
    how, number = ALERTS[title].rings
    return [
        labels
        for labels, value in answers(store, title, now).items()
        if labels[0] == cluster and (value > number if how == "gt" else value < number)
    ]


def swept(
    store: ClickHouseStore,
    cluster: str,
    *,
    newest: float,
    every: float = 5,
    count: int = 50,
    error: str = "",
    warnings: tuple[str, ...] = (),
) -> None:
    """Let the history know *count* sweeps, the *newest* of them so many minutes ago."""
    rows = [
        sweep_file(minutes=newest + every * number, cluster=cluster).sweep._replace(
            error=error, warnings=warnings
        )
        for number in range(count)
    ]
    store.append(told_frame(rows, SWEEPS), SWEEPS)


# NoSweep


def test_a_cluster_that_sweeps_rings_nothing_though_each_row_waits_for_the_next_sweep(
    store: ClickHouseStore,
) -> None:
    swept(store, "well", newest=10)  # the one 5 minutes ago is not in the history yet
    assert ringing(store, "NoSweep", "well") == []


def test_one_sweep_that_was_missed_rings_nothing(store: ClickHouseStore) -> None:
    swept(store, "missed", newest=15)
    assert ringing(store, "NoSweep", "missed") == []


def test_three_intervals_without_a_sweep_ring(store: ClickHouseStore) -> None:
    swept(store, "stopped", newest=5)
    assert ringing(store, "NoSweep", "stopped", NOW + 14 * MINUTE) == []
    assert ringing(store, "NoSweep", "stopped", NOW + 16 * MINUTE) == [("stopped",)]


def test_sweeps_a_quarter_of_an_hour_apart_may_be_missing_for_three_quarters(
    store: ClickHouseStore,
) -> None:
    swept(store, "slow", newest=15, every=15)
    assert ringing(store, "NoSweep", "slow", NOW + 44 * MINUTE) == []
    assert ringing(store, "NoSweep", "slow", NOW + 46 * MINUTE) == [("slow",)]


def test_a_sweep_that_somebody_started_between_does_not_make_the_usual_interval_shorter(
    store: ClickHouseStore,
) -> None:
    swept(store, "by hand", newest=15, every=15)
    swept(store, "by hand", newest=14.5, every=1, count=5)
    assert ringing(store, "NoSweep", "by hand", NOW + 40 * MINUTE) == []


def test_sweeps_that_all_fail_ring(store: ClickHouseStore) -> None:
    swept(store, "fails", newest=30)
    swept(store, "fails", newest=0, count=6, error="slurmctld is away")
    assert ringing(store, "NoSweep", "fails") == [("fails",)]
    swept(store, "never well", newest=0, count=6, error="slurmctld is away")
    assert ringing(store, "NoSweep", "never well") == [("never well",)]


def test_sweeps_that_fail_for_longer_than_a_week_still_ring(store: ClickHouseStore) -> None:
    swept(store, "long", newest=8 * 24 * 60)
    swept(store, "long", newest=0, every=60, count=24, error="slurmctld is away")
    assert ringing(store, "NoSweep", "long") == [("long",)]


def test_a_cluster_of_which_one_sweep_is_known_has_hours_for_the_next(
    store: ClickHouseStore,
) -> None:
    swept(store, "new", newest=60, count=1)
    assert ringing(store, "NoSweep", "new") == []


def test_a_cluster_that_was_switched_off_rings_for_a_week(store: ClickHouseStore) -> None:
    swept(store, "off", newest=0)
    assert ringing(store, "NoSweep", "off", NOW + 6 * DAY) == [("off",)]
    assert ("off",) not in answers(store, "NoSweep", NOW + 8 * DAY)


# CoverageUnderGoal


def counted(
    store: ClickHouseStore, cluster: str, checks: Mapping[str, tuple[int, int]], *, ago: float = 5
) -> None:
    """Let a sweep tell how many nodes of how many each check has proven."""
    rows = [
        sample(check, minutes=ago, cluster=cluster)._replace(proven=proven, nodes=nodes)
        for check, (proven, nodes) in checks.items()
    ]
    store.append(told_frame(rows, COVERAGE), COVERAGE)


def test_coverage_is_of_all_checks_together_and_rings_below_the_goal(
    store: ClickHouseStore,
) -> None:
    counted(store, "at goal", {"gpu": (80, 100), "cpu": (100, 100)})
    counted(store, "below", {"gpu": (79, 100), "cpu": (100, 100)})
    assert ringing(store, "CoverageUnderGoal", "at goal") == []
    assert ringing(store, "CoverageUnderGoal", "below") == [("below",)]


def test_only_the_latest_sweep_counts_so_that_a_suspended_check_does_not(
    store: ClickHouseStore,
) -> None:
    counted(store, "suspended", {"gpu": (0, 100), "cpu": (100, 100)}, ago=10)
    counted(store, "suspended", {"cpu": (100, 100)}, ago=5)
    assert answers(store, "CoverageUnderGoal")["suspended",] == 1


def test_a_cluster_whose_checks_are_for_no_node_has_no_coverage_to_miss(
    store: ClickHouseStore,
) -> None:
    counted(store, "no nodes", {"gpu": (0, 0)})
    assert ("no nodes",) not in answers(store, "CoverageUnderGoal")


# CheckFailsOnManyNodes


def judged(
    cluster: str, node: int, outcome: Outcome = Outcome.FAIL, *, ago: timedelta = 5 * MINUTE
) -> Result:
    made = row(f"{cluster} {node} {ago}", node=f"n{node}", check="gpu", outcome=outcome)
    return made._replace(cluster=cluster, finished_at=NOW - ago)


def test_a_check_that_fails_on_six_nodes_rings_with_its_name_and_on_five_does_not(
    store: ClickHouseStore,
) -> None:
    store.append(frame([judged("five", node) for node in range(5)]))
    store.append(frame([judged("six", node) for node in range(6)]))
    assert ringing(store, "CheckFailsOnManyNodes", "five") == []
    assert ringing(store, "CheckFailsOnManyNodes", "six") == [("six", "gpu")]


def test_nodes_that_passed_since_or_failed_long_ago_are_not_counted(
    store: ClickHouseStore,
) -> None:
    old = [judged("mended", node, ago=2 * HOUR) for node in range(3)]
    failed = [judged("mended", node) for node in range(3, 9)]
    passed = [judged("mended", 3, Outcome.PASS, ago=MINUTE)]
    store.append(frame([*old, *failed, *passed]))
    assert ringing(store, "CheckFailsOnManyNodes", "mended") == []


# CapReached and ReactionsSuspended


def told(store: ClickHouseStore, cluster: str, reacting: decisions.Cluster) -> None:
    """Let the history know what became of each reaction, as an ingest does."""
    rows = changed(reacting.book, {}, cluster=cluster)
    store.append(reaction_frame(rows), REACTIONS)


def fails(*nodes: str, at: datetime = decisions.NOW) -> list[Case]:
    return [decisions.case(node=node, at=at) for node in nodes]


@pytest.mark.parametrize(
    ("cap", "rails"),
    [
        ("held", replace(decisions.WIDE, held=1)),
        ("held in a", replace(decisions.WIDE, held_in={"a": 1})),
        ("taken", replace(decisions.WIDE, taken=1)),
    ],
)
def test_each_cap_rings_once_a_node_waits_for_room_and_a_full_one_without_any_does_not(
    store: ClickHouseStore, cap: str, rails: Rails
) -> None:
    reacting = decisions.Cluster(rails=rails)
    reacting.react(*fails("n0"))
    told(store, cap, reacting)
    assert ringing(store, "CapReached", cap, reacting.now) == []
    reacting.react(*fails("n1"))
    told(store, cap, reacting)
    assert ringing(store, "CapReached", cap, reacting.now) == [(cap,)]
    assert ringing(store, "ReactionsSuspended", cap, reacting.now) == []


def test_a_cap_rings_no_longer_once_what_waited_has_passed(store: ClickHouseStore) -> None:
    reacting = decisions.Cluster(rails=replace(decisions.WIDE, held=1))
    reacting.react(*fails("n0", "n1"))
    later = decisions.NOW + decisions.MINUTE
    reacting.react(*[decisions.case(Outcome.PASS, node, at=later) for node in ("n0", "n1")])
    told(store, "passed", reacting)
    assert ringing(store, "CapReached", "passed", reacting.now) == []


def test_a_suspended_check_rings_with_its_name_until_a_person_decides(
    store: ClickHouseStore,
) -> None:
    reacting = decisions.Cluster(rails=replace(decisions.WIDE, suspect=2))
    reacting.react(*fails("n0", "n1", "n2"))
    told(store, "suspect", reacting)
    assert ringing(store, "ReactionsSuspended", "suspect", reacting.now) == [("suspect", "gpu")]
    assert ringing(store, "CapReached", "suspect", reacting.now) == []
    word = CheckEvent(check="gpu", word=Word.APPROVED, at=reacting.now, by="root")
    reacting.write([word])
    reacting.react()
    told(store, "suspect", reacting)
    assert ringing(store, "ReactionsSuspended", "suspect", reacting.now) == []


# IngestLag


def entered(
    store: ClickHouseStore, cluster: str, late: Sequence[timedelta], *, ago: timedelta = 5 * MINUTE
) -> None:
    """Let results enter *ago*, each so *late*."""
    rows = [
        row(f"{cluster} {number} {ago}")._replace(
            cluster=cluster, ingested_at=NOW - ago, finished_at=NOW - ago - lag
        )
        for number, lag in enumerate(late)
    ]
    store.append(frame(rows))


def test_results_that_enter_within_the_half_hour_ring_nothing_nor_do_a_few_late_ones(
    store: ClickHouseStore,
) -> None:
    swept(store, "prompt", newest=10)
    entered(store, "prompt", [5 * MINUTE] * 95 + [5 * HOUR] * 5)
    assert ringing(store, "IngestLag", "prompt") == []


def test_results_that_enter_forty_minutes_late_ring(store: ClickHouseStore) -> None:
    swept(store, "late", newest=10)
    entered(store, "late", [40 * MINUTE] * 20)
    assert ringing(store, "IngestLag", "late") == [("late",)]


def test_where_sweeps_are_an_hour_apart_results_may_be_as_late(store: ClickHouseStore) -> None:
    swept(store, "hourly", newest=70, every=60)
    entered(store, "hourly", [58 * MINUTE] * 20)
    assert ringing(store, "IngestLag", "hourly") == []


def test_a_backlog_that_enters_at_once_is_over_before_the_rule_rings(
    store: ClickHouseStore,
) -> None:
    swept(store, "backlog", newest=10)
    entered(store, "backlog", [6 * HOUR] * 500)
    for minutes in range(0, 70, 10):
        entered(store, "backlog", [3 * MINUTE] * 5, ago=-minutes * MINUTE)
    assert ringing(store, "IngestLag", "backlog", NOW) == [("backlog",)]
    assert ringing(store, "IngestLag", "backlog", NOW + HOUR) == []
    assert ALERTS["IngestLag"].window_s < 75 * 60
    assert ALERTS["IngestLag"].lasting == "75m"


# StoreErrors


@pytest.mark.parametrize(
    ("error", "warnings"),
    [(AWAY, ()), ("", (f"{UNTIDY}: {AWAY}",)), ("", (f"what 2 sweeps tell is {LATE}: {AWAY}",))],
)
def test_two_sweeps_of_the_last_four_that_had_trouble_with_the_store_ring(
    store: ClickHouseStore, error: str, warnings: tuple[str, ...]
) -> None:
    cluster = f"flaps {error}{warnings}"
    swept(store, cluster, newest=15)
    swept(store, cluster, newest=10, count=1, error=error, warnings=warnings)
    assert ringing(store, "StoreErrors", cluster) == []
    swept(store, cluster, newest=5, count=1, error=error, warnings=warnings)
    assert ringing(store, "StoreErrors", cluster) == [(cluster,)]


def test_trouble_that_is_told_of_after_two_good_sweeps_rings_nothing(
    store: ClickHouseStore,
) -> None:
    swept(store, "is back", newest=15, count=5, error=AWAY)
    swept(store, "is back", newest=5, count=2)
    assert ringing(store, "StoreErrors", "is back") == []


def test_other_errors_and_warnings_are_not_the_stores(store: ClickHouseStore) -> None:
    swept(
        store, "other", newest=5, count=2, error="scontrol: no answer in 30 s",
        warnings=("https://chat.example: no answer; told again later",),
    )  # fmt: skip
    assert ringing(store, "StoreErrors", "other") == []


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(111, "Connection refused"), TimeoutError("timed out"),
        ConnectionResetError(104, "reset"), ValueError("odd"),
    ],
    ids=str,
)  # fmt: skip
def test_a_server_error_is_known_by_how_it_begins(error: Exception) -> None:
    assert re.match(ABOUT, str(store_error(error, SETTINGS, "doctor")))


def test_one_rule_alone_rings_when_clickhouse_does_not_answer_grafana() -> None:
    assert [one.title for one in alerts() if one.on_error != "KeepLast"] == ["StoreErrors"]


# All rules


def test_two_clusters_of_which_one_is_sick_ring_for_that_one_alone(
    store: ClickHouseStore,
) -> None:
    now = NOW + 400 * DAY
    for cluster, newest, proven in (("healthy", 10, 95), ("sick", 45, 80)):
        minutes = newest - 400 * 24 * 60
        swept(store, cluster, newest=minutes)
        counted(store, cluster, {"gpu": (proven, 100)}, ago=minutes)
    found = {
        title: [*ringing(store, title, "healthy", now), *ringing(store, title, "sick", now)]
        for title in ALERTS
    }
    rung = {title: labels for title, labels in found.items() if labels}
    assert rung == {"NoSweep": [("sick",)], "CoverageUnderGoal": [("sick",)]}


@EVERY
def test_a_store_without_a_row_answers_with_none(clickhouse: ClickHouse, alert: Alert) -> None:
    with clickhouse.database() as settings:
        empty = ClickHouseStore(settings, environ=clickhouse.environ)
        assert answers(empty, alert.title) == {}
        empty.close()


@EVERY
def test_a_rule_is_bounded_by_the_time_that_it_is_asked_for(alert: Alert) -> None:
    assert re.search(r"\$__timeFilter\(", alert.sql)
    assert "now(" not in alert.sql
    assert "${" not in alert.sql


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


def test_every_command_of_the_runbook_exists() -> None:
    entries = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]
    named = re.findall(r"`cluster-doctor ([a-z]+)", (ROOT / RUNBOOK).read_text())
    assert set(named) <= set(entries["cluster_doctor.commands"])


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

    assert run("--coverage-goal", "0.95") == 0
    assert run("--coverage-goal", "0.95", "--check") == 0
    assert run("--check") == 1
    ours, theirs = (
        {rule.title: rule for rule in alert_file.loads((where / build.ALERTS).read_text())}
        for where in (build.HOME, tmp_path)
    )
    differ = [title for title in ours if dumped(ours[title]) != dumped(theirs[title])]
    assert differ == ["CoverageUnderGoal"]
    assert "95% should be" in dumped(theirs["CoverageUnderGoal"])


def test_the_commands_goal_is_the_rules_own() -> None:
    assert dashboards.commands["build"].params[-1].default == COVERAGE_GOAL


def dumped(rule: object) -> str:
    return json.dumps(rule, cls=JSONEncoder, sort_keys=True)
