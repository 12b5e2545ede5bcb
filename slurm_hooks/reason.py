"""What is written on a node: one line that says why, since when and whose it is. Pure."""

import json
import uuid
from dataclasses import replace
from datetime import UTC, datetime

from slurm_hooks.journal import Entry, Verdict
from slurm_hooks.node_text import safe_text
from slurm_hooks.reaction import Kind

MOST_DETAIL = 160
"""So much of what a program printed; sinfo -R and a terminal show less."""

MOST_LINE = 255
"""So much of a reason is kept in Slurm's accounting; the token, at its end, among it."""

MOST_NAME = 64
"""So much of a prefix, and of a check's name; neither is longer where it was read by us."""

MOST_COMMENT = 1000
"""All of a node's comment, other people's part included."""

_BETWEEN = " | "
_NOT_SAID = str.maketrans("[]|", "()/")
_NAMESPACE = uuid.UUID("c2b8f4de-3c0f-5c8f-8a0e-3b7a54a3d1f2")


def written(entry: Entry, verdict: Verdict, why: str) -> Entry:
    """Return *entry* with its verdict and the text that it puts into Slurm."""
    return replace(entry, verdict=verdict, why=why, text=_text(entry))


def _text(entry: Entry) -> str:
    if entry.kind is Kind.RESERVE:
        return f"{entry.prefix}-{entry.node}-{entry.id[:8]}"
    if entry.kind in (Kind.DRAIN, Kind.COMMENT):
        return line(entry.prefix, entry.check, entry.detail, at=entry.at)
    return ""


def line(prefix: str, check: str, detail: str, *, at: datetime) -> str:
    """Return one line such as ``gpu: gpu-xid: Xid 79 on GPU 3 (2026-11-22T02:33Z) [cd:1f3a9c0e]``.

    The token in brackets is the same for the same text in the same second, so that one
    scontrol can put it on many nodes. No detail can look like a token, or like the end of
    one line and the beginning of another.
    """
    name, start = safe_text(check, MOST_NAME), safe_text(prefix, MOST_NAME)
    second = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    begin = f"{start}: {name}" if start else name
    end = f" ({second[:16]}Z) [cd:{{}}]"
    room = MOST_LINE - len(begin) - len(": ") - len(end.format("12345678"))
    said = safe_text(detail.translate(_NOT_SAID), min(MOST_DETAIL, room))
    token = uuid.uuid5(_NAMESPACE, json.dumps((start, name, said, second))).hex[:8]
    return (f"{begin}: {said}" if said else begin) + end.format(token)


def note(entry: Entry) -> str:
    """Return what says of *entry* in a comment: its reason, also where it would reserve."""
    if entry.kind is Kind.RESERVE:
        return line(entry.prefix, entry.check, entry.detail, at=entry.at)
    return entry.text


def added(comment: str, ours: str) -> str:
    """Return *comment* with *ours* behind it; unchanged where it would grow too long."""
    if ours in comment:
        return comment
    whole = f"{comment}{_BETWEEN}{ours}" if comment else ours
    return whole if len(whole) <= MOST_COMMENT else comment


def removed(comment: str, ours: str) -> str:
    """Return *comment* without *ours*; what else stands there stays as it is."""
    for part in (_BETWEEN + ours, ours + _BETWEEN, ours) if ours else ():
        if part in comment:
            return comment.replace(part, "", 1)
    return comment
