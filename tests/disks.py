"""Small disks that are full or read-only, until they are repaired; tests run as root."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, timeout=30)


@contextmanager
def tmpfs(directory: Path) -> Iterator[Path]:
    """Put a disk of 64 KiB at *directory*."""
    directory.mkdir(exist_ok=True)
    run("mount", "-t", "tmpfs", "-o", "size=64k", "cluster-doctor-test", str(directory))
    try:
        yield directory
    finally:
        run("umount", str(directory))


def fill(directory: Path) -> None:
    """Write until nothing fits."""
    with (directory / "filler").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return


@contextmanager
def full(directory: Path) -> Iterator[Callable[[], None]]:
    with tmpfs(directory):
        fill(directory)
        yield (directory / "filler").unlink


@contextmanager
def read_only(directory: Path) -> Iterator[Callable[[], None]]:
    with tmpfs(directory):
        run("mount", "-o", "remount,ro", str(directory))
        yield lambda: run("mount", "-o", "remount,rw", str(directory))
