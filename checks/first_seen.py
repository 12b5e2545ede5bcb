"""Since when each check is known: a small file that sweeps keep."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from slurm_hooks.decode import DecodeError, decode, encode
from slurm_hooks.errors import StateError
from slurm_hooks.files import read_regular, write_durably

_MAX_BYTES = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    version: int = 1
    checks: dict[str, datetime] = field(default_factory=dict)


def read_first_seen(path: Path) -> dict[str, datetime]:
    """Return when each check was first seen; nothing where no sweep wrote *path* yet.

    Raises:
        StateError: it cannot be read, or is not ours.
    """
    try:
        return decode(_File, json.loads(read_regular(path, limit=_MAX_BYTES))).checks
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError, DecodeError) as error:
        raise StateError(
            f"{path}: {error}; without it, new checks count from the next sweep on: remove it"
        ) from error


def note_first_seen(path: Path, names: Iterable[str], *, now: datetime) -> None:
    """Write down those of *names* that are new.

    Raises:
        StateError: it cannot be read or written.
    """
    known = read_first_seen(path)
    seen = seen_at(known, names, now=now)
    if seen == known:
        return
    data = json.dumps(encode(_File(checks=seen)), indent=1).encode() + b"\n"
    try:
        write_durably(path, data, mode=0o644)
    except OSError as error:
        raise StateError(f"{path}: cannot write it: {error.strerror or error}") from error


def seen_at(
    known: Mapping[str, datetime], names: Iterable[str], *, now: datetime
) -> dict[str, datetime]:
    """Return when each check was first seen, those of *known* that are gone included.

    So a check that comes back is not new. None was first seen after *now*: the clock was
    set back since, and the check would wait for too long.
    """
    every = sorted({*known, *names})
    return {name: min(known.get(name, now), now) for name in every}
