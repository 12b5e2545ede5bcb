"""No fault of ours may drain a node: every hook exits 0, and soon, whatever is wrong."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from slurm_hooks.install import SHIMS
from tests.disks import full
from tests.hooks import EPILOG, EPILOG_SLURMCTLD, NAMES, UID, Hooks, fake_python, real_python
from tests.programs import wait_until
from tests.visits import ROOT, Node

every_hook = pytest.mark.parametrize("name", NAMES)
TEXTS = ("SLURM_JOB_COMMENT", "SLURM_JOB_NODELIST", "SLURMD_NODENAME", "SLURM_CLUSTER_NAME")
NUMBERS = ("SLURM_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURM_JOB_EXIT_CODE", "SLURM_JOB_RESTART_COUNT")
SHELLS = ("BASH_ENV", "ENV", "SHELLOPTS", "PS4", "IFS", "BASH_FUNC_trap%%", "BASH_FUNC_exit%%")
MARK = 'touch "$0.ran"\n'
BROKEN_PYTHONS = {
    "raises": "exit 1",
    "exit that looks like a drain": "exit 255",
    "killed": "kill -9 $$",
    "segfaults": "kill -SEGV $$",
    "floods": "yes | head -c 50000000; yes | head -c 50000000 >&2; yes | head -c 5000000 >&3",
    "leaves a child": "sleep 1000 3>&- & exit 1",
}
HUNG_PYTHONS = {
    "hangs": "sleep 1000; sleep 1001",
    "hangs, deaf": "trap '' TERM HUP INT; sleep 1000; sleep 1001",
    "stops timeout": "kill -STOP $PPID; sleep 1000",
    "stops timeout, deaf": "trap '' TERM; kill -STOP $PPID; sleep 1000; sleep 1001",
    "stops itself": "kill -STOP $$",
}
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGALRM)
BOUND_S = 15.0
"""13 s are promised; Slurm's PrologEpilogTimeout should be 60 s."""


def make(tmp_path: Path, python: Path) -> Hooks:
    return Hooks(node=Node(root=tmp_path).prepare(), python=python).install()


def end(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@every_hook
@pytest.mark.parametrize("fault", BROKEN_PYTHONS)
def test_a_broken_interpreter(name: str, fault: str, tmp_path: Path) -> None:
    python = fake_python(tmp_path / "bin" / "python", MARK + BROKEN_PYTHONS[fault])
    hooks = make(tmp_path, python)
    assert hooks.call(name) == 0
    wait_until(python.with_name("python.ran").exists)
    end(hooks.left())


@every_hook
def test_an_interpreter_that_is_missing_or_not_executable(name: str, tmp_path: Path) -> None:
    assert make(tmp_path, tmp_path / "nothing").call(name) == 0
    python = fake_python(tmp_path / "bin" / "python", "exit 0", mode=0o644)
    assert make(tmp_path, python).call(name) == 0


def test_a_hung_interpreter_ends_in_time_and_leaves_nothing(tmp_path: Path) -> None:
    """All at once, as they only wait; with and without the signals that slurmd may block."""
    running: dict[tuple[str, str, bool], subprocess.Popen[bytes]] = {}
    all_hooks = []
    for fault, script in HUNG_PYTHONS.items():
        (tmp_path / fault).mkdir()
        hooks = make(tmp_path / fault, fake_python(tmp_path / fault / "bin" / "python", script))
        all_hooks.append(hooks)
        for name in NAMES:
            for blocked in (False, True):
                launcher = ["env", "--block-signal"] if blocked else []
                running[fault, name, blocked] = hooks.start(name, launcher=launcher)
    started = time.monotonic()
    for case, process in running.items():
        with process:
            assert process.wait(timeout=BOUND_S) == 0, case
    assert time.monotonic() - started < BOUND_S
    wait_until(lambda: not any(hooks.left() for hooks in all_hooks), within_s=BOUND_S)


def test_signals_to_the_hook(tmp_path: Path) -> None:
    """All at once, as they only wait."""
    running: dict[tuple[str, str], subprocess.Popen[bytes]] = {}
    all_hooks = []
    for number in SIGNALS:
        for name in NAMES:
            case = tmp_path / number.name / name.replace("/", "-")
            case.mkdir(parents=True)
            python = fake_python(case / "bin" / "python", f"{MARK}sleep 1000")
            hooks = make(case, python)
            all_hooks.append(hooks)
            process = running[number.name, name] = hooks.start(name)
            wait_until(python.with_name("python.ran").exists)
            process.send_signal(number)
    for case_of, process in running.items():
        with process:
            assert process.wait(timeout=BOUND_S) == 0, case_of
    end([pid for hooks in all_hooks for pid in hooks.left()])


@every_hook
def test_a_full_disk(name: str, tmp_path: Path) -> None:
    hooks = make(tmp_path, real_python(tmp_path / "bin" / "python"))
    with full(hooks.node.local_dir), full(hooks.node.state.controller):
        assert hooks.finish(name) == 0


@every_hook
@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.mkdir()),
        lambda path: path.write_bytes(os.urandom(100_000)),
        lambda path: path.write_text("cluster = 3"),
        lambda path: path.write_text(f"cluster = {'[' * 100_000}"),
    ],
    ids=["missing", "a directory", "noise", "wrong type", "deep nesting"],
)
def test_settings_that_cannot_be_read(
    name: str, spoil: Callable[[Path], object], tmp_path: Path
) -> None:
    hooks = make(tmp_path, real_python(tmp_path / "bin" / "python"))
    spoil(hooks.node.settings_path)
    assert hooks.finish(name) == 0


