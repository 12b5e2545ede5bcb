"""How far a copy of the history is, as a small file: so that a killed one goes on where it was."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

from slurm_hooks.decode import DecodeError, decode, encode
from slurm_hooks.errors import StateError
from slurm_hooks.files import read_regular
from slurm_hooks.state_files import write_file

_MAX_BYTES = 50_000_000

Tell = Callable[[str, int, int], None]
"""Told of a table how many rows of how many are copied."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Progress:
    """The file. Lost or torn it costs time alone: rows that are copied again count once."""

    server: str
    done: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Of each table: the segments that are there, or the last key of what is."""


class Noted:
    """What of a copy to or from *server* is done; one to another server begins anew.

    Its methods raise StateError.
    """

    def __init__(self, path: Path, *, server: str) -> None:
        self._path = path
        found = _read(path)
        self._progress = found if found and found.server == server else _Progress(server=server)

    def done(self, table: str) -> tuple[str, ...]:
        """Return what of *table* is done."""
        return self._progress.done.get(table, ())

    def note(self, table: str, done: Iterable[str]) -> None:
        """Write down what of *table* is done now."""
        known = {**self._progress.done, table: tuple(done)}
        self._progress = replace(self._progress, done=known)
        write_file(self._path, json.dumps(encode(self._progress)).encode() + b"\n")

    def forget(self) -> None:
        """Have the next copy begin anew."""
        self._progress = replace(self._progress, done={})
        try:
            self._path.unlink(missing_ok=True)
        except OSError as error:
            raise StateError(f"{self._path}: cannot remove it: {error.strerror}") from error


def _read(path: Path) -> _Progress | None:
    try:
        return decode(_Progress, json.loads(read_regular(path, limit=_MAX_BYTES)))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"{path}: cannot read it: {error.strerror or error}") from error
    except (DecodeError, ValueError):
        return None
