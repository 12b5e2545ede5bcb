"""A user may wait for a hook's end: what can wait, waits until after it, and nothing else does."""

import os
import select
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from slurm_hooks.epilog import JOURNAL
from slurm_hooks.leftovers import JOB_VARIABLE
from slurm_hooks.scratch import visit_scratch
from tests.hooks import (
    EPILOG,
    EPILOG_SLURMCTLD,
    JOB_ID,
    NAMES,
    NODE,
    PROLOG,
    UID,
    Hooks,
    fake_python,
    real_python,
)
from tests.programs import wait_until
from tests.visits import Node

WAITS = 'touch "$0.ran"; until [ -e "$0.go" ]; do sleep 0.01; done\n'
BROKEN_TOOLS = [("find", 0), ("find", 1), ("grep", 0), ("grep", 2)]
"""What each says, silently, when it cannot look; grep's 1 would be an answer."""


@pytest.fixture
def hooks(tmp_path: Path) -> Hooks:
    return make(tmp_path, real_python(tmp_path / "bin" / "python"))


def make(tmp_path: Path, python: Path) -> Hooks:
    return Hooks(node=Node(root=tmp_path).prepare(), python=python).install()


@contextmanager
def left_over(
    environment: Mapping[str, str], *, cwd: Path = Path("/")
) -> Iterator[subprocess.Popen[bytes]]:
    """A process of the account's that goes on after its visit."""
    with subprocess.Popen(
        ["/bin/sleep", "1000"], env=dict(environment), user=UID, group=UID, cwd=cwd
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("name", [EPILOG, EPILOG_SLURMCTLD])
def test_what_only_tidies_up_goes_on_after_the_hook(name: str, tmp_path: Path) -> None:
    python = fake_python(tmp_path / "bin" / "python", WAITS)
    hooks = make(tmp_path, python)
    assert hooks.call(name) == 0
    wait_until(python.with_name("python.ran").exists)
    assert hooks.left()
    python.with_name("python.go").touch()
    wait_until(lambda: not hooks.left())


def test_slurm_kills_the_hooks_process_group_and_the_work_is_done_all_the_same(
    hooks: Hooks,
) -> None:
    """run_command.c does when a hook ended; `Hooks.call` does it here."""
    hooks.call(PROLOG)
    scratch = visit_scratch(hooks.node.local_dir, job_id=JOB_ID, node=NODE)
    assert scratch.is_dir()
    hooks.finish(EPILOG)
    hooks.finish(EPILOG_SLURMCTLD)
    assert not scratch.exists()
    assert (hooks.node.local_dir / JOURNAL).exists()
    assert len(list(hooks.node.state.controller.iterdir())) == 1


CARRIES: dict[str, Callable[[Path], tuple[dict[str, str], Path]]] = {
    "our variable": lambda _: ({JOB_VARIABLE: str(JOB_ID)}, Path("/")),
    "Slurm's": lambda _: ({"A": "b", "SLURM_JOB_ID": str(JOB_ID)}, Path("/")),
    "its directory": lambda scratch: ({}, scratch),
    "a directory in it": lambda scratch: ({}, scratch / "deep"),
}


@pytest.mark.parametrize("carries", CARRIES)
def test_no_process_of_the_visit_outlives_the_epilog(carries: str, hooks: Hooks) -> None:
    hooks.call(PROLOG)
    scratch = visit_scratch(hooks.node.local_dir, job_id=JOB_ID, node=NODE)
    deep = scratch / "deep"
    deep.mkdir()
    for path in (scratch, deep):
        os.chown(path, UID, UID)
    environment, cwd = CARRIES[carries](scratch)
    with left_over(environment, cwd=cwd) as one:
        assert hooks.call(EPILOG) == 0
        assert one.poll() == -9


def test_nor_does_one_whose_directory_is_gone(hooks: Hooks) -> None:
    hooks.call(PROLOG)
    scratch = visit_scratch(hooks.node.local_dir, job_id=JOB_ID, node=NODE)
    os.chown(scratch, UID, UID)
    with left_over({}, cwd=scratch) as one:
        scratch.rmdir()
        assert hooks.call(EPILOG) == 0
        assert one.poll() == -9


def test_other_visits_processes_do_not_keep_the_node_waiting(tmp_path: Path) -> None:
    """Several nodes may share a machine; and a job's id may begin with another's."""
    python = fake_python(tmp_path / "bin" / "python", WAITS)
    hooks = make(tmp_path, python)
    with left_over({JOB_VARIABLE: f"{JOB_ID}0"}), left_over({"X": f"SLURM_JOB_ID={JOB_ID}"}):
        assert hooks.call(EPILOG) == 0
        assert hooks.left()
    python.with_name("python.go").touch()
    wait_until(lambda: not hooks.left())


@pytest.mark.parametrize(("tool", "status"), BROKEN_TOOLS)
def test_where_the_look_fails_python_looks_before_the_node_is_free(
    tool: str, status: int, hooks: Hooks
) -> None:
    broken = fake_python(hooks.node.root / "bin" / tool, f"exit {status}")
    script = f'mount --bind {broken} /usr/bin/{tool} && exec "$0"'
    launcher = ["unshare", "--mount", "sh", "-c", script]
    with left_over({JOB_VARIABLE: str(JOB_ID)}) as one:
        assert hooks.call(EPILOG, {"PATH": "/usr/bin:/bin"}, launcher=launcher) == 0
        assert one.poll() == -9


def test_an_id_that_is_none_is_not_looked_for(tmp_path: Path) -> None:
    python = fake_python(tmp_path / "bin" / "python", 'touch "$0.ran"')
    hooks = make(tmp_path, python)
    assert hooks.call(EPILOG, {"SLURM_JOB_ID": ".*"}) == 0
    assert python.with_name("python.ran").exists()


@pytest.mark.parametrize("name", [one for one in NAMES if one != EPILOG_SLURMCTLD])
def test_output_stays_open_until_the_hook_ends(name: str, tmp_path: Path) -> None:
    """Otherwise Slurm looks for the end after 10, 30, 70, 150, 310 ms (run_command.c)."""
    python = fake_python(tmp_path / "bin" / "python", WAITS)
    hooks = make(tmp_path, python)
    with left_over({JOB_VARIABLE: str(JOB_ID)}), hooks.start(name) as process:
        wait_until(python.with_name("python.ran").exists)
        assert process.stdout is not None
        assert select.select([process.stdout], [], [], 0) == ([], [], [])
        python.with_name("python.go").touch()
        assert process.wait(timeout=10) == 0
        assert process.stdout.read() == b""
