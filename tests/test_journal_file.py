"""The journal on disk: whatever dies or is full, what was said to be written is there."""

import os
import signal
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from slurm_hooks import journal_file
from slurm_hooks.errors import StateError
from slurm_hooks.journal import Book, Event, Line, What, fold
from slurm_hooks.journal_file import KEPT, JournalFile
from slurm_hooks.journal_lines import dump
from tests.decisions import DAY, HOUR, NOW
from tests.disks import full, read_only, tmpfs
from tests.test_journal import ENTRY

DONE = Event(entry="e0", what=What.DONE, at=NOW)
UNDONE = Event(entry="e0", what=What.UNDONE, at=NOW)
NEXT_MONTH = NOW + 10 * DAY
root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk")


def written(directory: Path, *lines: Line, now: datetime = NOW) -> JournalFile:
    journal = JournalFile(directory)
    journal.append(lines, now=now)
    return journal


def test_where_nothing_was_written_there_is_an_empty_book(tmp_path: Path) -> None:
    assert JournalFile(tmp_path).read() == Book()
    assert JournalFile(tmp_path / "none").read() == Book()
    written(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_was_appended_is_read(tmp_path: Path) -> None:
    written(tmp_path, ENTRY)
    assert written(tmp_path, DONE).read() == fold([ENTRY, DONE])
    assert [path.name for path in JournalFile(tmp_path).months()] == ["2026-11.jsonl"]


def test_others_may_read_it_whatever_the_umask_was(tmp_path: Path) -> None:
    before = os.umask(0o777)
    try:
        written(tmp_path, ENTRY)
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "2026-11.jsonl").stat().st_mode) == 0o640


@pytest.mark.parametrize("block", [7, 64 * 1024])
@pytest.mark.parametrize("torn", [b"x", b"\0" * 100, dump([DONE])[:-1], b"y" * 200_000])
def test_a_torn_tail_is_ignored_and_taken_away(
    tmp_path: Path, torn: bytes, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal_file, "_BLOCK", block)
    journal = written(tmp_path, ENTRY)
    path = tmp_path / "2026-11.jsonl"
    with path.open("ab") as file:
        file.write(torn)
    assert journal.read() == fold([ENTRY])
    journal.append([DONE], now=NOW)
    assert path.read_bytes() == dump([ENTRY, DONE])


def test_a_file_that_is_torn_from_its_start_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "2026-11.jsonl").write_bytes(dump([ENTRY])[:30])
    assert written(tmp_path, ENTRY).read() == fold([ENTRY])


@pytest.mark.parametrize("damage", [b"nonsense\n", b"\0\0\n", dump([DONE])[5:]])
def test_a_line_that_is_damaged_in_the_middle_refuses_the_whole(
    tmp_path: Path, damage: bytes
) -> None:
    path = tmp_path / "2026-11.jsonl"
    path.write_bytes(dump([ENTRY]) + damage + dump([DONE]))
    with pytest.raises(StateError, match=r"2026-11\.jsonl.*line 2"):
        JournalFile(tmp_path).read()
    with pytest.raises(StateError, match="line 2"):
        written(tmp_path, ENTRY, now=NEXT_MONTH)
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_a_directory_that_cannot_be_listed_is_no_empty_journal(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StateError, match="cannot list"):
        JournalFile(tmp_path / "file").read()


