"""Which nodes are of one kind, from what Slurm knows of them. Pure.

Nodes alike in this text are peers: what one of them measures may be held against the others.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from math import log2

from slurm_hooks.slurm_text import Node

_STEPS = (1.0, 1.25, 1.5, 1.75, 2.0)
"""Memory comes in these times a power of two: 256, 320, 384, 448, 512 GiB."""

_PLACE = re.compile(
    r"(?:rack|row|room|cell|cabinet|cab|chassis|enclosure|encl|blade|slot|switch|sw|leaf|spine|"
    r"island|isle|pod|pdu|building|hall|aisle|position|pos|unit|node|nid|host|asset|serial|sn)"
    r"[-_=:.]?\d[\w.:-]*|[ru]\d\d?",
    re.IGNORECASE,
)
"""A feature that names a place or a single node, such as rack12 or r07; r750 is a model."""

_IN_PARENTHESES = re.compile(r"\([^)]*\)")


def hardware(nodes: Iterable[Node]) -> dict[str, str]:
    """Return the kind of each of *nodes*: ``128 CPUs, 1024 GiB, gpu:h100:8, epyc+hdr``.

    Twins get the same text although slurmd finds some MB more in one of them: memory is given
    as the nearest size that is sold. Where a gres is attached does not count, nor does a feature
    that names a place, or that no other node has.
    """
    nodes = list(nodes)
    bearers = Counter(feature for node in nodes for feature in set(node.features))
    texts: dict[tuple[object, ...], str] = {}  # thousands of nodes are of a few kinds
    found = {}
    for node in nodes:
        key = (node.cpus, node.real_memory_mb, node.gres, node.features)
        if key not in texts:
            texts[key] = _text(node, bearers)
        found[node.name] = texts[key]
    return found


def _text(node: Node, bearers: Mapping[str, int]) -> str:
    gres = sorted(one for one in _IN_PARENTHESES.sub("", node.gres).split(",") if one)
    features = sorted(
        {one for one in node.features if bearers[one] > 1 and not _PLACE.fullmatch(one)}
    )
    memory = memory_text(node.real_memory_mb)
    return ", ".join(
        part for part in (f"{node.cpus} CPUs", memory, ",".join(gres), "+".join(features)) if part
    )


def memory_text(megabytes: int) -> str:
    """Return the nearest size that memory is sold in; nothing where Slurm knows none."""
    if megabytes <= 1:  # slurm.conf's default, for a node whose memory nobody wrote down
        return ""
    whole = 2 ** int(log2(megabytes))
    nearest = min((whole * step for step in _STEPS), key=lambda size: abs(log2(size / megabytes)))
    return f"{nearest / 1024:g} GiB" if nearest >= 1024 else f"{nearest:g} MiB"