@every_hook
@pytest.mark.parametrize(
    "value",
    [
        "$(touch {mark})",
        "`touch {mark}`",
        "'; touch {mark}; '",
        "a\nb\n\ttouch {mark}\n",
        "../../../../..{mark}",
        "x" * 100_000,
        b"\xff\xfe\x00"[:2] * 50,
        "-1",
        "9" * 5000,
        "",
        "() {{ :; }}; touch {mark}",
    ],
    ids=range(11),
)
def test_hostile_environment_values(name: str, value: str | bytes, tmp_path: Path) -> None:
    hooks = make(tmp_path, real_python(tmp_path / "bin" / "python"))
    mark = tmp_path / "mark"
    text = value.format(mark=mark) if isinstance(value, str) else value
    for variables in (
        TEXTS,
        NUMBERS,
        ("SLURM_JOB_UID", "SLURM_UID", *SHELLS),
    ):
        assert hooks.finish(name, dict.fromkeys(variables, text)) == 0
    assert not mark.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "bin", "hooks", "local", "logs", "settings.toml", "state"
    ]  # fmt: skip


@every_hook
@pytest.mark.parametrize(
    "changes",
    [
        {"SLURM_JOB_UID": "1001"},
        {"SLURM_JOB_UID": ""},
        {"SLURM_JOB_UID": "0", "SLURM_UID": str(UID)},
        {"SLURM_JOB_UID": f"{UID} "},
        {"SLURM_JOB_UID": f"0{UID}"},
        {"SLURM_JOB_UID": "*"},
        {"SLURM_JOB_UID": "1001", "SLURM_JOB_USER": "cluster-doctor"},
    ],
    ids=str,
)
def test_for_another_users_job_python_is_not_even_started(
    name: str, changes: dict[str, str], tmp_path: Path
) -> None:
    python = fake_python(tmp_path / "bin" / "python", MARK)
    assert make(tmp_path, python).finish(name, changes) == 0
    assert not python.with_name("python.ran").exists()


def test_older_slurm_names_the_user_otherwise_on_nodes(tmp_path: Path) -> None:
    python = fake_python(tmp_path / "bin" / "python", MARK)
    hooks = make(tmp_path, python)
    assert hooks.finish(EPILOG, {"SLURM_JOB_UID": "", "SLURM_UID": str(UID)}) == 0
    assert python.with_name("python.ran").exists()


def test_the_controllers_hook_does_nothing_on_a_node(tmp_path: Path) -> None:
    python = fake_python(tmp_path / "bin" / "python", MARK)
    hooks = make(tmp_path, python)
    assert hooks.finish(EPILOG_SLURMCTLD, {"SLURM_SCRIPT_CONTEXT": "epilog_slurmd"}) == 0
    assert not python.with_name("python.ran").exists()


@pytest.mark.parametrize("name", NAMES)
def test_a_shim_that_nobody_installed_does_nothing(name: str) -> None:
    for environment in ({}, {"SLURM_JOB_UID": ""}, {"SLURM_JOB_UID": "0"}):
        done = subprocess.run(
            [ROOT / name], env=environment, capture_output=True, timeout=10, check=False
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_shells_find_nothing_to_complain_about() -> None:
    scripts = [ROOT / shim.name for shim in SHIMS] + [ROOT / "sbatch_templates" / "visit.sh"]
    subprocess.run(["shellcheck", *scripts], check=True, timeout=60)
