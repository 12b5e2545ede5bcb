"""A synthetic fleet's nodes as Slurm has them while nothing happens to them."""

from collections.abc import Sequence

from slurm_hooks.slurm_text import Node
from tests.fleet import Fleet

RACK = 40
"""So many nodes stand in one rack."""

MAIN, GPU, DEBUG, OURS = "main", "gpu", "debug", "background"
_DEBUG_EVERY = 125

_CPUS = (128, 96, 64)
_MEMORY_MB = (515_584, 2_063_360, 1_031_168)
_GRES = ("", "gpu:h100:8(S:0-1)", "gpu:l40s:4(S:0-1)")
_FEATURES = (("epyc", "hdr"), ("xeon", "ndr"), ("epyc", "hdr"))


def nodes(fleet: Fleet) -> Sequence[Node]:
    """Return each node of *fleet*, in order."""
    return [
        Node(
            name=name,
            state="IDLE",
            cpus=_CPUS[kind],
            real_memory_mb=_MEMORY_MB[kind] - number % 3,
            gres=_GRES[kind],
            features=(*_FEATURES[kind], f"rack{number // RACK:02}"),
            partitions=_partitions(number, kind),
        )
        for number, (name, kind) in enumerate(zip(fleet.names, fleet.hardware, strict=True))
    ]


def _partitions(number: int, kind: int) -> tuple[str, ...]:
    gpu = (GPU,) if kind else ()
    debug = (DEBUG,) if number % _DEBUG_EVERY == 0 else ()
    return (MAIN, *gpu, *debug, OURS)
