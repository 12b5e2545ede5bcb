"""Telling somebody: real programs and a real web server, at their worst, and whatever dies."""

import os
import shlex
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from checks import telling
from checks.courier import Courier, Messenger
from checks.notices import Notice, notices
from checks.telling import Teller, TriedFiles
from slurm_hooks.errors import StateError
from slurm_hooks.journal import fold
from slurm_hooks.reaction import Kind, Reacting, Reaction
from slurm_hooks.record import Outcome
from slurm_hooks.target import Target
from tests.fakes.crash import CrashPoint, Killed, Mortal
from tests.listeners import listening
from tests.reactions import DRAIN, ROOM, clinic
from tests.test_notices import SITE, TELLS, entry

NOW = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


def some(target: Target, count: int = 1) -> list[Notice]:
    return [
        Notice(id=f"{number:032x}", at=NOW, target=target, body={"node": f"n{number}"})
        for number in range(count)
    ]


def deliver(target: Target, limit_s: float = 5.0) -> str:
    return Messenger().deliver(some(target)[0], limit_s=limit_s)


def shell(text: str) -> Target:
    return Target(command=("/bin/sh", "-c", text))


@dataclass
class Recorder:
    """A courier that remembers, and fails for the targets it is told."""

    dead: set[str] = field(default_factory=set)
    heard: list[str] = field(default_factory=list)

    def deliver(self, notice: Notice, *, limit_s: float) -> str:
        assert limit_s == telling.ATTEMPT_S
        self.heard.append(notice.id)
        return "it answered 500" if notice.target.shown in self.dead else ""


@dataclass
class Desk:
    """A teller whose clock is set by hand."""

    directory: Path
    courier: Courier
    now: datetime = NOW

    def tell(self, found: Sequence[Notice]) -> list[str]:
        files = TriedFiles(self.directory)
        return Teller(courier=self.courier, files=files, clock=lambda: self.now).tell(found)


# The wall.


def test_a_webhook_gets_the_body_and_a_key_that_repeats() -> None:
    with listening() as there:
        assert deliver(Target(webhook=there.url)) == ""
        (headers, body) = there.heard[0]
    assert body == {"node": "n0"}
    assert headers["Idempotency-Key"] == f"{0:032x}"
    assert headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        ("500", "it answered 500"),
        ("404", "it answered 404"),
        ("redirect", "it answered 302; write the address that it redirects to"),
        ("garbage", "no answer of the web's: BadStatusLine"),
        ("close", "no answer of the web's: RemoteDisconnected"),
    ],
)
def test_a_bad_answer_is_said_without_the_address(answer: str, problem: str) -> None:
    with listening(answer) as there:
        assert deliver(Target(webhook=there.url)) == problem
        assert len(there.heard) == 1


@pytest.mark.parametrize("answer", ["hang", "slow"])
def test_a_server_that_never_comes_to_an_end_is_left_in_time(answer: str) -> None:
    with listening(answer) as there:
        began = time.monotonic()
        assert deliver(Target(webhook=there.url), limit_s=1.0) == "no answer in 1 s"
        assert time.monotonic() - began < 4
        assert len(there.heard) == 1


def test_a_server_that_is_not_there_is_said() -> None:
    with listening() as there:
        url = there.url
    assert "Connection refused" in deliver(Target(webhook=url))


def test_no_proxy_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1/")
    with listening() as there:
        assert deliver(Target(webhook=there.url)) == ""


def test_the_address_is_no_argument_that_others_could_read() -> None:
    with listening("hang") as there:
        argv = [sys.executable, "-c", _DELIVERS, there.url]
        with subprocess.Popen(argv, env={"PYTHONPATH": os.pathsep.join(sys.path)}) as child:
            try:
                _wait_for(lambda: bool(there.heard))
                lines = [_command_line(pid) for pid in _children(child.pid)]
            finally:
                child.kill()
    assert lines
    assert not [line for line in lines if "secret-path" in line]


def test_a_command_gets_the_body_on_its_standard_input(tmp_path: Path) -> None:
    said = tmp_path / "said"
    text = f'cat > {said}; echo "$CLUSTER_DOCTOR_NOTICE" >> {said}; env | grep -c . >> {said}'
    assert deliver(shell(text)) == ""
    body, notice, _ = said.read_text().splitlines()
    assert body == '{"node": "n0"}'
    assert notice == f"{0:032x}"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("exit 3", "exit status 3"),
        ("echo the pager is off >&2; exit 1", "the pager is off"),
        ("kill -9 $$", "exit status -9"),
        ("head -c 50000000 /dev/zero | tr '\\0' x >&2; exit 1", "x" * 197 + "..."),
        ("printf 'a\\033[31m\\nb\\377' >&2; exit 1", "a [31m b\ufffd"),
    ],
)
def test_a_command_that_fails_is_said_in_a_line(text: str, problem: str) -> None:
    assert deliver(shell(text)) == problem


