"""Two sweeps never overlap, and a sweep that died keeps nobody waiting."""

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm_hooks.errors import StateError
from slurm_hooks.lease import Note, Process, Turn, is_alive, this_process, turn, why_not
from tests.visits import ROOT

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
STALE = timedelta(minutes=15)
ME = Process(host="login1", boot="b1", pid=100, started=5)
ELSEWHERE = Process(host="login2", boot="b2", pid=200, started=5)
SLEEPER = """
import sys, time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from slurm_hooks.lease import turn
with turn(Path(sys.argv[1]), clock=lambda: datetime.now(UTC), stale_after=timedelta(0)) as ours:
    print(ours.taken_by or "mine", flush=True)
    time.sleep(60)
"""


class Site:
    """One directory, used by hosts that do not see each other's locks."""

    def __init__(self, root: Path) -> None:
        self.directory = root / "sweep"
        self.root = root
        self.now = NOW

    def turn(self, me: Process | None = None) -> AbstractContextManager[Turn]:
        lock = self.root / f"lock-of-{me.host}" if me else None
        return turn(self.directory, clock=lambda: self.now, stale_after=STALE, me=me, lock=lock)

    def leave_behind(self, owner: Process, *, ago: timedelta = timedelta(0)) -> None:
        """As a sweep does that dies: a note, not released, and no lock."""
        context = self.turn(owner)
        self.now -= ago
        made = context.__enter__()
        assert made.taken_by == ""
        self.now += ago
        made._note = None  # it writes nothing more
        context.__exit__(None, None, None)

    def numbers(self) -> list[str]:
        return sorted(path.name for path in self.directory.glob("*.json"))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_one_has_the_turn_and_the_other_is_told_who(site: Site) -> None:
    with site.turn() as first, site.turn() as second:
        assert first.taken_by == ""
        me = this_process()
        assert second.taken_by == f"process {me.pid} on {me.host}, begun 0s ago"
    with site.turn() as again:
        assert again.taken_by == ""


def test_a_turn_that_was_given_back_is_free_on_every_host(site: Site) -> None:
    for me in (ME, ELSEWHERE, ME):
        with site.turn(me) as ours:
            assert ours.taken_by == ""
    assert len(site.numbers()) == 1


def test_hosts_that_do_not_see_each_others_locks_take_turns(site: Site) -> None:
    with site.turn(ELSEWHERE) as theirs:
        assert theirs.taken_by == ""
        site.now += timedelta(minutes=2)
        with site.turn(ME) as ours:
            assert ours.taken_by == "process 200 on login2, begun 2m ago"


@pytest.mark.parametrize(
    ("ago", "taken"),
    [(STALE - timedelta(seconds=1), True), (STALE, False), (-STALE, False), (-STALE / 2, True)],
)
def test_a_dead_host_keeps_its_turn_until_the_note_is_stale(
    site: Site, ago: timedelta, *, taken: bool
) -> None:
    """A note from far in the future is of a clock that was wrong, and no reason to wait for it."""
    site.leave_behind(ELSEWHERE, ago=ago)
    with site.turn(ME) as ours:
        assert bool(ours.taken_by) == taken


def test_after_a_reboot_nobody_waits(site: Site) -> None:
    site.leave_behind(ME)
    with site.turn(replace(ME, boot="b9")) as ours:
        assert ours.taken_by == ""


def test_a_process_id_that_is_used_again_is_another_process() -> None:
    me = this_process()
    assert is_alive(me)
    assert not is_alive(replace(me, started=me.started + 1))


def test_an_owner_alive_under_this_kernel_is_never_robbed_without_locks_either(site: Site) -> None:
    """Lustre without flock: the process id and its start time say whether the owner lives."""
    me = this_process()
    site.leave_behind(me, ago=timedelta(days=3))
    with site.turn(replace(me, pid=me.pid + 1)) as ours:
        assert f"process {me.pid}" in ours.taken_by


