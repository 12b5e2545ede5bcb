"""On a real cluster: neither a user nor a compromised service account moves SlurmUser's hand."""

import contextlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from slurm_hooks.batch import Batch, ControllerWord
from slurm_hooks.journal_file import JournalFile
from slurm_hooks.reaction import Reacting
from slurm_hooks.record import dumps
from slurm_hooks.state import State
from tests.forgeries import FORGERIES, Forger, record_of
from tests.lab import Lab
from tests.lab.users import ORDINARY, SERVICE, SLURM, account
from tests.reactions import DRAIN, clinic
from tests.site import (
    DRAINS,
    doctor,
    drained,
    history,
    make_room,
    sweep_and_wait,
    wait_until_running,
)

pytestmark = pytest.mark.lab

USER = ORDINARY[0]


@contextlib.contextmanager
def acting_as(user: str) -> Iterator[None]:
    """Let this process touch files as *user* does, without any of root's rights."""
    who, groups = account(user), os.getgroups()
    os.setgroups(os.getgrouplist(user, who.gid))
    os.setegid(who.gid)
    os.seteuid(who.uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)
        os.setgroups(groups)


def everything_of_ours(lab: Lab) -> list[Path]:
    roots = (lab.state_dir, lab.definitions, lab.opt / "prolog", lab.opt / "epilog", lab.log_dir)
    inside = [path for root in roots for path in root.rglob("*")]
    return [lab.settings_path, lab.settings_path.parent, *roots, *inside]


def after_a_fail(lab: Lab) -> None:
    """Have all that ever lies in the state directory lie there: plans, words, books."""
    lab.add_check("quick", failure_reactions=DRAINS)
    lab.fault("n003", "quick", "fail")
    sweep_and_wait(lab)
    lab.wait_for(lambda: drained(lab) == ["n003"], 20, "n003 to be drained")


def test_no_user_can_put_change_or_take_anything_where_we_read(ward: Lab) -> None:
    after_a_fail(ward)
    paths = everything_of_ours(ward)
    assert len(paths) > 30
    open_ = [
        path for path in paths if path.lstat().st_mode & stat.S_IWOTH and not path.is_symlink()
    ]
    assert open_ == []
    with acting_as(USER):
        done = [f"{what} in {path}" for path in paths for what in changes(path, ward.settings_path)]
    assert done == []


def changes(path: Path, known: Path) -> Iterator[str]:
    """Try all that would change *path* or what is in it; yields what could be done."""
    mine = path / "mine"
    tries: dict[str, Callable[[], object]] = {
        "write": lambda: path.open("ab").close(),
        "unlink": path.unlink,
        "rename": lambda: path.rename(path.with_name("moved")),
        "chmod": lambda: path.chmod(0o777),
        "file": mine.touch,
        "directory": mine.mkdir,
        "link": lambda: mine.symlink_to("/etc/shadow"),
        "hard link": lambda: mine.hardlink_to(known),
        "fifo": lambda: os.mkfifo(mine),
    }
    for what, attempt in tries.items():
        with contextlib.suppress(OSError):
            attempt()
            yield what


def test_no_user_can_read_what_would_let_him_speak_for_a_visit(ward: Lab) -> None:
    after_a_fail(ward)
    secret = ("batches", "archive", "spool", "controller", "reactions", "notices")
    plans = [path for path in everything_of_ours(ward) if path.name == "batch.json"]
    assert plans
    paths = [*plans, *(ward.state_dir / name for name in secret)]
    with acting_as(USER):
        readable = [path for path in paths if os.access(path, os.R_OK, effective_ids=True)]
    assert readable == []


def test_jobs_that_pretend_to_be_visits_cause_nothing(ward: Lab) -> None:
    after_a_fail(ward)
    batch = next(path.parent.name for path in ward.state_dir.glob("*/*/batch.json"))
    name = f"cluster-doctor:{batch}"
    before, jobs = _told(ward), []
    for more in (["--array=0-7"], ["-w", "n001"], ["--array=0", "-w", "n002"]):
        argv = ["sbatch", "-p", "background", "-J", name, "--comment", name, "-o", "/dev/null",
                *more, "--parsable", "--wrap", "exit 194"]  # fmt: skip
        jobs.append(int(ward.run(argv, user=USER).stdout))
    ward.wait_for(lambda: not ward.run(["squeue", "-h"]).stdout.strip(), 60, "the jobs to end")
    ward.run(["cluster-doctor", "react"])
    assert _told(ward) == before
    words = [word for _, word in State(ward.state_dir).words()]
    assert all(isinstance(word, ControllerWord) and word.job_id < min(jobs) for word in words)
    assert drained(ward) == ["n003"]


def test_a_user_cannot_make_or_take_what_reactions_make(ward: Lab) -> None:
    after_a_fail(ward)
    commands = (
        ["create", "reservation", "ReservationName=cluster-doctor-n001", "Nodes=n001",
         f"Users={USER}", "StartTime=now", "Duration=10"],
        ["update", "NodeName=n001", "State=DRAIN", "Reason=doctor: quick"],
        ["update", "NodeName=n003", "State=UNDRAIN"],
        ["update", "NodeName=n001", "Comment=[cd:00000000]"],
    )  # fmt: skip
    for command in commands:
        assert ward.run(["scontrol", *command], user=USER, check=False).returncode != 0
    assert doctor_as(ward, USER, "react") == 1
    assert drained(ward) == ["n003"]


