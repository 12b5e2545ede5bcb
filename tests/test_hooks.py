"""What the hooks do for a job of ours."""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from slurm_hooks.batch import ControllerWord, load_word
from slurm_hooks.epilog import JOURNAL
from slurm_hooks.leftovers import JOB_VARIABLE
from slurm_hooks.scratch import remove_tree, visit_scratch
from tests.disks import tmpfs
from tests.hooks import (
    ENVIRONMENT,
    EPILOG,
    EPILOG_SLURMCTLD,
    JOB_ID,
    NODE,
    PROLOG,
    UID,
    Hooks,
    real_python,
)
from tests.visits import BATCH_ID, Node


@pytest.fixture
def hooks(tmp_path: Path) -> Hooks:
    python = real_python(tmp_path / "bin" / "python")
    return Hooks(node=Node(root=tmp_path).prepare(), python=python).install()


@contextmanager
def process(
    environment: dict[str, str], *, uid: int = UID, cwd: Path = Path("/")
) -> Iterator[subprocess.Popen[bytes]]:
    """A process of user *uid* that would go on for long."""
    with subprocess.Popen(
        ["/bin/sleep", "1000"], env=environment, user=uid, group=uid, extra_groups=[], cwd=cwd
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def journal(hooks: Hooks) -> list[dict[str, object]]:
    text = (hooks.node.local_dir / JOURNAL).read_text()
    return [json.loads(line) for line in text.splitlines()]


def test_the_prolog_makes_a_private_directory_for_the_visit(hooks: Hooks) -> None:
    assert hooks.call(PROLOG) == 0
    found = visit_scratch(hooks.node.local_dir, job_id=JOB_ID, node=NODE).stat()
    assert (found.st_uid, found.st_mode & 0o777) == (UID, 0o700)
    spool = (hooks.node.local_dir / "spool").stat()
    assert (spool.st_uid, spool.st_mode & 0o777) == (UID, 0o700)
    parent = (hooks.node.local_dir / "visits").stat()
    assert (parent.st_uid, parent.st_mode & 0o777) == (0, 0o755)


def test_the_prolog_starts_over_where_an_older_job_left_something(hooks: Hooks) -> None:
    scratch = visit_scratch(hooks.node.local_dir, job_id=JOB_ID, node=NODE)
    scratch.mkdir(parents=True)
    (scratch / "old").write_text("of a node that crashed")
    assert hooks.call(PROLOG) == 0
    assert scratch.stat().st_uid == UID
    assert list(scratch.iterdir()) == []


def test_the_epilog_kills_the_visits_processes_and_nobody_elses(hooks: Hooks) -> None:
    hooks.call(PROLOG)
    scratch = visit_scratch(hooks.node.local_dir, job_id=JOB_ID, node=NODE)
    ours = {JOB_VARIABLE: str(JOB_ID), "SLURMD_NODENAME": "n1"}
    slurms = {"SLURM_JOB_ID": str(JOB_ID), "SLURMD_NODENAME": "n1", "SLURM_CLUSTER_NAME": "test"}
    others = {
        "another user's, carrying our job": ({**ours}, UID + 1),
        "another visit's": ({JOB_VARIABLE: "17", "SLURM_JOB_ID": "17"}, UID),
        "a job id that starts like ours": ({JOB_VARIABLE: f"{JOB_ID}0"}, UID),
        "another node's on this machine": ({**ours, "SLURMD_NODENAME": "n2"}, UID),
        "another cluster's on this machine": ({**slurms, "SLURM_CLUSTER_NAME": "other"}, UID),
        "no job's": ({}, UID),
    }
    with ExitStack() as stack:
        spared = {
            why: stack.enter_context(process(environment, uid=uid))
            for why, (environment, uid) in others.items()
        }
        doomed = [
            stack.enter_context(process(ours)),
            stack.enter_context(process(slurms)),
            stack.enter_context(process({}, cwd=scratch)),
        ]
        assert hooks.call(EPILOG) == 0
        assert [one.poll() for one in doomed] == [-9, -9, -9]
        assert {why: one.poll() for why, one in spared.items()} == dict.fromkeys(others)
    assert not scratch.exists()
    (line,) = journal(hooks)
    assert (line["job_id"], line["node"], line["exit_status"]) == (JOB_ID, "n1", 256)
    assert (line["killed_count"], line["survived_count"], line["problem"]) == (3, 0, "")


def test_the_epilog_removes_links_and_not_what_they_point_to(hooks: Hooks) -> None:
    hooks.call(PROLOG)
    precious = hooks.node.root / "precious"
    precious.mkdir()
    (precious / "file").write_text("keep")
    scratch = visit_scratch(hooks.node.local_dir, job_id=JOB_ID, node=NODE)
    (scratch / "link").symlink_to(precious)
    (scratch / "closed").mkdir(mode=0)
    assert hooks.finish(EPILOG) == 0
    assert not scratch.exists()
    assert (precious / "file").read_text() == "keep"


def test_nothing_that_is_mounted_in_the_scratch_directory_is_deleted(tmp_path: Path) -> None:
    scratch = tmp_path / "with space"
    (scratch / "mounted").mkdir(parents=True)
    with tmpfs(scratch / "mounted"):
        (scratch / "mounted" / "file").write_text("others need it")
        assert "is a mount" in remove_tree(scratch)
        assert (scratch / "mounted" / "file").exists()
    assert remove_tree(scratch) == ""


def test_the_epilog_removes_what_a_crash_left_a_day_ago(hooks: Hooks) -> None:
    old, new = (visit_scratch(hooks.node.local_dir, job_id=number, node=NODE) for number in (1, 2))
    for path in (old, new):
        path.mkdir(parents=True)
    os.utime(old, (0, time.time() - 100_000))
    assert hooks.finish(EPILOG) == 0
    assert (old.exists(), new.exists()) == (False, True)


def test_the_journal_does_not_grow_for_ever(hooks: Hooks) -> None:
    path = hooks.node.local_dir / JOURNAL
    path.write_bytes(b"{}\n" * 400_000)
    assert hooks.finish(EPILOG) == 0
    assert len(journal(hooks)) == 1
    assert path.with_name(f"{JOURNAL}.1").stat().st_size == 1_200_000


def words(hooks: Hooks) -> list[ControllerWord]:
    paths = sorted(hooks.node.state.controller.iterdir())
    return [load_word(path.read_bytes()) for path in paths]


def test_the_controllers_word_is_written_once_however_often_slurm_says_it(hooks: Hooks) -> None:
    for _ in range(2):
        assert hooks.finish(EPILOG_SLURMCTLD) == 0
    (word,) = words(hooks)
    assert (word.batch, word.task, word.attempt, word.job_id) == (BATCH_ID, 3, 0, JOB_ID)
    assert (word.node, word.exit_status) == ("n1", 256)


@pytest.mark.parametrize(
    "changes",
    [
        {"SLURM_JOB_UID": "1001"},
        {"SLURM_JOB_COMMENT": ""},
        {"SLURM_JOB_COMMENT": "cluster-doctor:../../etc"},
        {"SLURM_JOB_COMMENT": BATCH_ID},
        {"SLURM_ARRAY_TASK_ID": ""},
        {"SLURM_ARRAY_TASK_ID": "../3"},
    ],
    ids=str,
)
def test_a_job_that_only_looks_like_ours_gets_no_word(
    hooks: Hooks, changes: dict[str, str]
) -> None:
    assert hooks.finish(EPILOG_SLURMCTLD, changes) == 0
    assert words(hooks) == []


def test_even_without_its_shim_a_hook_believes_only_the_uid(hooks: Hooks) -> None:
    module = ["-I", "-m", "slurm_hooks.epilog_slurmctld"]
    options = ["--settings", str(hooks.node.settings_path), "--uid", str(UID)]
    for user, count in (("1001", 0), ("", 0), (str(UID), 1)):
        environment = {**ENVIRONMENT, "SLURM_JOB_UID": user}
        subprocess.run([hooks.python, *module, *options], env=environment, check=True, timeout=30)
        assert len(words(hooks)) == count


def test_prolog_visit_and_epilog_together_leave_a_clean_node(hooks: Hooks) -> None:
    hooks.call(PROLOG)
    scratch = visit_scratch(hooks.node.local_dir, job_id=JOB_ID, node=NODE)
    (scratch / "big").write_bytes(bytes(1_000_000))
    with process({JOB_VARIABLE: str(JOB_ID)}) as left:
        hooks.call(EPILOG)
        assert left.poll() == -9
    assert [path.name for path in (hooks.node.local_dir / "visits").iterdir()] == []
