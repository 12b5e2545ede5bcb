"""Which states of reactions the history has: a small file that ingests keep."""

import json
from collections.abc import Mapping
from pathlib import Path

from slurm_hooks.decode import decode
from slurm_hooks.errors import StateError
from slurm_hooks.files import read_regular
from slurm_hooks.state_files import write_file

_MAX_BYTES = 100_000_000


def read_told(path: Path) -> dict[str, int]:
    """Return how much had happened to each reaction that the history has; none where missing.

    Raises:
        StateError: it cannot be read.
    """
    try:
        return decode(dict[str, int], json.loads(read_regular(path, limit=_MAX_BYTES)))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise StateError(f"{path}: cannot read it: {error}; remove it") from error


def note_told(path: Path, revisions: Mapping[str, int]) -> None:
    """Write down how much had happened to each reaction.

    Raises:
        StateError: it cannot be written.
    """
    write_file(path, json.dumps(dict(revisions)).encode())
