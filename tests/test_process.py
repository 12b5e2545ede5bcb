"""Starting, watching and ending a process, and telling whose it is."""

import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from slurm_hooks import procfs
from slurm_hooks.log_file import open_log
from tests.programs import wait_until
from tests.visits import Node, program

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_process_is_found_below_its_ancestor_and_known_by_its_start() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        found = {process.pid: process for process in procfs.descendants(os.getpid())}
        assert child.pid in found
        assert found[child.pid].parent == os.getpid()
        assert os.getpid() in procfs.ancestors(child.pid)
        child.kill()


def test_children_are_the_same_whether_the_kernel_lists_them_or_all_are_looked_at() -> None:
    with subprocess.Popen(["sh", "-c", "sleep 1000 & setsid sleep 1000 & wait"]) as parent:
        wait_until(lambda: len(procfs.descendants(parent.pid)) == 2)
        listed = procfs.listed_children(parent.pid)
        found = procfs.children_from_all()(parent.pid)
        assert listed is None or sorted(listed) == sorted(found)
        assert sorted(found) == sorted(one.pid for one in procfs.descendants(parent.pid))
        for one in procfs.descendants(parent.pid):
            procfs.kill(one)
        assert parent.wait(timeout=10) == 0
    assert procfs.listed_children(parent.pid) is None


def test_a_process_that_got_a_dead_ones_id_is_spared() -> None:
    with subprocess.Popen(["sleep", "1000"]) as child:
        process = procfs.read_process(child.pid)
        assert process is not None
        earlier = procfs.Process(
            pid=process.pid,
            name=process.name,
            state=process.state,
            parent=process.parent,
            group=process.group,
            started=process.started - 1,
        )
        procfs.kill(earlier)
        assert child.poll() is None
        procfs.kill(process)
        assert child.wait(timeout=10) == -signal.SIGKILL


def test_names_with_spaces_and_brackets_do_not_confuse_it(tmp_path: Path) -> None:
    odd = tmp_path / "a) R 1 (b"
    odd.symlink_to("/bin/sleep")
    with subprocess.Popen([odd, "1000"]) as child:
        deadline = time.monotonic() + 10
        while (process := procfs.read_process(child.pid)) is None or process.name != odd.name:
            assert time.monotonic() < deadline
        assert process.parent == os.getpid()
        child.kill()


def test_a_log_keeps_head_and_tail_within_its_limit(tmp_path: Path) -> None:
    log = open_log(tmp_path, check="c", node="n", at=NOW, header="# head\n", limit=10_000)
    for number in range(5000):
        log.write(f"{number:05d}\n".encode())
    log.end("# end\n")
    text = Path(log.path).read_text()
    assert Path(log.path) == tmp_path / "c" / "n" / "c_n_20300102T030405Z.log"
    assert len(text) <= 10_000
    assert text.startswith("# head\n00000\n00001\n")
    assert text.endswith("04998\n04999\n# end\n")
    assert "\n# 22000 bytes left out here\n" in text
    assert log.last_line == "04999"


def test_two_logs_of_one_second_do_not_share_a_file(tmp_path: Path) -> None:
    logs = [open_log(tmp_path, check="c", node="n", at=NOW, header="", limit=10_000) for _ in "ab"]
    assert logs[0].path != logs[1].path
    for log in logs:
        log.end("")
        assert not log.problem


def test_a_log_is_not_written_through_a_link_that_lies_in_its_place(tmp_path: Path) -> None:
    folder = tmp_path / "c" / "n"
    folder.mkdir(parents=True)
    (folder / "c_n_20300102T030405Z.log").symlink_to(tmp_path / "victim")
    log = open_log(tmp_path, check="c", node="n", at=NOW, header="x", limit=10_000)
    log.end("")
    assert not (tmp_path / "victim").exists()


def test_a_stream_held_open_by_an_outsider_does_not_hold_the_visit(tmp_path: Path) -> None:
    """A program may hand its output to a service that lives on, such as a container engine."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    outsider = (
        "import socket, array, sys, time\n"
        "s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); c = s.accept()[0]\n"
        "got = socket.recv_fds(c, 1, 1); c.send(b'x'); time.sleep(1000)\n"
    )
    address = tmp_path / "s"
    insider = (
        "import socket, sys\n"
        "s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        "socket.send_fds(s, [b'x'], [1]); s.recv(1)\n"
    )
    (tmp_path / "insider.py").write_text(insider)
    with subprocess.Popen([sys.executable, "-c", outsider, str(address)]) as holder:
        deadline = time.monotonic() + 10
        while not address.exists():
            assert time.monotonic() < deadline
        node = Node(root=tmp_path).prepare()
        node.plan(program("a", f"{sys.executable} {tmp_path}/insider.py {address}"))
        started = time.monotonic()
        assert node.run() == 0
        assert time.monotonic() - started < 5
        assert node.records()["a"].detail == ""
        assert holder.poll() is None
        holder.kill()
