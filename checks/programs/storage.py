"""Writes a file, makes it durable, reads it back and compares every byte."""

import argparse
import errno
import fcntl
import mmap
import os
import random
import secrets
import signal
import stat
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from checks.programs.report import (
    Below,
    InconclusiveError,
    NodeFaultError,
    Verdict,
    add_below,
    human,
    judge,
    log,
    metric,
    run,
    size,
    slower,
)

BLOCK = 1 << 20
STRIDE = 4099  # prime: each block starts at another place of the random bytes
PREFIX = ".cluster-doctor-storage-"
LEFTOVER_AGE_S = 3600
LEFTOVER_SCAN = 10_000  # directory entries looked at; a shared directory may hold millions
BAD_STORAGE = {
    errno.EIO: "the device or the server returned an I/O error",
    errno.EREMOTEIO: "the device returned an I/O error",
    errno.EROFS: "the file system is read-only",
    errno.EUCLEAN: "the file system is corrupted",
    errno.EBADMSG: "the file system found a wrong checksum",
    errno.ENODEV: "the device is gone",
    errno.ENXIO: "the device is gone",
    errno.ENOMEDIUM: "the device is gone",
    errno.ESTALE: "the mount is stale",
    errno.ENOTCONN: "the file system's client has lost its connection",
    errno.ESHUTDOWN: "the file system's client was shut out by its server",
}
"""What only a broken device, file system or mount answers. Everything else (no such
directory, no permission, no space, over quota) may be the check's own mistake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asks for."""

    path: Path
    size: int
    mount: Path | None
    min_free: int | None
    min_write: int | None
    min_read: int | None
    below: Below


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How long each step took, in seconds; *direct*: reads went past the page cache."""

    write_s: float
    fsync_s: float
    read_s: float
    direct: bool


class Pattern:
    """Blocks of pseudo-random bytes, no two alike, other ones for every seed.

    So a block of an earlier file, or this file's block in the wrong place, differs.
    """

    def __init__(self, seed: int) -> None:
        self._bytes = random.Random(seed).randbytes(2 * BLOCK)  # noqa: S311 - not for secrets

    def block(self, number: int) -> bytes:
        """The bytes of block *number*."""
        start = number * STRIDE % BLOCK
        return self._bytes[start : start + BLOCK]


def first_difference(expected: bytes, got: bytes) -> int | None:
    """Index of the first byte that differs or is missing; None if all are equal."""
    if expected == got:
        return None
    pairs = enumerate(zip(expected, got, strict=False))
    return next((index for index, (a, b) in pairs if a != b), min(len(expected), len(got)))


def verify(number: int, expected: bytes, got: bytes) -> None:
    """Raise NodeFaultError, naming the first wrong byte of the file, unless *got* is *expected*."""
    index = first_difference(expected, got)
    if index is None:
        return
    read = f"0x{got[index]:02x}" if index < len(got) else "the end of the file"
    raise NodeFaultError(
        f"data corruption: byte {number * BLOCK + index} was written as "
        f"0x{expected[index]:02x} and read back as {read}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    """Check one directory; return the exit code."""
    options = Options(**vars(_parser().parse_args(argv)))
    return run(lambda: _check(options))


def _check(options: Options) -> Verdict:
    try:
        return _judge(options)
    except OSError as error:
        where = f"{options.path}: {os.strerror(error.errno or 0)}"
        reason = BAD_STORAGE.get(error.errno or 0)
        if reason is not None:
            raise NodeFaultError(f"{where}: {reason}") from error
        raise InconclusiveError(f"{where}; {_remedy(error.errno)}") from error


def _judge(options: Options) -> Verdict:
    if options.mount is not None:
        _require_mount(options.mount)
    directory = os.open(options.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if os.fstatvfs(directory).f_flag & os.ST_RDONLY:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        shortfalls = _too_full(directory, options)
        if shortfalls and _free(directory) < options.size:
            return judge("", shortfalls, below=options.below)
        _remove_leftovers(directory)
        with _unnamed_file(directory) as file:
            timing = _write_and_read(file, options.size // BLOCK)
    finally:
        os.close(directory)
    return _report(options, timing, shortfalls)


def _report(options: Options, timing: Timing, shortfalls: list[str]) -> Verdict:
    write = options.size / (timing.write_s + timing.fsync_s)
    read = options.size / timing.read_s
    metric("write_bandwidth_bytes_per_s", write)
    metric("read_bandwidth_bytes_per_s", read)
    metric("fsync_s", timing.fsync_s)
    slow = slower("write", write, options.min_write) + slower("read", read, options.min_read)
    how = "O_DIRECT" if timing.direct else "no O_DIRECT here: possibly from memory"
    summary = (
        f"{human(options.size)} verified on {options.path}: write {human(write)}/s, "
        f"read {human(read)}/s ({how})"
    )
    return judge(summary, shortfalls + slow, below=options.below)


def _write_and_read(file: int, blocks: int) -> Timing:
    seed = secrets.randbits(32)
    log(f"seed {seed}")
    pattern = Pattern(seed)
    started = time.perf_counter()
    for number in range(blocks):
        _write_block(file, pattern.block(number), number * BLOCK)
    written = time.perf_counter()
    os.fsync(file)
    synced = time.perf_counter()
    buffer = memoryview(mmap.mmap(-1, BLOCK))  # page-aligned, as O_DIRECT wants it
    direct = _leave_page_cache(file, buffer)
    read_s = sum(_read_and_verify(file, buffer, pattern, number) for number in range(blocks))
    return Timing(write_s=written - started, fsync_s=synced - written, read_s=read_s, direct=direct)


def _write_block(file: int, block: bytes, offset: int) -> None:
    done = 0
    while done < len(block):
        done += os.pwrite(file, block[done:] if done else block, offset + done)


def _read_and_verify(file: int, buffer: memoryview, pattern: Pattern, number: int) -> float:
    """Compare block *number* of *file*; return the seconds that reading it took."""
    started = time.perf_counter()
    done = 0
    while done < BLOCK:
        got = os.preadv(file, [buffer[done:]], number * BLOCK + done)
        if got == 0:
            break
        done += got
    took = time.perf_counter() - started
    verify(number, pattern.block(number), bytes(buffer[:done]))
    return took


def _leave_page_cache(file: int, buffer: memoryview) -> bool:
    """Drop *file* from the page cache; True if reads now go past it as well (O_DIRECT)."""
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    flags = fcntl.fcntl(file, fcntl.F_GETFL)
    try:
        fcntl.fcntl(file, fcntl.F_SETFL, flags | os.O_DIRECT)
        os.preadv(file, [buffer], 0)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
            raise
        fcntl.fcntl(file, fcntl.F_SETFL, flags)
        return False
    return True


@contextmanager
def _unnamed_file(directory: int) -> Iterator[int]:
    """Yield a new private file whose name is already gone.

    The kernel frees it when the last descriptor closes, however this process ends.
    Signals wait until the name is gone; only SIGKILL, which cannot, may leave it,
    empty, for a later run to remove.
    """
    name = PREFIX + secrets.token_hex(8)
    started = time.perf_counter()
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    try:
        file = os.open(name, flags, mode=0o600, dir_fd=directory)
        os.unlink(name, dir_fd=directory)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    try:
        metric("create_s", time.perf_counter() - started)
        yield file
    finally:
        os.close(file)


def _remove_leftovers(directory: int) -> None:
    """Remove what runs killed between creating and unlinking have left.

    Only regular files with our prefix, of our own user, older than an hour; an
    entry is unlinked, never opened, so a link planted here leads nowhere.
    """
    oldest = time.time() - LEFTOVER_AGE_S
    with os.scandir(directory) as entries:
        for entry in islice(entries, LEFTOVER_SCAN):
            if not entry.name.startswith(PREFIX):
                continue
            try:
                found = entry.stat(follow_symlinks=False)
                ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid()
                if ours and found.st_mtime < oldest:
                    os.unlink(entry.name, dir_fd=directory)
            except FileNotFoundError:
                continue  # another run was faster


def _too_full(directory: int, options: Options) -> list[str]:
    """What is missing of --min-free; without that option a lack of space is no verdict."""
    free = _free(directory)
    if options.min_free is not None and free < options.min_free:
        return [
            f"{options.path} has {human(free)} free, less than {human(options.min_free)}",
        ]
    if free < options.size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return []


def _free(directory: int) -> float:
    """Bytes an ordinary user may still write; infinite where the file system does not say."""
    found = os.fstatvfs(directory)
    return found.f_bavail * found.f_frsize if found.f_blocks else float("inf")


def _require_mount(mount: Path) -> None:
    """Raise NodeFaultError unless a file system is mounted at *mount* now."""
    try:
        (mount / ".").stat()  # an automounter mounts on access
    except FileNotFoundError as error:
        raise NodeFaultError(f"{mount} is not mounted: there is no such directory") from error
    if os.path.realpath(mount) not in _mount_points(Path("/proc/self/mountinfo").read_text()):
        raise NodeFaultError(f"{mount} is not mounted")


def _mount_points(mountinfo: str) -> set[str]:
    """Where file systems are mounted (proc(5), /proc/pid/mountinfo, field 5)."""
    points = set()
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        if not after.startswith("autofs "):
            point = before.split(" ")[4]
            for code, char in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
                point = point.replace(code, char)
            points.add(point)
    return points


def _remedy(number: int | None) -> str:
    match number:
        case errno.ENOSPC | errno.EDQUOT:
            return "free some space, pass a smaller --size, or let --min-free judge the node"
        case errno.ENOENT | errno.ENOTDIR:
            return "pass an existing directory as --path, or say with --mount what must be mounted"
        case errno.EACCES | errno.EPERM:
            return "pass a directory that the check's user may write to as --path"
        case _:
            return "this says nothing certain about the node"


def _block_size(text: str) -> int:
    """A size in whole blocks, at least one."""
    return max(size(text) // BLOCK, 1) * BLOCK


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="storage", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--path", type=Path, required=True, help="the directory to write in")
    add("--size", type=_block_size, default=64 * BLOCK, help="how much to write (default: 64M)")
    add("--mount", type=Path, help="fail unless a file system is mounted here")
    add("--min-free", type=size, metavar="SIZE", help="the least free space")
    add("--min-write", type=size, metavar="RATE", help="the least bytes/s written, fsync included")
    add("--min-read", type=size, metavar="RATE", help="the least bytes/s read")
    add_below(parser)
    return parser


if __name__ == "__main__":
    sys.exit(main())
