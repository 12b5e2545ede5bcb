"""A check that somebody switched off by command: by whom, since when, why."""

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from slurm_hooks.decode import DecodeError, decode, encode
from slurm_hooks.errors import RecordError, StateError
from slurm_hooks.files import read_regular, sync_directory
from slurm_hooks.state_files import READABLE, entries, make_directory, write_file

MAX_BYTES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspended:
    """One file in the state directory."""

    version: int = 1
    by: str
    since: datetime
    reason: str = ""


def dump_suspended(suspended: Suspended) -> bytes:
    """Return *suspended* as one line of JSON."""
    return json.dumps(encode(suspended)).encode() + b"\n"


def load_suspended(data: bytes) -> Suspended:
    """Return what *data* holds.

    Raises:
        RecordError: it is not ours, or damaged.
    """
    try:
        return decode(Suspended, json.loads(data))
    except (ValueError, RecursionError, DecodeError) as error:
        raise RecordError(f"not a suspension: {error}") from error


@dataclass(frozen=True, slots=True)
class Suspensions:
    """A directory of such files; anybody may read who switched what off. Raises StateError."""

    directory: Path

    def add(self, check: str, suspended: Suspended) -> None:
        """Switch *check* off from the next sweep on; a later word replaces an earlier one."""
        make_directory(self.directory, READABLE)
        path = self.directory / f"{check}.json"
        write_file(path, dump_suspended(suspended), mode=0o644)

    def remove(self, check: str) -> bool:
        """Undo `add`; returns whether there was anything to undo."""
        if check not in self.all():
            return False
        path = self.directory / f"{check}.json"
        try:
            path.unlink(missing_ok=True)
            sync_directory(self.directory)
        except OSError as error:
            raise StateError(f"{path}: cannot remove it: {error.strerror}") from error
        return True

    def all(self) -> dict[str, Suspended | str]:
        """Return each check that was switched off, or why its file cannot be read: it is off."""
        found: dict[str, Suspended | str] = {}
        for path in entries(self.directory):
            if path.suffix == ".json" and not path.name.startswith("."):
                try:
                    data = read_regular(path, limit=MAX_BYTES)
                    found[path.stem] = load_suspended(data)
                except (OSError, RecordError) as error:
                    found[path.stem] = f"{path}: {error}"
        return found
