"""What real sweeps of a real Slurm tell a ClickHouse store is what the dashboards show of it."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from grafana.alerts import alerts
from slurm_hooks.store_settings import StoreSettings
from tests.clickhouse import ClickHouse
from tests.dashboard_engine import (
    BOARDS,
    Answer,
    Selection,
    alerted,
    answered,
    choose,
    questions,
    repeats,
    rings,
    written,
)
from tests.grafana_macros import Shown as Seen
from tests.grafana_macros import expand
from tests.lab import Lab
from tests.lab.users import SERVICE
from tests.site import DRAINS, ROOM, doctor, drained

pytestmark = pytest.mark.lab

BAD = "n002"
LATER = timedelta(hours=1)


def the_end_of_now() -> datetime:
    """Return the next whole second: the plugin asks in seconds, and leaves out what is later."""
    return datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """Asks what Grafana would ask of the site's store."""

    clickhouse: ClickHouse
    store: StoreSettings

    def panel(self, title: str, panel_title: str) -> Answer:
        """Return what a panel shows now, of everything; of the node that fails where it must be."""
        board = BOARDS[title]
        selection = Selection(name="all", values={"node": [BAD]}, most=None)
        seen = choose(board, selection, until=the_end_of_now(), ask=self._listed)
        panel, target = next(one for one in questions(board) if one[0].title == panel_title)
        return self._answer(expand(target.sql, next(repeats(panel, seen))))

    def ringing(self, *, until: datetime) -> list[str]:
        """Return which alert rules ring at *until*."""
        return [
            alert.title
            for alert in alerts()
            if any(rings(alert, row[-1]) for row in alerted(alert, self._answer, until=until).rows)
        ]

    def _listed(self, sql: str, seen: Seen) -> list[str]:
        return [str(row[0]) for row in self._answer(expand(sql, seen)).rows]

    def _answer(self, sql: str) -> Answer:
        return answered(written(self.clickhouse, self.store, sql))


@pytest.fixture
def shown(site: Lab, clickhouse: ClickHouse) -> Iterator[Shown]:
    """A site that was swept, with a node that fails and is drained; asks what Grafana would."""
    database = f"lab_{site.root.name.replace('-', '_')}"
    user, password = clickhouse.writer
    secret = site.settings_path.with_name("store-password")
    secret.write_text(password)
    shutil.chown(secret, SERVICE)
    secret.chmod(0o400)
    url = f"http://{clickhouse.host}:{clickhouse.port}"
    site.configure(
        max_concurrent_visits=8, record_grace="0s", reactions=ROOM,
        store={"url": url, "user": user, "password_file": str(secret), "database": database},
    )  # fmt: skip
    doctor(site, "store", "init")
    site.add_check("quick", failure_reactions=DRAINS)
    site.fault(BAD, "quick", "fail")
    for _ in range(3):  # what the last but one told of itself enters with the last
        doctor(site, "sweep", "--wait")
    assert drained(site) == [BAD]
    yield Shown(clickhouse=clickhouse, store=clickhouse.settings(database))
    clickhouse.server().command(f"DROP DATABASE {database}")


def test_the_dashboards_say_what_slurm_and_the_command_line_say(site: Lab, shown: Shown) -> None:
    nodes = json.loads(doctor(site, "nodes", "--json").stdout)
    assert [one["node"] for one in nodes if one["failing"]] == [BAD]
    ((failing,),) = shown.panel("Fleet", "Failing nodes").rows
    assert failing == 1
    (held,) = shown.panel("Fleet", "Held by").rows
    by = dict(zip(shown.panel("Fleet", "Held by").names, held, strict=True))
    assert (by["check"], by["nobody"]) == (1, len(nodes) - 1)
    ((proven,),) = shown.panel("Fleet", "Proven").rows
    assert proven == 1
    assert shown.panel("Fleet", "Failing now").column("node") == [BAD]
    sweeps = shown.panel("Fleet", "Last sweeps")
    assert len(sweeps.rows) >= 2
    assert sum(sweeps.column("visits")) == len(nodes)
    ((age, _),) = shown.panel("Fleet", "Heartbeat").rows
    assert 0 <= age < 120
    assert shown.panel("Node", "Checks").column("judged_outcome") == ["fail"]
    assert {*shown.panel("Node", "Checks, reactions and who held it").column("what")} == {
        "quick", "· drain", "· held by",
    }  # fmt: skip
    (run,) = shown.panel("Runs", "Recent runs").rows
    of = dict(zip(shown.panel("Runs", "Recent runs").names, run, strict=True))
    assert (of["status"], of["fail"], of["pass"]) == ("Failed", 1, len(nodes) - 1)
    assert shown.panel("Reactions", "Nodes that we hold").rows == [(1,)]
    assert shown.panel("Reactions", "Reactions").column("node") == [BAD]


def test_an_alert_rings_once_nobody_sweeps_and_not_before(shown: Shown) -> None:
    assert shown.ringing(until=the_end_of_now()) == []
    assert shown.ringing(until=datetime.now(UTC) + LATER) == ["NoSweep"]


def test_a_report_of_the_same_store_says_the_same(site: Lab, shown: Shown) -> None:
    told = json.loads(doctor(site, "report", "--json").stdout)
    assert [(one["node"], one["holder_kind"]) for one in told["held"]] == [(BAD, "check")]
    assert [one["node"] for one in told["failing"]] == [BAD]
    assert [one["node"] for one in told["reactions"]] == [BAD]
    assert len(told["sweeps"]) == len(shown.panel("Fleet", "Last sweeps").rows)
    page = site.log_dir / "fleet.html"
    doctor(site, "report", "--html", str(page))
    assert "doctor: quick" in page.read_text()