def test_a_dead_owner_under_this_kernel_keeps_nobody_waiting(site: Site) -> None:
    me = this_process()
    site.leave_behind(replace(me, started=me.started + 1))
    with site.turn(me) as ours:
        assert ours.taken_by == ""


def test_of_many_hosts_that_find_the_same_stale_note_one_wins(site: Site) -> None:
    hosts = [Process(host=f"h{n}", boot=f"boot{n}", pid=n, started=n) for n in range(8)]
    together = Barrier(len(hosts))

    def claim(me: Process) -> bool:
        together.wait(timeout=30)
        with site.turn(me) as ours:
            together.wait(timeout=30)
            return not ours.taken_by

    for _ in range(20):
        site.leave_behind(ELSEWHERE, ago=STALE)
        with ThreadPoolExecutor(len(hosts)) as threads:
            assert sum(threads.map(claim, hosts)) == 1


def test_a_killed_owner_leaves_the_turn_at_once(tmp_path: Path) -> None:
    directory = tmp_path / "sweep"
    argv = [sys.executable, "-c", SLEEPER, str(directory)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=ROOT) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "mine\n"
        with turn(directory, clock=lambda: NOW, stale_after=timedelta(0)) as ours:
            assert f"process {holder.pid} on" in ours.taken_by
        os.kill(holder.pid, signal.SIGSTOP)  # it hangs: nobody may take over even so
        with turn(directory, clock=lambda: NOW, stale_after=timedelta(0)) as ours:
            assert f"process {holder.pid} on" in ours.taken_by
        holder.kill()
        holder.wait(timeout=10)
    with turn(directory, clock=lambda: NOW, stale_after=STALE) as ours:
        assert ours.taken_by == ""


@pytest.mark.parametrize("text", ["", "{", '{"version": 2}'])
def test_a_note_that_cannot_be_read_stops_nobody(site: Site, text: str) -> None:
    site.directory.mkdir()
    (site.directory / "00000007.json").write_text(text)
    with site.turn(ME) as ours:
        assert ours.taken_by == ""
        assert site.numbers() == ["00000008.json"]


def test_the_note_names_its_owner(site: Site) -> None:
    with site.turn(ME):
        note = json.loads((site.directory / site.numbers()[0]).read_text())
    assert note["owner"] == {"host": "login1", "boot": "b1", "pid": 100, "started": 5}


def test_a_missing_state_directory_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(StateError, match="must exist and belong to the service account"),
        turn(tmp_path / "gone" / "sweep", clock=lambda: NOW, stale_after=STALE),
    ):
        pass


NOTES = st.builds(
    Note,
    owner=st.sampled_from([ME, ELSEWHERE, replace(ME, boot="b0")]),
    since=st.just(NOW),
    written_at=st.timedeltas(-3 * STALE, 3 * STALE).map(lambda ago: NOW + ago),
    released=st.booleans(),
)


@given(note=NOTES, locked=st.booleans(), now=st.timedeltas(-3 * STALE, 3 * STALE))
def test_whatever_the_clocks_say_a_living_owner_here_is_not_robbed(
    note: Note, now: timedelta, *, locked: bool
) -> None:
    asked = replace(note, owner=ME, released=False)
    when = NOW + now
    assert why_not(asked, ME, locked=locked, alive=True, now=when, stale_after=STALE)
    assert why_not(asked, ME, locked=False, alive=False, now=when, stale_after=STALE)
    assert not why_not(asked, ME, locked=True, alive=False, now=when, stale_after=STALE)


@given(note=NOTES, locked=st.booleans())
def test_nobody_waits_for_another_host_for_longer_than_the_age(note: Note, *, locked: bool) -> None:
    asked = replace(note, owner=ELSEWHERE)
    later = note.written_at + STALE
    assert not why_not(asked, ME, locked=locked, alive=False, now=later, stale_after=STALE)
