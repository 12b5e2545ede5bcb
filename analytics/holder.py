"""Who keeps a node from its users; pure."""

import re
from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

from slurm_hooks.journal import Item
from slurm_hooks.reaction import Kind
from slurm_hooks.slurm_text import Node

_OUT = {"DOWN", "ERROR", "UNKNOWN", "FUTURE"}
_KEPT = {"DRAIN", "FAIL", "NOT_RESPONDING", "INVALID_REG"}
_RESERVED = {"RESERVED", "MAINTENANCE"}
_OURS = re.compile(r".*\[cd:[0-9a-f]{8}\]")


class HolderKind(StrEnum):
    """What kind of somebody holds a node."""

    NOBODY = ""
    CHECK = "check"
    """We do, because of a check."""
    USER = "user"
    """Who drained it or set it down by hand."""
    SLURM = "slurm"
    RESERVATION = "reservation"
    """One that is not ours."""
    UNKNOWN = "unknown"
    """slurmctld does not answer."""


class Holder(NamedTuple):
    """Who holds a node, and since when."""

    kind: HolderKind
    name: str = ""
    """Of the check or the user."""
    since: datetime | None = None

    @property
    def text(self) -> str:
        """What a person reads."""
        match self.kind:
            case HolderKind.CHECK:
                return f"check {self.name}"
            case HolderKind.USER:
                return self.name
            case HolderKind.SLURM:
                return "Slurm"
            case HolderKind.RESERVATION:
                return "a reservation"
            case HolderKind.UNKNOWN:
                return "?"
            case HolderKind.NOBODY:
                return ""


def holder(node: Node, items: Iterable[Item], *, slurm_user: str) -> Holder:
    """Return who holds *node*; *items* is what the journal has open there.

    A drain is ours where its reason reads exactly as we wrote it. slurmctld signs its own
    with SlurmUser's name. That a node is reserved it shows only after some seconds, so for
    our reservations the journal's word is enough.
    """
    items = list(items)
    if node.state in _OUT or node.flags & _KEPT:
        return _who_took(node, items, slurm_user)
    ours = by_journal(item for item in items if item.entry.kind is Kind.RESERVE)
    if ours.kind is HolderKind.CHECK:
        return ours
    return Holder(HolderKind.RESERVATION) if node.flags & _RESERVED else Holder(HolderKind.NOBODY)


def by_journal(items: Iterable[Item], *, otherwise: HolderKind = HolderKind.NOBODY) -> Holder:
    """Return who holds a node as far as the journal knows."""
    for item in items:
        if item.holds and item.carried_out is not None:
            return Holder(HolderKind.CHECK, item.entry.check, item.carried_out.at)
    return Holder(otherwise)


def _who_took(node: Node, items: Iterable[Item], slurm_user: str) -> Holder:
    for item in items:
        if item.entry.kind is Kind.DRAIN and node.reason and item.entry.text == node.reason:
            return Holder(HolderKind.CHECK, item.entry.check, node.reason_at)
    if not node.reason_user:
        return Holder(HolderKind.SLURM, since=node.reason_at)
    if node.reason_user == slurm_user and not _OURS.fullmatch(node.reason):
        return Holder(HolderKind.SLURM, since=node.reason_at)
    # Also what reads as ours and the journal does not know: SlurmUser wrote it.
    return Holder(HolderKind.USER, node.reason_user, node.reason_at)
