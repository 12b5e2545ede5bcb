"""A real Grafana takes every dashboard as it is, and its plugin answers every panel.

``CLUSTER_DOCTOR_TEST_GRAFANA=http://user:password@host:3000`` names one with a ClickHouse data
source that has a history, such as grafana/compose.yaml starts; what is made there goes again.
Nothing here runs without it, its client neither: a fake would only say what we think of Grafana.
"""

import json
import os
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from grafana.reading import Panel, Target
from tests.dashboard_engine import BOARDS, TEXTS, Selection, choose, questions, repeats
from tests.grafana_macros import Shown
from tests.grafana_server import REAL, Grafana

pytestmark = pytest.mark.skipif(not os.environ.get(REAL), reason=f"{REAL} names no Grafana")
EVERYTHING = Selection(name="all", most=None)
PANELS = [
    pytest.param(title, panel, target, id=f"{title}: {panel.title}")
    for title, board in BOARDS.items()
    for panel, target in questions(board)
]


@pytest.fixture(scope="module")
def server() -> Grafana:
    return Grafana.at(os.environ[REAL])


@pytest.fixture(scope="module")
def source(server: Grafana) -> str:
    return server.source()


@pytest.fixture(scope="module")
def folder(server: Grafana) -> Iterator[str]:
    name = f"test-{uuid.uuid4().hex[:8]}"
    server.make_folder(name)
    yield name
    server.drop_folder(name)


@pytest.mark.parametrize("name", TEXTS)
def test_the_server_takes_a_dashboard_and_gives_it_back(
    server: Grafana, folder: str, name: str
) -> None:
    written = json.loads(TEXTS[name])
    ours = {**written, "uid": f"{folder}-{written['uid']}"[:40]}
    found = server.take(ours, folder)
    assert [panel["title"] for panel in found["panels"]] == [  # type: ignore[attr-defined]
        panel["title"] for panel in written["panels"]
    ]
    assert found["templating"] == written["templating"]


@pytest.mark.parametrize(("title", "panel", "target"), PANELS)
def test_the_plugin_answers_a_panel(
    server: Grafana, source: str, title: str, panel: Panel, target: Target
) -> None:
    def ask(sql: str, shown: Shown) -> list[str]:
        columns = server.columns(sql, shown, source=source)
        return [str(value) for value in columns[0]] if columns else []

    shown = choose(BOARDS[title], EVERYTHING, until=datetime.now(UTC), ask=ask)
    for one in repeats(panel, shown):
        assert server.columns(target.sql, one, source=source, form=target.form or 0)
