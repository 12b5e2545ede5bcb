"""A check that somebody switched off by command: by whom, since when, why."""

import json
from dataclasses import dataclass
from datetime import datetime

from slurm_hooks.decode import DecodeError, decode, encode
from slurm_hooks.errors import RecordError

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
