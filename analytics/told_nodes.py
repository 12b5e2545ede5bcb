"""What was last written of each node: a small file that sweeps keep, and may lose at any time."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from analytics.node_changes import Written
from slurm_hooks.decode import DecodeError, decode
from slurm_hooks.files import read_regular

_MAX_BYTES = 100_000_000


def read_told_nodes(path: Path) -> dict[str, Written]:
    """Return what was last written of each node; nothing where *path* is missing or damaged.

    All nodes are written again then.
    """
    try:
        found = decode(dict[str, tuple[str, ...]], json.loads(read_regular(path, limit=_MAX_BYTES)))
        return {
            node: Written(digest, datetime.fromtimestamp(int(at) / 1000, UTC))
            for node, (digest, at) in found.items()
        }
    except (OSError, ValueError, OverflowError, RecursionError, DecodeError):
        return {}


def told_nodes(written: Mapping[str, Written]) -> bytes:
    """Return what `read_told_nodes` reads."""
    found = {
        node: (one.digest, str(round(one.at.timestamp() * 1000))) for node, one in written.items()
    }
    return json.dumps(found).encode()