def doctor_as(lab: Lab, user: str, *arguments: str) -> int:
    return lab.run(["cluster-doctor", *arguments], user=user, check=False).returncode


def test_a_reservation_named_like_ours_is_not_taken_for_ours(ward: Lab) -> None:
    mine = ["ReservationName=cluster-doctor-n003", "Nodes=n004", "Users=root", "StartTime=now"]
    ward.run(["scontrol", "create", "reservation", *mine, "Duration=60"])
    try:
        ward.add_check("quick", failure_reactions={"reserve": {}})
        ward.fault("n003", "quick", "fail")
        make_room(ward, on="n003")
        sweep_and_wait(ward)
        ward.wait_for(lambda: len(reservations(ward)) == 2, 20, "our own reservation")
        (ours,) = set(reservations(ward)) - {"cluster-doctor-n003"}
        assert ours.startswith("cluster-doctor-n003-")
    finally:
        for name in reservations(ward):
            ward.run(["scontrol", "delete", f"ReservationName={name}"], check=False)


def reservations(lab: Lab) -> list[str]:
    shown = lab.run(["scontrol", "show", "reservations", "-o"]).stdout
    return [word.partition("=")[2] for word in shown.split() if word.startswith("ReservationName=")]


def test_a_compromised_service_account_forges_its_evidence_and_no_more(
    ward: Lab, tmp_path: Path
) -> None:
    """All forgeries at once, as that account, and SlurmUser's pass goes by them to what is true."""
    (tmp_path / "clinic").mkdir()
    plan = clinic(tmp_path / "clinic").batch(["n001"], Reacting(on_fail=(DRAIN,)), check="quick")
    plan = replace(plan, created_at=datetime.now(UTC))
    true = replace(plan, id="20260102T000000Z-00000000",
                   visits=(replace(plan.visits[0], node="n003"),))  # fmt: skip
    doctor(ward, "sweep")
    with acting_as(SERVICE):
        for number, name in enumerate(FORGERIES):
            outside = ward.layout.home(SERVICE) / name
            outside.mkdir()
            forged = replace(plan, id=f"20260102T000001Z-{number:08x}")
            getattr(Forger(ward.state_dir, forged, outside), name)()
        _tell(ward, true)
    began = time.monotonic()
    said = ward.run(["cluster-doctor", "react"]).stdout
    assert time.monotonic() - began < 20
    assert drained(ward) == ["n003"], said
    assert ward.run(["cluster-doctor", "react"]).stdout == ""
    books = {path.name for path in State(ward.state_dir).considered.iterdir()}
    assert "20260102T000000Z-00000000" in books
    assert all(name.startswith("2026") and len(name) == 25 for name in books)


def _tell(lab: Lab, batch: Batch) -> None:
    state = State(lab.state_dir)
    state.write_batch(batch)
    record = record_of(batch)
    (state.spool / record.file_name).write_bytes(dumps(record))


def test_slurmusers_directories_cannot_be_put_elsewhere(ward: Lab) -> None:
    """The service account owns the directory they are in, and could swap them for links."""
    target = ward.layout.controller / "elsewhere"  # where slurmctld keeps its state
    target.mkdir()
    os.chown(target, account(SLURM).uid, account(SLURM).gid)
    ward.add_check("quick", command=["sleep", "4"], failure_reactions=DRAINS)
    doctor(ward, "sweep")
    wait_until_running(ward, len(ward.nodes))
    with acting_as(SERVICE):
        for name in ("controller", "reactions"):
            (ward.state_dir / name).rename(ward.state_dir / f"{name}.real")
            (ward.state_dir / name).symlink_to(target)
    try:
        ward.wait_for(lambda: not ward.run(["squeue", "-h"]).stdout.strip(), 60, "the visits' end")
        done = ward.run(["cluster-doctor", "react"], check=False)
        assert done.returncode == 1
        assert "reactions: cannot open the directory" in done.stderr
        assert doctor(ward, "sweep", check=False).returncode == 1
        assert [*target.iterdir()] == []
    finally:
        for name in ("controller", "reactions"):
            (ward.state_dir / name).unlink()
            (ward.state_dir / f"{name}.real").rename(ward.state_dir / name)
        target.rmdir()
    sweep_and_wait(ward)
    assert {row.outcome for row in history(ward)} == {"pass"}


@pytest.mark.parametrize("name", ["spool", "batches", "etc"])
def test_what_became_writable_for_all_stops_everything_with_the_remedy(
    ward: Lab, name: str
) -> None:
    doctor(ward, "sweep")
    path = ward.settings_path.parent if name == "etc" else ward.state_dir / name
    before = stat.S_IMODE(path.stat().st_mode)
    path.chmod(0o777)
    try:
        for done in (doctor(ward, "sweep", check=False),
                     ward.run(["cluster-doctor", "react"], check=False)):  # fmt: skip
            assert done.returncode == 1
            assert f"{path}: anybody may write there (mode 0777); run: chmod o-w" in done.stderr
    finally:
        path.chmod(before)
    doctor(ward, "sweep")


def _told(lab: Lab) -> tuple[int, list[tuple[str, str]]]:
    """All that is believed: the journal and the history."""
    lines = len(JournalFile(State(lab.state_dir).reactions).read().items)
    return lines, sorted((row.node, row.outcome) for row in history(lab))
