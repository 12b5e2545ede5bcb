"""The settings' caps as numbers of nodes. Pure."""

from collections import Counter
from collections.abc import Sequence
from math import floor

from slurm_hooks.room import Rails
from slurm_hooks.settings import ReactionMode, ReactionSettings
from slurm_hooks.slurm_text import Node


def rails(settings: ReactionSettings, nodes: Sequence[Node]) -> Rails:
    """Return how much may be done on a cluster of *nodes*; a share is rounded down, to 1 at least.

    A cap of 0 means none at all.
    """
    sizes = Counter(name for node in nodes for name in node.partitions)
    return Rails(
        shadow=settings.mode is ReactionMode.SHADOW,
        held=_of(settings.max_held, len(nodes)),
        held_in={name: _of(settings.max_held_in_partition, size) for name, size in sizes.items()},
        taken=_of(settings.max_taken, len(nodes)),
        window=settings.window,
        suspect=_of(settings.suspect, len(nodes)),
        suspect_window=settings.suspect_window,
        oldest=settings.max_result_age,
    )


def _of(number: int | float, size: int) -> int:
    if isinstance(number, int):
        return number
    return max(1, floor(round(size * number, 6)))  # 29 % of 100 is 29, not 28.999999999999996