def test_a_command_that_is_not_there_is_said() -> None:
    assert "not found" in deliver(Target(command=("/no/such/program",)))


@pytest.mark.parametrize(
    "text",
    ["sleep 100", "trap '' TERM HUP; sleep 100", "yes; true", "sleep 100 & sleep 100", "yes >&2"],
)
def test_a_command_that_hangs_is_left_in_time_with_all_it_started(text: str) -> None:
    began = time.monotonic()
    assert deliver(shell(f": here-{os.getpid()}; {text}"), limit_s=0.5) == "no answer in 0 s"
    assert time.monotonic() - began < 3
    _wait_for(lambda: not _running(f"here-{os.getpid()}"))


def test_a_command_that_leaves_somebody_behind_with_its_pipes_open_does_not_wait() -> None:
    began = time.monotonic()
    assert deliver(shell("sleep 100 & exit 0"), limit_s=20.0) == ""
    assert time.monotonic() - began < 5


# A sweep's share.


def test_what_was_told_is_told_once(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Recorder())
    assert desk.tell(some(SITE, 3)) == []
    assert desk.tell(some(SITE, 3)) == []
    assert isinstance(desk.courier, Recorder)
    assert len(desk.courier.heard) == 3


def test_what_failed_is_told_by_a_later_sweep_after_its_pause(tmp_path: Path) -> None:
    courier = Recorder(dead={SITE.shown})
    desk = Desk(tmp_path, courier)
    warning = "1 notice not delivered by https://chat.example, to be tried again: it answered 500"
    assert desk.tell(some(SITE)) == [warning]
    assert desk.tell(some(SITE)) == [warning]
    assert len(courier.heard) == 1
    courier.dead.clear()
    desk.now += MINUTE
    assert desk.tell(some(SITE)) == []
    assert len(courier.heard) == 2


def test_a_dead_target_costs_a_sweep_one_attempt_and_holds_up_no_other(tmp_path: Path) -> None:
    courier = Recorder(dead={SITE.shown})
    other = [
        Notice(id=f"{number:032x}", at=NOW + MINUTE, target=shell("true"), body={})
        for number in range(100, 200)
    ]
    desk = Desk(tmp_path, courier, now=NOW + 2 * MINUTE)
    desk.tell([*some(SITE, 100), *other])
    assert len(courier.heard) == 101
    desk.tell([*some(SITE, 100), *other])
    assert len(courier.heard) == 102


def test_no_attempt_begins_after_ten_seconds(tmp_path: Path) -> None:
    clock = iter(range(0, 1000, 3))
    courier, files = Recorder(), TriedFiles(tmp_path)
    teller = Teller(
        courier=courier, files=files, clock=lambda: NOW, monotonic=lambda: float(next(clock))
    )
    teller.tell(some(SITE, 300))
    assert 0 < len(courier.heard) <= 4


def test_what_is_known_of_a_notice_is_forgotten_once_it_is_long_over(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Recorder())
    desk.tell(some(SITE))
    assert len([*tmp_path.iterdir()]) == 1
    desk.now += timedelta(hours=73)
    desk.tell(some(SITE))
    assert [*tmp_path.iterdir()] == []
    assert isinstance(desk.courier, Recorder)
    assert len(desk.courier.heard) == 1


def test_where_nothing_can_be_written_down_nobody_is_told(tmp_path: Path) -> None:
    courier = Recorder()
    with pytest.raises(StateError, match="cannot write it"):
        Desk(tmp_path / "none", courier).tell(some(SITE, 3))
    assert courier.heard == []


@pytest.mark.parametrize("data", [b"", b"[" * 10_000, b'{"id": 5}', b"\xff"])
def test_a_damaged_note_is_as_good_as_none(tmp_path: Path, data: bytes) -> None:
    (tmp_path / f"{0:032x}.json").write_bytes(data)
    courier = Recorder()
    Desk(tmp_path, courier).tell(some(SITE))
    assert len(courier.heard) == 1


def test_the_secret_of_an_address_is_in_no_file_and_no_warning(tmp_path: Path) -> None:
    warnings = Desk(tmp_path, Recorder(dead={SITE.shown})).tell(some(SITE))
    texts = [*warnings, *(path.read_text() for path in tmp_path.iterdir())]
    assert len(texts) == 2
    assert not [text for text in texts if "secret" in text]
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o640}


def test_killed_at_any_step_only_what_was_under_way_is_told_again(tmp_path: Path) -> None:
    """Two notices, four effects; whatever dies, each is told, and none thrice."""
    for at in range(6):
        directory = tmp_path / str(at)
        directory.mkdir()
        heard: list[str] = []
        point = CrashPoint(at=at)
        with pytest.raises(Killed):
            _mortal(directory, heard, point, NOW).tell(_two())
        before = list(heard)
        _mortal(directory, heard, CrashPoint(), NOW + MINUTE).tell(_two())
        assert set(heard) == {one.id for one in _two()}, at
        again = [one for one in before if heard.count(one) > 1]
        assert len(again) <= 1, at
        known = TriedFiles(directory).read()
        assert all(one.delivered for one in known.values())