@pytest.mark.parametrize("kind", ["fifo", "link", "directory"])
def test_what_is_no_plain_file_is_neither_read_nor_written_nor_waited_for(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "2026-11.jsonl"
    target = tmp_path / "target"
    target.touch()
    make = {"fifo": os.mkfifo, "link": lambda at: at.symlink_to(target), "directory": Path.mkdir}
    make[kind](path)
    with pytest.raises(StateError):
        JournalFile(tmp_path).read()
    with pytest.raises(StateError):
        written(tmp_path, ENTRY)
    assert target.read_bytes() == b""


def test_a_journal_that_is_too_large_is_refused_not_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = written(tmp_path, ENTRY, DONE)
    monkeypatch.setattr(journal_file, "_MAX_BYTES", len(dump([ENTRY])))
    with pytest.raises(StateError, match="larger than"):
        journal.read()


def test_a_new_month_begins_with_what_is_open_and_recent(tmp_path: Path) -> None:
    journal = written(tmp_path, ENTRY, DONE, UNDONE)
    other = replace(ENTRY, id="e1")
    journal.append([other], now=NEXT_MONTH)
    assert [path.name for path in journal.months()] == ["2026-11.jsonl", "2026-12.jsonl"]
    assert journal.read() == fold([ENTRY, DONE, UNDONE, other])
    much_later = NOW + KEPT + 31 * DAY
    journal.append([DONE], now=much_later)
    assert journal.read() == fold([other]), "it is open"


def test_months_are_utc(tmp_path: Path) -> None:
    zone = datetime.fromisoformat("2026-12-01T01:00:00+02:00")
    assert written(tmp_path, ENTRY, now=zone).months()[-1].name == "2026-11.jsonl"


def test_a_clock_that_is_set_back_hides_nothing(tmp_path: Path) -> None:
    journal = written(tmp_path, ENTRY, now=NEXT_MONTH)
    journal.append([DONE], now=NOW)
    assert journal.read() == fold([ENTRY, DONE])
    assert len(journal.months()) == 1


def test_files_of_other_names_are_none_of_the_journal(tmp_path: Path) -> None:
    for name in (".2026-12.jsonl.0.tmp", "2026-12.jsonl~", "seen", "2026-12.json"):
        (tmp_path / name).write_text("nonsense\n")
    assert JournalFile(tmp_path).read() == Book()


@root
@pytest.mark.parametrize("broken", [full, read_only])
def test_a_disk_that_takes_nothing_is_told_and_nothing_is_there_until_it_is_repaired(
    tmp_path: Path, broken: object
) -> None:
    with broken(tmp_path / "disk") as repair:  # type: ignore[operator]  # one of two makers
        journal = JournalFile(tmp_path / "disk")
        with pytest.raises(StateError, match="cannot write"):
            journal.append([ENTRY], now=NOW)
        assert journal.read() == Book()
        repair()
        journal.append([ENTRY], now=NOW)
        assert journal.read() == fold([ENTRY])


@root
def test_a_disk_that_fills_up_within_the_lines_keeps_those_before_and_no_torn_one(
    tmp_path: Path,
) -> None:
    many = [Event(entry="e0", what=What.ALLOWED, at=NOW + n * HOUR) for n in range(2000)]
    with tmpfs(tmp_path / "disk") as disk:
        journal = written(disk, ENTRY)
        with pytest.raises(StateError, match="No space left"):
            journal.append(many, now=NOW)
        before = journal.read()
        assert before.items["e0"].events == tuple(many[: len(before.items["e0"].events)])
        (disk / "2026-11.jsonl").rename(disk / "2026-10.jsonl")
        with pytest.raises(StateError, match="No space left"):
            journal.append([DONE], now=NOW)
        assert journal.read() == before, "a new month that could not be begun hides none"


def test_killed_anywhere_it_keeps_all_that_it_said_was_written(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        journal, number = JournalFile(tmp_path), 0
        while True:
            number += 1
            now = datetime(2026, 11, 1, tzinfo=UTC) + number * timedelta(hours=9)
            journal.append([ENTRY, Event(entry="e0", what=What.ALLOWED, at=now)], now=now)
            os.write(writer, b".")
    os.close(writer)
    said = 0
    while said < 150:
        said += len(os.read(reader, 1))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    while rest := os.read(reader, 1000):
        said += len(rest)
    os.close(reader)
    journal = JournalFile(tmp_path)
    assert said <= len(journal.read().items["e0"].events) <= said + 1
    journal.append([DONE], now=datetime(2027, 6, 1, tzinfo=UTC))
    assert journal.read().items["e0"].events[-1] == DONE
