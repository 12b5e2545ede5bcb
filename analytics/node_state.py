"""One node at one sweep as a row of `node_states`; `analytics.node_changes` makes it."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "cluster": "String",
        "node": "String",
        "seen_at": "DateTime64(3, 'UTC')",
        "state": "String",
        "flags": "Array(String)",
        "verdict": "String",
        "detail": "String",
        "reason": "String",
        "reason_user": "String",
        "reason_at": "Nullable(DateTime64(3, 'UTC'))",
        "holder": "String",
        "holder_kind": "String",
        "held_since": "Nullable(DateTime64(3, 'UTC'))",
        "partitions": "Array(String)",
        "features": "Array(String)",
        "gres": "String",
        "cpus": "UInt32",
        "memory_mb": "UInt64",
        "hardware": "String",
        "failing": "Array(String)",
        "latest_proof": "Nullable(DateTime64(3, 'UTC'))",
        "oldest_proof": "Nullable(DateTime64(3, 'UTC'))",
        "checks": "UInt32",
    }
)
"""Each column's ClickHouse type; the frames' types are derived from these."""

GONE = "gone"
"""The verdict on a node that Slurm does not show any more."""


class NodeState(NamedTuple):
    """A row."""

    cluster: str
    node: str
    seen_at: datetime
    """When the sweep began."""
    state: str = ""
    """The base state, as scontrol shows it: IDLE, MIXED, DOWN; empty for a node that is gone."""
    flags: tuple[str, ...] = ()
    """Such as DRAIN or NOT_RESPONDING, in alphabetical order."""
    verdict: str = GONE
    """What the plan said of it, as `cluster-doctor plan` says; or gone."""
    detail: str = ""
    """Why, in words, as it was when the row was written."""
    reason: str = ""
    """Of its drain or its being down, from Slurm."""
    reason_user: str = ""
    reason_at: datetime | None = None
    holder: str = ""
    """Who keeps it from its users, as `cluster-doctor nodes` says."""
    holder_kind: str = ""
    """check, user, slurm, reservation or unknown; empty where nobody does."""
    held_since: datetime | None = None
    partitions: tuple[str, ...] = ()
    features: tuple[str, ...] = ()
    gres: str = ""
    cpus: int = 0
    memory_mb: int = 0
    hardware: str = ""
    """Nodes of the same text are of one kind (`analytics.hardware`)."""
    failing: tuple[str, ...] = ()
    """The checks whose latest judgement here is fail."""
    latest_proof: datetime | None = None
    """When a check last judged it."""
    oldest_proof: datetime | None = None
    """Of its checks' latest judgements the oldest."""
    checks: int = 0
    """How many checks ever ran here."""
