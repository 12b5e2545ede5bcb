"""A visit on the real cluster, hooks and all: how it ends, and what a user's job does to it."""

import json
import os
import signal
from datetime import UTC, datetime, timedelta

import pytest

from sbatch_templates import visit_script
from slurm_hooks import procfs
from slurm_hooks.batch import Batch, Program, Shape, Visit, load_word, new_batch_id, new_token
from slurm_hooks.epilog import JOURNAL
from slurm_hooks.record import Outcome, Record, loads
from slurm_hooks.settings import load_settings
from slurm_hooks.state import State
from tests.lab import Lab
from tests.lab.users import SERVICE
from tests.visits import processes_of, program

HIDES = "(setsid sleep 1000 &); sleep 1001; exit 0"
pytestmark = pytest.mark.lab


def submit(lab: Lab, node: str, *programs: Program) -> Batch:
    """Write down a batch of one visit to *node* and give it to Slurm."""
    settings = load_settings(lab.settings_path)
    now = datetime.now(UTC)
    batch = Batch(
        id=new_batch_id(now),
        token=new_token(),
        cluster=settings.cluster,
        created_at=now,
        partition="background",
        shape=Shape(),
        time_limit_s=300,
        start_by=now + timedelta(minutes=5),
        throttle=1,
        programs=programs,
        visits=(Visit(task=0, node=node, checks=tuple(one.name for one in programs)),),
    )
    state = State(settings.state_dir)
    state.prepare()
    state.write_batch(batch)
    owned = (state.batches, state.archive, state.spool, state.aside, state.history)
    lab.run(["chown", "--recursive", f"{SERVICE}:{SERVICE}", *map(str, owned)])
    options = ["--array=0", "--nodes=1", f"--nodelist={node}", "--time=5", "--no-requeue"]
    where = ["--partition=background", "--output=/dev/null", f"--comment={batch.comment}"]
    script = visit_script(python=settings.node_python, settings=settings.path, batch_id=batch.id)
    lab.run_as_service(["sbatch", "--parsable", *options, *where], stdin=script)
    return batch


def records(lab: Lab, batch: Batch) -> dict[str, Record]:
    paths = State(lab.state_dir).spool.glob(f"{batch.id}.*.json")
    return {record.check: record for record in (loads(path.read_bytes()) for path in paths)}


def wait_for_the_end(lab: Lab, batch: Batch) -> Record:
    """Return once both Epilogs have run; the last record."""
    word = State(lab.state_dir).controller / f"{batch.id}.0.0.json"
    lab.wait_for(word.exists, 30, "EpilogSlurmctld's word")
    found = records(lab, batch)
    job_id = load_word(word.read_bytes()).job_id
    lab.wait_for(lambda: job_id in journal(lab), 30, "the node Epilog's line")
    return list(found.values())[-1]


def journal(lab: Lab) -> dict[int, dict[str, object]]:
    path = lab.local_dir / JOURNAL
    lines = path.read_text().splitlines() if path.exists() else []
    return {line["job_id"]: line for line in map(json.loads, lines)}


def test_a_visit_runs_on_its_node_and_leaves_it_clean(lab: Lab) -> None:
    node = lab.nodes[0]
    shown = 'test -O "$CLUSTER_DOCTOR_SCRATCH" && pwd; exit 195'
    batch = submit(lab, node, program("where", shown), program("bad", "exit 194"))
    job_id = wait_for_the_end(lab, batch).job_id
    found = records(lab, batch)
    assert found["where"].detail == f"{lab.local_dir}/visits/{job_id}.{node}/where"
    assert (found["bad"].outcome, found["bad"].node) == (Outcome.FAIL, node)
    assert list((lab.local_dir / "visits").iterdir()) == []
    assert (journal(lab)[job_id]["killed_count"], journal(lab)[job_id]["problem"]) == (0, "")
    lab.wait_until_idle()


def test_a_users_job_gets_the_node_at_once_and_every_check_has_its_record(lab: Lab) -> None:
    node = lab.nodes[1]
    polite = "trap 'exit 0' TERM; setsid sleep 1000 & while :; do sleep 0.1; done"
    batch = submit(
        lab, node, program("quick", "exit 0"), program("slow", polite), program("next", "exit 0")
    )
    lab.wait_for(lambda: "quick" in records(lab, batch), 30, "the visit to be in its second check")
    users = lab.occupy(node)
    wait_for_the_end(lab, batch)
    found = records(lab, batch)
    assert found["quick"].outcome is Outcome.PASS
    assert (found["slow"].outcome, found["next"].outcome) == (None, None)
    assert found["slow"].started_at is not None
    assert found["next"].started_at is None
    lab.release(users)


def test_what_a_killed_runner_leaves_behind_ends_with_the_job(lab: Lab) -> None:
    batch = submit(lab, lab.nodes[0], program("a", "exit 0"), program("b", HIDES))
    marker = f"CLUSTER_DOCTOR_BATCH={batch.id}"
    lab.wait_for(lambda: len(processes_of(marker)) == 3, 30, "the check and its hidden child")
    runner = procfs.read_process(min(processes_of(marker)))
    assert runner is not None
    os.kill(runner.parent, signal.SIGKILL)
    wait_for_the_end(lab, batch)
    assert processes_of(marker) == []
    assert list(records(lab, batch)) == ["a"]
    lab.wait_until_idle()
