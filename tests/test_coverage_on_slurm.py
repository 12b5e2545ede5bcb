"""What sweeps of a real cluster tell of themselves, of its nodes and of what is proven."""

from collections.abc import Mapping
from typing import cast

import pytest

from analytics.embedded import EmbeddedStore
from slurm_hooks.state import State
from tests.lab import Lab
from tests.site import doctor, state_of, sweep_and_wait

pytestmark = pytest.mark.lab


def shown(lab: Lab, view: str, columns: str, order: str = "ALL") -> list[tuple[object, ...]]:
    store = EmbeddedStore(State(lab.state_dir).history)
    return store.rows(f"SELECT {columns} FROM {view} ORDER BY {order}")


def test_nodes_are_told_as_slurm_has_them_and_what_cannot_be_proven_with_its_reason(
    site: Lab,
) -> None:
    site.add_check("quick", max_age="1h")
    site.drain("n001", "new fan [slot 3]")
    site.occupy("n002")
    reserve = "reservation", "ReservationName=class", "Nodes=n003", "Users=root"
    site.run(["scontrol", "create", *reserve, "StartTime=now", "Duration=60"])
    site.fault("n004", "quick", "fail")
    site.wait_for(lambda: "RESERVED" in state_of(site, "n003").flags, 60, "n003 reserved")
    sweep_and_wait(site)
    doctor(site, "sweep")
    doctor(site, "sweep")
    columns = "node, state, flags, verdict, holder_kind, holder, failing"
    found = {str(row[0]): row[1:] for row in shown(site, "nodes", columns)}
    assert [*found] == list(site.nodes)
    assert found["n000"] == ("IDLE", [], "fresh", "", "", [])
    assert found["n001"] == ("IDLE", ["DRAIN"], "drained", "user", "root", [])
    assert found["n002"] == ("ALLOCATED", [], "busy", "", "", [])
    assert found["n003"][:3] == ("IDLE", ["RESERVED"], "unavailable")
    assert found["n003"][3:] == ("reservation", "a reservation", [])
    assert found["n004"] == ("IDLE", [], "fresh", "", "", ["quick"])
    ((cpus, memory, hardware),) = shown(site, "nodes", "DISTINCT cpus, memory_mb, hardware")
    assert (cpus, memory) == (2, 1000)
    assert str(hardware).startswith("2 CPUs, 1 GiB")
    (last,) = shown(site, "coverage", "at, nodes, proven, failing, never, debt", "at")[-1:]
    assert last[1:5] == (8, 5, 1, 3)
    assert last[5] == {"busy": 1.0, "drained": 1.0, "unavailable": 1.0}
    sweeps = shown(site, "sweeps", "started_at, error, nodes, visits, ingested, verdicts", "1")
    assert all(row[1] == "" and row[2] == 8 for row in sweeps)
    assert sweeps[0][3] == 5
    assert cast("Mapping[str, float]", sweeps[0][5])["due"] == 5.0
    site.slurmctld.stop()
    try:
        assert doctor(site, "sweep", check=False).returncode == 1
    finally:
        site.slurmctld.start()
    (failed,) = shown(site, "sweeps WHERE error != ''", "error, nodes, host")
    assert "scontrol" in str(failed[0])
    assert failed[1] == 0
    assert shown(site, "sweeps", "count()") == [(len(sweeps) + 2,)]
