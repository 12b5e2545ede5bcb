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

MOST_COMMENT = 1000
"""All of a node's comment, other people's part included."""

_BETWEEN = " | "
_NAMESPACE = uuid.UUID("c2b8f4de-3c0f-5c8f-8a0e-3b7a54a3d1f2")


def written(entry: Entry, verdict: Verdict, why: str) -> Entry:
    """Return *entry* with its verdict and the text that it puts into Slurm."""
    return replace(entry, verdict=verdict, why=why, text=_text(entry))


def _text(entry: Entry) -> str:
    if entry.kind in (Kind.RESERVE, Kind.UNRESERVE):
        return f"{entry.prefix}-{entry.node}"
    if entry.kind in (Kind.DRAIN, Kind.COMMENT):
        return line(entry.prefix, entry.check, entry.detail, at=entry.at)
    return ""


def line(prefix: str, check: str, detail: str, *, at: datetime) -> str:
    """Return one line such as ``gpu: gpu-xid: Xid 79 on GPU 3 (2026-11-22T02:33Z) [cd:1f3a9c0e]``.

    The token in brackets is the same for the same text, so that one scontrol can put it on
    many nodes.
    """
    said = safe_text(detail, MOST_DETAIL)
    name = json.dumps((prefix, check, said, at.isoformat()))
    token = uuid.uuid5(_NAMESPACE, name).hex[:8]
    middle = f"{check}: {said}" if said else check
    return f"{prefix}: {middle} ({at.astimezone(UTC):%Y-%m-%dT%H:%MZ}) [cd:{token}]"


def note(entry: Entry) -> str:
    """Return what says of *entry* in a comment: its reason, also where it would reserve."""
    if entry.kind is Kind.RESERVE:
        return line(entry.prefix, entry.check, entry.detail, at=entry.at)
    return entry.text


def added(comment: str, ours: str) -> str:
    """Return *comment* with *ours* behind it; unchanged where it would grow too long."""
    if ours in comment:
        return comment
    whole = f"{comment}{_BETWEEN}{ours}" if comment.strip() else ours
    return whole if len(whole) <= MOST_COMMENT else comment


def removed(comment: str, ours: str) -> str:
    """Return *comment* without *ours*; what else stands there stays as it is."""
    for part in (_BETWEEN + ours, ours + _BETWEEN, ours):
        if part in comment:
            return comment.replace(part, "", 1)
    return comment
