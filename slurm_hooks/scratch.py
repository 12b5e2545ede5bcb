"""The node's own disk: each visit's scratch directory, made by the Prolog where it runs."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

_MOUNTS = Path("/proc/self/mountinfo")
_FALLBACKS = (None, "/dev/shm")  # noqa: S108 - None is the system's own choice, tried first


def visits(local_dir: Path) -> Path:
    """Return the directory of the visits' scratch directories."""
    return local_dir / "visits"


def visit_scratch(local_dir: Path, *, job_id: int, node: str) -> Path:
    """Return the scratch directory of job *job_id* on *node*.

    The node's name keeps apart the slurmds of one machine, where Slurm has several.
    """
    return visits(local_dir) / f"{job_id}.{node.replace('/', '_')}"


@contextlib.contextmanager
def use_scratch(local_dir: Path, *, job_id: int, node: str) -> Iterator[Path]:
    """Yield the visit's scratch directory: the Prolog's, or else a private one, removed after.

    Where there is no place for either, what is yielded is not there.
    """
    given = visit_scratch(local_dir, job_id=job_id, node=node)
    made = None if _is_made_for_us(given) and _takes_data(given) else _make_private()
    if made is None:
        yield given
        return
    try:
        yield made
    finally:
        remove_tree(made)


def remove_tree(path: Path) -> str:
    """Remove *path* and all in it; returns why that failed, or nothing.

    Follows no link, and leaves all as it is where something is mounted inside: that
    may be a file system that others need.
    """
    try:
        if mounted := _mounts_under(path):
            return f"{mounted[0]} is a mount; unmount it and remove {path}"
        shutil.rmtree(path)
    except FileNotFoundError:
        return ""
    except (OSError, RecursionError) as error:
        return f"cannot remove {path}: {error}"
    return ""


def _is_made_for_us(path: Path) -> bool:
    """Whether it is the Prolog's, and empty as that leaves it.

    A slurmctld that forgot a job gives its id away again; slurmd knows the id, runs no Prolog
    for it, and what the forgotten job left, or still uses, is there.
    """
    try:
        found = path.lstat()
        if path.is_symlink() or not path.is_dir() or found.st_uid != os.geteuid():
            return False
        return not any(path.iterdir())
    except OSError:
        return False


def _make_private() -> Path | None:
    import tempfile  # noqa: PLC0415 users wait for the node Epilog, which needs none

    for parent in _FALLBACKS:
        try:
            made = Path(tempfile.mkdtemp(prefix="cluster-doctor-", dir=parent))
        except OSError:
            continue
        if _takes_data(made):
            return made
        remove_tree(made)
    return None


def _takes_data(directory: Path) -> bool:
    """Whether there is room: a full disk has names left when it has no blocks."""
    import tempfile  # noqa: PLC0415 as above

    try:
        with tempfile.TemporaryFile(dir=directory) as file:
            file.write(bytes(4096))
            file.flush()
    except OSError:
        return False
    return True


def _mounts_under(path: Path) -> list[str]:
    """Return the mount points at or below *path* (proc(5), mountinfo, field 5)."""
    top = str(path.resolve())
    points = (line.split()[4] for line in _MOUNTS.read_text(encoding="utf-8").splitlines())
    plain = (point.encode().decode("unicode_escape") for point in points)
    return [point for point in plain if point == top or point.startswith(f"{top}/")]
