"""The state directory keeps what it was given."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from slurm_hooks.errors import StateError
from slurm_hooks.files import locked, read_regular, write_durably
from slurm_hooks.state import State
from slurm_hooks.suspension import Suspended


def test_what_is_set_aside_twice_under_one_name_is_kept_twice(tmp_path: Path) -> None:
    state = State(tmp_path)
    state.prepare()
    for number in range(3):
        path = state.spool / "x.json"
        path.write_text(str(number))
        state.set_aside(path, f"reason {number}")
    found = {path.name: path.read_text() for path in state.aside.iterdir()}
    assert sorted(found.values()) == sorted(["0", "1", "2", *(f"reason {n}\n" for n in range(3))])


def test_a_batch_id_that_is_a_path_is_no_batch(tmp_path: Path) -> None:
    state = State(tmp_path)
    (tmp_path / "batches").mkdir()
    (tmp_path / "batch.json").write_text("{}")
    assert state.batch_directory("..") is None
    with pytest.raises(StateError, match="there is no batch"):
        state.read_batch("../..")


def test_a_suspension_that_cannot_be_read_still_suspends(tmp_path: Path) -> None:
    state = State(tmp_path)
    assert state.suspensions.all() == {}
    off = Suspended(by="alice", since=datetime(2026, 11, 21, tzinfo=UTC), reason="a new disk")
    state.suspensions.add("disk", off)
    assert (state.suspensions.directory / "disk.json").stat().st_mode & 0o777 == 0o644
    (state.suspensions.directory / "cpu.json").write_text("{")
    found = state.suspensions.all()
    assert found["disk"] == off
    assert "not a suspension" in str(found["cpu"])
    assert state.suspensions.remove("cpu")
    assert not state.suspensions.remove("cpu")
    assert not state.suspensions.remove("../disk")
    assert set(state.suspensions.all()) == {"disk"}


def test_a_missing_state_directory_says_who_must_make_it(tmp_path: Path) -> None:
    with pytest.raises(StateError, match="must exist and belong to the service account"):
        State(tmp_path / "missing").prepare()


def test_a_file_is_whole_or_not_there_and_leaves_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    assert write_durably(path, b"one")
    assert not write_durably(path, b"two", replace=False)
    assert path.read_bytes() == b"one"
    with pytest.raises(OSError, match="No such file"):
        write_durably(tmp_path / "gone" / "a.json", b"x")
    assert list(tmp_path.iterdir()) == [path]


def test_a_write_through_a_planted_link_does_not_follow_it(tmp_path: Path) -> None:
    """The target is replaced by rename; what the link pointed to is not touched."""
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (tmp_path / "a.json").symlink_to(victim)
    write_durably(tmp_path / "a.json", b"new")
    assert victim.read_text() == "precious"
    assert not (tmp_path / "a.json").is_symlink()


@pytest.mark.parametrize("kind", ["fifo", "link", "directory"])
def test_only_plain_files_are_read_and_nothing_blocks(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "x"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("/etc/hostname")
    else:
        path.mkdir()
    with pytest.raises(OSError, match=r"plain file|links|directory"):
        read_regular(path, limit=10)


def test_a_lock_is_held_once(tmp_path: Path) -> None:
    path = tmp_path / "l"
    with locked(path, blocking=False) as first, locked(path, blocking=False) as second:
        assert (first, second) == (True, False)
    with locked(path, blocking=False) as again:
        assert again
