"""On a real cluster: whoever is to be told of a drained node is told by the next sweep, once."""

import json
from pathlib import Path

import pytest

from tests.lab import Lab
from tests.lab.users import SERVICE
from tests.listeners import listening
from tests.site import doctor, make_due, make_room

pytestmark = pytest.mark.lab


def fails(lab: Lab, notify: dict[str, object]) -> None:
    """Have a check fail on n003, whose definition tells *notify* of it, and be done with it."""
    make_room(lab, on="n003")
    lab.add_check("quick", failure_reactions={"drain": {"prefix": "doctor"}, "notify": notify})
    lab.fault("n003", "quick", "fail")
    doctor(lab, "sweep", "--wait")
    lab.wait_for(lambda: "drain" in lab.states()["n003"], 20, "n003 to be drained")
    make_due(lab, "quick")


def test_a_drained_node_is_told_once_to_the_definitions_command(site: Lab) -> None:
    said = site.layout.home(SERVICE) / "said"
    fails(site, {"command": ["/bin/sh", "-c", f"id -un >> {said}; cat >> {said}"]})
    doctor(site, "sweep")
    doctor(site, "sweep")
    user, text = said.read_text().splitlines()
    body = json.loads(text)
    assert user == SERVICE
    assert (body["event"], body["node"], body["check"]) == ("failed", "n003", "quick")
    assert body["reactions"] == [{"kind": "drain", "state": "done"}]
    assert body["text"].startswith("doctor: quick")


def test_a_web_server_that_hangs_costs_a_sweep_ten_seconds_and_a_warning(site: Lab) -> None:
    with listening("hang") as there:
        fails(site, {"webhook": there.url})
        done = doctor(site, "sweep")
        assert "1 notice not delivered by http://127.0.0.1" in done.stderr
        assert "no answer in 10 s" in _heartbeat(site.state_dir)
        assert there.url not in _heartbeat(site.state_dir)
        assert len(there.heard) == 1


def _heartbeat(state: Path) -> str:
    return (state / "heartbeat.json").read_text()
