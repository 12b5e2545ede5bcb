"""Which nodes may be visited now, and of each other one: why not. Pure."""

from collections.abc import Collection
from dataclasses import replace
from enum import StrEnum

from slurm_hooks.slurm_text import Node


class Verdict(StrEnum):
    """What a plan says of a node."""

    DUE = "due"
    """Visited by this plan."""
    FRESH = "fresh"
    """Every check has a proof young enough."""
    WAITING = "waiting"
    """Something is stale, but its next try is not yet due, or its dependency has not passed."""
    OVER_LIMIT = "over-limit"
    """Due, but not in this sweep: as many visits as allowed are planned or under way."""
    IN_BATCH = "in-batch"
    """A visit is under way."""
    BUSY = "busy"
    """Users' jobs have it, or are about to."""
    DRAINED = "drained"
    UNAVAILABLE = "unavailable"
    """Down, reserved, rebooting or not responding."""
    EXCLUDED = "excluded"
    """By the settings, by its partitions, or because no check is for it."""


_HARMLESS_FLAGS = frozenset({"CLOUD", "DYNAMIC_NORM"})
"""They say where a node comes from. Any other flag, known to us or not, keeps us away."""

_FLAGS = {
    "COMPLETING": (Verdict.BUSY, "the last job is still ending"),
    "PLANNED": (Verdict.BUSY, "a waiting job is about to get it"),
    "NOT_RESPONDING": (Verdict.UNAVAILABLE, "it does not respond"),
    "MAINTENANCE": (Verdict.UNAVAILABLE, "it is in a maintenance reservation"),
    "RESERVED": (Verdict.UNAVAILABLE, "it is reserved"),
    "FAIL": (Verdict.UNAVAILABLE, "it is marked as failing"),
}


_OURS_INSIDE = frozenset({"RESERVED", "MAINTENANCE", "PLANNED"})
"""What Slurm shows of a node in our reservation, whose only job is our visit."""


def inside(node: Node) -> Node:
    """Return *node* as a visit finds it that runs in our reservation of this node."""
    return replace(node, flags=node.flags - _OURS_INSIDE)


def kept_out(node: Node, names: Collection[str]) -> Node:
    """Return *node* as reserved where *names* has it: slurmctld shows that some seconds late."""
    return replace(node, flags=node.flags | {"RESERVED"}) if node.name in names else node


def why_not_free(node: Node) -> tuple[Verdict, str] | None:
    """Return what keeps *node* from being visited, or None where it is free.

    Free is base state IDLE and none of DRAIN, MAINTENANCE, RESERVED, PLANNED,
    NOT_RESPONDING, COMPLETING, FAIL, REBOOT* and POWER* (``sinfo -t idle`` is not
    that: it lists drained and reserved nodes too).
    """
    if "DRAIN" in node.flags:
        return Verdict.DRAINED, _drained(node)
    for flag, found in _FLAGS.items():
        if flag in node.flags:
            return found
    if node.state in {"ALLOCATED", "MIXED"}:
        return Verdict.BUSY, f"jobs run on it ({node.state})"
    if node.state != "IDLE":
        reason = f": {node.reason}" if node.reason else ""
        return Verdict.UNAVAILABLE, f"Slurm shows {node.state}{reason}"
    unknown = sorted(node.flags - _HARMLESS_FLAGS)
    if unknown:
        return Verdict.UNAVAILABLE, f"Slurm shows IDLE+{'+'.join(unknown)}"
    return None


def _drained(node: Node) -> str:
    who = f" by {node.reason_user}" if node.reason_user else ""
    since = f" since {node.reason_at:%Y-%m-%d %H:%M} UTC" if node.reason_at else ""
    return f"drained{who}{since}: {node.reason or 'no reason given'}"