def _two() -> list[Notice]:
    return [some(SITE, 2)[0], some(shell("true"), 2)[1]]


def _mortal(directory: Path, heard: list[str], point: CrashPoint, now: datetime) -> Teller:
    recorder = Recorder(heard=heard)
    return Teller(
        courier=Mortal(recorder, frozenset({"deliver"}), point),  # type: ignore[arg-type]
        files=Mortal(TriedFiles(directory), frozenset({"write"}), point),  # type: ignore[arg-type]
        clock=lambda: now,
    )


def test_a_sweep_killed_for_good_has_told_what_it_wrote_down(tmp_path: Path) -> None:
    """kill -9 in the middle: what was delivered is known, and what was under way comes again."""
    directory = tmp_path / "notices"
    directory.mkdir()
    with listening() as there:
        argv = [sys.executable, "-c", _TELLS, str(directory), there.url]
        environment = {"PYTHONPATH": os.pathsep.join([str(Path.cwd()), *sys.path])}
        with subprocess.Popen(argv, env=environment) as child:
            _wait_for(lambda: len(there.heard) >= 5, 60)
            child.send_signal(signal.SIGKILL)
        _wait_for(lambda: not _running(str(directory)))
        Desk(directory, Messenger(), now=NOW + MINUTE).tell(some(Target(webhook=there.url), 40))
        keys = [headers["Idempotency-Key"] for headers, _ in there.heard]
    assert set(keys) == {one.id for one in some(SITE, 40)}
    assert len(keys) - len(set(keys)) <= 4, "no more than were under way"


def test_three_hundred_nodes_that_fail_at_once_are_one_notice(tmp_path: Path) -> None:
    reacting = Reacting(on_fail=(DRAIN, Reaction(kind=Kind.NOTIFY)))
    world = clinic(tmp_path, nodes=300, more=ROOM)
    nodes = [f"n{number}" for number in range(300)]
    world.tell(world.batch(nodes, reacting, check="gpu"), Outcome.FAIL)
    world.react()
    with listening() as there:
        site = Target(webhook=there.url)
        found = notices(world.book, [], site, cluster="lab")
        Desk(world.state.notices, Messenger(), now=found[0].at).tell(found)
        (body,) = [body for _, body in there.heard]
    assert isinstance(body, dict)
    assert body["event"] == "suspended"
    assert "gpu failed on 300 nodes" in body["detail"]
    assert "suspect the check or the fabric" in body["text"]


def test_three_hundred_notices_are_over_in_a_sweep_or_a_few(tmp_path: Path) -> None:
    with listening() as there:
        check = Target(webhook=there.url)
        found = some(check, 300)
        for sweep in range(30):
            began = time.monotonic()
            Desk(tmp_path, Messenger(), now=NOW + sweep * MINUTE).tell(found)
            assert time.monotonic() - began < 20
            if len(there.heard) >= 300:
                break
        keys = [headers["Idempotency-Key"] for headers, _ in there.heard]
    assert sorted(keys) == sorted(one.id for one in found)


def test_a_definitions_notice_reaches_its_command(tmp_path: Path) -> None:
    said = tmp_path / "said"
    command = ["/bin/sh", "-c", f"cat > {shlex.quote(str(said))}"]
    update = {"notify": {"command": tuple(command), "template": {"text": "{node}: {text}"}}}
    check = TELLS.model_copy(
        update={"failure_reactions": type(TELLS.failure_reactions).model_validate(update)}
    )
    book = fold([entry(1, Kind.DRAIN), entry(1, Kind.NOTIFY)])
    (tmp_path / "notices").mkdir()
    found = notices(book, [check], None, cluster="lab")
    assert Desk(tmp_path / "notices", Messenger()).tell(found) == []
    assert said.read_text() == '{"text": "n1: gpu: Xid 79 [cd:1f3a9c0e]"}\n'


_DELIVERS = """
import sys
from tests.test_telling import deliver
from slurm_hooks.target import Target
deliver(Target(webhook=sys.argv[1]), limit_s=30.0)
"""
_TELLS = """
import sys
from pathlib import Path
from checks.courier import Messenger
from slurm_hooks.target import Target
from tests.test_telling import Desk, some
Desk(Path(sys.argv[1]), Messenger()).tell(some(Target(webhook=sys.argv[2]), 40))
"""


def _wait_for(condition: object, deadline_s: float = 20.0) -> None:
    assert callable(condition)
    ends_at = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < ends_at
        time.sleep(0.02)


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def _running(mark: str) -> list[int]:
    return [pid for pid in _processes() if pid != os.getpid() and mark in _command_line(pid)]


def _children(pid: int) -> list[int]:
    found = []
    for other in _processes():
        try:
            fields = Path(f"/proc/{other}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == pid:
            found.append(other)
    return found
