"""What `nodes`, `node` and `reactions` say of a real cluster, and a person's word on it."""

import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest

from slurm_hooks.journal import CheckEvent, Line, Verdict, Word
from slurm_hooks.reaction import Kind
from slurm_hooks.state import State
from tests.lab import Lab
from tests.lab.users import SERVICE, SLURM, account
from tests.reaction_examples import done, entry, put_journal
from tests.site import doctor

pytestmark = pytest.mark.lab

ALL = {"max_held": "100%", "max_held_in_partition": "100%", "max_taken": "100%"}


def put(lab: Lab, *lines: Line) -> None:
    """Write *lines* as SlurmUser's reactor would have."""
    state = State(lab.state_dir)
    put_journal(state, lines, now=datetime.now(UTC))
    for path in state.reactions.glob("*.jsonl"):
        os.chown(path, account(SLURM).uid, account(SERVICE).gid)


def shown(lab: Lab, *arguments: str) -> Mapping[str, Mapping[str, object]]:
    found = json.loads(doctor(lab, "nodes", "--json", *arguments).stdout)
    return {one["node"]: one for one in found}


def as_slurm(lab: Lab, *arguments: str) -> None:
    lab.run(["runuser", "-u", SLURM, "--", "scontrol", *arguments])


def test_each_way_to_lose_a_node_is_told_from_the_others(site: Lab) -> None:
    ours = entry("n000", at=datetime.now(UTC), check="gpu")
    put(site, *done(ours))
    as_slurm(site, "update", "NodeName=n000", "State=DRAIN", f"Reason={ours.text}")
    site.drain("n001", "new fan [slot 3]")
    as_slurm(site, "update", "NodeName=n003", "State=DRAIN", "Reason=Prolog error")
    reserve = "reservation", "ReservationName=class", "Nodes=n004", "Users=root"
    site.run(["scontrol", "create", *reserve, "StartTime=now", "Duration=60"])
    site.occupy("n005")
    site.slurmd("n006").kill()
    site.wait_for(lambda: "RESERVED" in str(shown(site)["n004"]["state"]), 60, "n004 reserved")
    site.wait_for(lambda: "DOWN" in str(shown(site)["n006"]["state"]), 90, "n006 to be down")
    # Last, since ReturnToService=2 gives it back when its slurmd registers again.
    site.run(["scontrol", "update", "NodeName=n002", "State=DOWN", "Reason=dead"])
    found = shown(site)
    assert {name: (one["kind"], one["holder"]) for name, one in found.items()} == {
        "n000": ("check", "check gpu"),
        "n001": ("user", "root"),
        "n002": ("user", "root"),
        "n003": ("slurm", "Slurm"),
        "n004": ("reservation", "a reservation"),
        "n005": ("", ""),
        "n006": ("slurm", "Slurm"),
        "n007": ("", ""),
    }
    assert found["n000"]["state"] == "IDLE+DRAIN"
    assert found["n001"]["reason"] == "new fan [slot 3]"
    assert [*shown(site, "-s", "alloc")] == ["n005"]
    assert [*shown(site, "-s", "drained,down")] == ["n000", "n001", "n002", "n003", "n006"]
    card = doctor(site, "node", "n000").stdout
    assert "held by check gpu since" in card
    assert f"drain done  {ours.text}" in card
    site.slurmd("n006").start()


def test_a_word_of_root_s_lets_a_suspended_check_drain_and_is_shown_with_its_author(
    site: Lab,
) -> None:
    site.configure(max_concurrent_visits=8, record_grace="0s", reactions=ALL)
    now = datetime.now(UTC)
    why = "nccl failed on 6 nodes, more than 5: suspect the check or the fabric"
    waits = entry("n003", Kind.DRAIN, Verdict.WAIT, at=now, check="nccl", why=why)
    put(site, CheckEvent(check="nccl", word=Word.SUSPENDED, at=now, detail=why), waits)
    assert "1 waiting; decide: cluster-doctor reactions approve nccl" in (
        doctor(site, "reactions").stdout
    )
    refused = doctor(site, "reactions", "approve", "nccl", check=False)
    assert refused.returncode == 1
    assert f"this runs as {SLURM}, not as {SERVICE}" in refused.stderr
    said = site.run(["cluster-doctor", "reactions", "approve", "nccl"], env={"SUDO_USER": "alice"})
    assert "n003: drain for nccl: done" in said.stdout.splitlines()
    assert site.states()["n003"] == "idle+drain"
    assert shown(site)["n003"]["holder"] == "check nccl"
    left = doctor(site, "reactions", "-n", "-P", "-o", "node,state", "-c", "nccl").stdout
    assert left == "n003|done\n"


def test_without_slurmctld_the_journal_and_the_results_are_shown(site: Lab) -> None:
    put(site, *done(entry("n002", at=datetime.now(UTC), check="gpu")))
    site.slurmctld.stop()
    try:
        told = doctor(site, "nodes", "-n", "-P", "-o", "node,state,holder", "-N", "n002")
    finally:
        site.slurmctld.start()
    assert told.stdout == "n002|?|check gpu\n"
    assert "states are not known" in told.stderr
