"""The storage check finds what is wrong with a disk, and never blames a node for less."""

import errno
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.programs import storage
from checks.programs.report import NodeFaultError
from tests.programs import argv, run_program, started, wait_until

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a file system")


@contextmanager
def mounted(where: Path, options: str) -> Iterator[Path]:
    where.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", where], check=True, timeout=10)
    try:
        yield where
    finally:
        subprocess.run(["umount", "-l", where], check=True, timeout=10)


def opened_file(pid: int, below: Path) -> Path | None:
    """The /proc link to the unnamed file that process *pid* holds open below *below*."""
    prefix = f"{below}/{storage.PREFIX}"
    try:
        links = list(Path(f"/proc/{pid}/fd").iterdir())
        mine = (link for link in links if str(link.readlink()).startswith(prefix))
        return next(mine, None)
    except OSError:  # a descriptor was closed while we looked
        return None


def test_a_healthy_directory_passes_with_numbers_and_stays_empty(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    ended = run_program("storage", "--path", place, "--size", "8M", report=tmp_path / "report")
    assert ended.code == 0, ended.output
    assert ended.metrics["write_bandwidth_bytes_per_s"] > 0
    assert ended.metrics["read_bandwidth_bytes_per_s"] > 0
    assert ended.metrics["fsync_s"] >= 0
    assert ended.detail.startswith("8M verified")
    assert list(place.iterdir()) == []


@root_only
@pytest.mark.parametrize("size", ["64k", "100m"])
def test_a_read_only_file_system_is_a_fail_even_where_it_is_also_full(
    size: str, tmp_path: Path
) -> None:
    with mounted(tmp_path / "disk", f"ro,size={size}") as disk:
        ended = run_program("storage", "--path", disk, report=tmp_path / "report")
    assert ended.code == 194
    assert "read-only" in ended.detail


@root_only
@pytest.mark.parametrize(
    ("options", "code"),
    [([], 1), (["--min-free", "64M"], 193), (["--min-free", "64M", "--below", "fail"], 194)],
)
def test_a_full_disk_is_no_verdict_unless_free_space_was_asked_for(
    options: list[str], code: int, tmp_path: Path
) -> None:
    with mounted(tmp_path / "disk", "size=4m") as disk:
        ended = run_program("storage", "--path", disk, *options, report=tmp_path / "report")
        assert list(disk.iterdir()) == []
    assert ended.code == code
    assert "free" in ended.detail or "space" in ended.detail


@root_only
def test_no_free_inode_is_no_verdict(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "size=9m,nr_inodes=1") as disk:
        ended = run_program("storage", "--path", disk, "--size", "1M", report=tmp_path / "report")
    assert ended.code == 1
    assert "No space left" in ended.detail


@root_only
def test_a_device_that_loses_its_blocks_is_a_fail(tmp_path: Path) -> None:
    """A real I/O error: a loop device whose backing file is cut short under ext4."""
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(64 << 20)
    make = ["mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0", str(image)]
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        subprocess.run(make, check=True, timeout=30)
        subprocess.run(["mount", "-o", "loop", image, disk], check=True, timeout=30)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no ext4 on a loop device here")
    try:
        os.truncate(image, 1 << 20)
        ended = run_program("storage", "--path", disk, "--size", "8M", report=tmp_path / "report")
    finally:
        subprocess.run(["umount", "-l", disk], check=True, timeout=30)
    assert ended.code == 194, ended.output


def test_a_byte_changed_on_the_disk_is_found_and_named(tmp_path: Path) -> None:
    with started("storage", "--path", tmp_path, "--size", "512M") as check:
        written = 3 << 20

        def three_blocks_are_written() -> bool:
            assert check.poll() is None, "the check ended before it could be stopped"
            link = opened_file(check.pid, tmp_path)
            return link is not None and link.stat().st_size >= written

        wait_until(three_blocks_are_written)
        check.send_signal(signal.SIGSTOP)
        link = opened_file(check.pid, tmp_path)
        assert link is not None
        assert link.stat().st_size < 512 << 20, "stopped too late"
        with link.open("r+b") as file:
            file.seek((2 << 20) + 12345)
            was = file.read(1)[0]
            file.seek(-1, os.SEEK_CUR)
            file.write(bytes([was ^ 0x10]))
        check.send_signal(signal.SIGCONT)
        output, _ = check.communicate(timeout=120)
    assert check.returncode == 194, output
    assert f"byte {(2 << 20) + 12345} was written as 0x{was:02x}" in output
    assert f"read back as 0x{was ^ 0x10:02x}" in output


def test_a_terminated_check_leaves_no_file(tmp_path: Path) -> None:
    with started("storage", "--path", tmp_path, "--size", "1G") as check:
        wait_until(lambda: opened_file(check.pid, tmp_path) is not None)
        check.terminate()
        assert check.wait(timeout=30) == -signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


def test_a_check_killed_while_it_writes_leaves_no_file(tmp_path: Path) -> None:
    def has_written() -> bool:
        link = opened_file(check.pid, tmp_path)
        return link is not None and link.stat().st_size > 0

    with started("storage", "--path", tmp_path, "--size", "1G") as check:
        wait_until(has_written)
        check.kill()
        assert check.wait(timeout=30) == -signal.SIGKILL
    assert list(tmp_path.iterdir()) == []


def test_leftovers_go_if_they_are_old_and_ours(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("keep")
    old = tmp_path / f"{storage.PREFIX}old"
    fresh = tmp_path / f"{storage.PREFIX}fresh"
    link = tmp_path / f"{storage.PREFIX}link"
    foreign = tmp_path / f"{storage.PREFIX}foreign"
    for path in (old, fresh, foreign):
        path.touch()
    link.symlink_to(precious)
    for path in (old, foreign, link):
        os.utime(path, (0, 0), follow_symlinks=False)
    if os.geteuid() == 0:
        os.chown(foreign, 12345, 12345)
    else:
        foreign.unlink()
    ended = run_program("storage", "--path", tmp_path, "--size", "1M", report=tmp_path / "r")
    assert ended.code == 0
    assert not old.exists()
    assert fresh.exists()
    assert link.is_symlink()
    assert precious.read_text() == "keep"
    assert os.geteuid() != 0 or foreign.exists()


def test_a_directory_that_is_not_there_is_no_verdict(tmp_path: Path) -> None:
    ended = run_program("storage", "--path", tmp_path / "no", report=tmp_path / "report")
    assert ended.code == 1
    assert "No such file" in ended.detail
    assert "--path" in ended.detail


@pytest.mark.parametrize("directory", ["plain", "missing"])
def test_what_must_be_mounted_and_is_not_is_a_fail(directory: str, tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    wanted = tmp_path / directory
    ended = run_program("storage", "--path", wanted, "--mount", wanted, report=tmp_path / "r")
    assert ended.code == 194
    assert "is not mounted" in ended.detail


@root_only
def test_what_must_be_mounted_and_is_passes_even_with_a_blank_in_its_name(tmp_path: Path) -> None:
    with mounted(tmp_path / "a disk", "size=16m") as disk:
        options = ("--path", disk, "--mount", disk, "--size", "1M")
        ended = run_program("storage", *options, report=tmp_path / "r")
    assert ended.code == 0, ended.output


@pytest.mark.parametrize(("below", "code"), [("warn", 193), ("fail", 194)])
def test_too_slow_a_disk_is_what_the_operator_says_it_is(
    below: str, code: int, tmp_path: Path
) -> None:
    options = ("--path", tmp_path, "--size", "1M", "--min-write", "900T", "--below", below)
    ended = run_program("storage", *options, report=tmp_path / "report")
    assert ended.code == code
    assert "below 900T/s" in ended.detail


def test_a_modest_minimum_raises_no_false_alarm(tmp_path: Path) -> None:
    options = ("--path", tmp_path, "--size", "4M", "--min-write", "1", "--min-read", "1")
    ended = run_program("storage", *options, "--below", "fail", report=tmp_path / "report")
    assert ended.code == 0, ended.output


def test_a_wrong_option_is_no_verdict(tmp_path: Path) -> None:
    done = subprocess.run(
        argv("storage", "--path", tmp_path, "--size", "big"),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    assert "write it like" in done.stderr


def test_only_errors_that_a_healthy_node_cannot_give_are_proofs() -> None:
    innocent = {
        errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT, errno.ENOMEM,
        errno.EMFILE, errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.ETIMEDOUT,
    }  # fmt: skip
    assert innocent.isdisjoint(storage.BAD_STORAGE)
    assert {errno.EIO, errno.EROFS, errno.ESTALE} <= storage.BAD_STORAGE.keys()


@given(st.binary(min_size=1, max_size=300), st.data())
def test_the_first_difference_is_found_wherever_it_is(block: bytes, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(block) - 1))
    flip = data.draw(st.integers(1, 255))
    wrong = bytearray(block)
    wrong[index] ^= flip
    assert storage.first_difference(block, bytes(wrong)) == index
    assert storage.first_difference(block, block[:index]) == index
    assert storage.first_difference(block, block) is None


def test_a_block_in_anothers_place_is_corruption() -> None:
    pattern = storage.Pattern(1)
    with pytest.raises(NodeFaultError, match=f"byte {3 * storage.BLOCK} "):
        storage.verify(3, pattern.block(3), pattern.block(4))
    with pytest.raises(NodeFaultError):
        storage.verify(3, pattern.block(3), storage.Pattern(2).block(3))
