"""What real sweeps of a real Slurm tell a ClickHouse store is what the dashboards show of it."""

import json
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from tests.clickhouse import ClickHouse
from tests.dashboard_engine import (
    BOARDS,
    Answer,
    Selection,
    answered,
    choose,
    questions,
    repeats,
    written,
)
from tests.grafana_macros import Shown, expand
from tests.lab import Lab
from tests.lab.users import SERVICE
from tests.site import DRAINS, ROOM, doctor, drained

pytestmark = pytest.mark.lab

BAD = "n002"
Panel = Callable[..., Answer]


@pytest.fixture
def shown(site: Lab, clickhouse: ClickHouse) -> Iterator[Panel]:
    """A site that was swept twice, with a node that fails and is drained; asks a panel of it."""
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
    store = clickhouse.settings(database)

    def ask(sql: str, so_far: Shown) -> list[str]:
        return [str(row[0]) for row in written(clickhouse, store, expand(sql, so_far))["data"]]

    def show(title: str, panel_title: str) -> Answer:
        board, until = BOARDS[title], datetime.now(UTC)
        selection = Selection(name="all", values={"node": [BAD]}, most=None)
        seen = choose(board, selection, until=until, ask=ask)
        panel, target = next(one for one in questions(board) if one[0].title == panel_title)
        sql = expand(target.sql, next(repeats(panel, seen)))
        return answered(written(clickhouse, store, sql))

    yield show
    clickhouse.server().command(f"DROP DATABASE {database}")


def test_the_dashboards_say_what_slurm_and_the_command_line_say(site: Lab, shown: Panel) -> None:
    nodes = json.loads(doctor(site, "nodes", "--json").stdout)
    assert [one["node"] for one in nodes if one["failing"]] == [BAD]
    ((failing,),) = shown("Fleet", "Failing nodes").rows
    assert failing == 1
    (held,) = shown("Fleet", "Held by").rows
    by = dict(zip(shown("Fleet", "Held by").names, held, strict=True))
    assert (by["check"], by["nobody"]) == (1, len(nodes) - 1)
    ((proven,),) = shown("Fleet", "Proven").rows
    assert proven == 1
    assert shown("Fleet", "Failing now").column("node") == [BAD]
    sweeps = shown("Fleet", "Last sweeps")
    assert len(sweeps.rows) >= 2
    assert sum(sweeps.column("visits")) == len(nodes)
    ((age, _),) = shown("Fleet", "Heartbeat").rows
    assert 0 <= age < 120
    assert shown("Node", "Checks").column("judged_outcome") == ["fail"]
    assert {*shown("Node", "Checks, reactions and who held it").column("what")} == {
        "quick", "· drain", "· held by",
    }  # fmt: skip
    (run,) = shown("Runs", "Recent runs").rows
    of = dict(zip(shown("Runs", "Recent runs").names, run, strict=True))
    assert (of["status"], of["fail"], of["pass"]) == ("Failed", 1, len(nodes) - 1)
    assert shown("Reactions", "Nodes that we hold").rows == [(1,)]
    assert shown("Reactions", "Reactions").column("node") == [BAD]
