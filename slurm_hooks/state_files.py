"""Files and directories of the state, where an OSError becomes a StateError with its remedy."""

import errno
from pathlib import Path

from slurm_hooks.errors import StateError
from slurm_hooks.files import write_durably

PRIVATE = 0o750
READABLE = 0o755
SHARED = 0o2750
"""What is made in it belongs to its group, the service account's."""


def entries(directory: Path) -> list[Path]:
    """Return what is in *directory*, in name order; nothing where it is missing."""
    try:
        return sorted(directory.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        who = "; the service account and its group may" if error.errno == errno.EACCES else ""
        raise StateError(f"{directory}: cannot list it: {error.strerror}{who}") from error


def make_directory(directory: Path, mode: int) -> None:
    """Make *directory* with exactly *mode*, whatever the umask; leave one that is there."""
    try:
        directory.mkdir()
        directory.chmod(mode)
    except FileExistsError:
        return
    except OSError as error:
        raise StateError(
            f"{directory}: cannot make the directory: {error.strerror}; "
            f"{directory.parent} must exist and belong to the service account"
        ) from error


def write_file(path: Path, data: bytes, *, replace: bool = True, mode: int = 0o640) -> bool:
    """Put *data* at *path* for good; returns False where it stays as it is."""
    try:
        return write_durably(path, data, replace=replace, mode=mode)
    except OSError as error:
        raise StateError(f"{path}: cannot write it: {error.strerror or error}") from error
