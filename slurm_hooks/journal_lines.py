"""The journal's lines as JSON, one each, and back."""

import json
from collections.abc import Mapping, Sequence

from slurm_hooks.decode import DecodeError, decode, encode
from slurm_hooks.errors import RecordError
from slurm_hooks.journal import VERSION, CheckEvent, Entry, Event, Line

_KINDS: Mapping[str, type[Line]] = {"entry": Entry, "event": Event, "check": CheckEvent}


def dump(lines: Sequence[Line]) -> bytes:
    """Return *lines* as JSON, one each."""
    names = {kind: name for name, kind in _KINDS.items()}
    return b"".join(
        json.dumps({names[type(line)]: encode(line)}).encode() + b"\n" for line in lines
    )


def load(data: bytes) -> list[Line]:
    """Return the lines in *data*; what follows the last line end was never finished.

    Raises:
        RecordError: a finished line is no line of ours; the message has its number.
    """
    found: list[Line] = []
    for number, text in enumerate(data.split(b"\n")[:-1], start=1):
        if not text.strip():
            continue
        try:
            found.append(_line(json.loads(text.decode())))
        except (ValueError, RecursionError, DecodeError) as error:
            raise RecordError(f"line {number}: {error}") from error
    return found


def _line(value: object) -> Line:
    if not isinstance(value, dict) or len(value) != 1:
        raise DecodeError("not one entry, event or check")
    name, content = next(iter(value.items()))
    if name not in _KINDS:
        raise DecodeError(f"unknown kind of line {name!r}")
    version = content.get("version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise DecodeError(f"written by a newer cluster-doctor (journal version {version})")
    return decode(_KINDS[name], content)
