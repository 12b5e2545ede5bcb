"""One node at one sweep as a row of `node_states`, written where something about it changed."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import NamedTuple

from analytics.holder import Holder
from analytics.node_lines import Proof
from slurm_hooks.oneline import one_line
from slurm_hooks.slurm_text import Node

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

WRITTEN_AGAIN = timedelta(days=1)
"""So old the latest row of a node may become, whatever happens to the node: retention forgets
rows, not nodes, and whoever wants all nodes need not look further back."""

GONE = "gone"
"""The verdict on a node that Slurm does not show any more."""

_ANY_TIME = datetime.min.replace(tzinfo=UTC)

_SPEAKING = frozenset({"excluded"})
"""Verdicts whose detail is a fact of its own. In that of others are ages, which change by
themselves, or it says in words what other columns have."""


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


class Written(NamedTuple):
    """What was last written of a node."""

    digest: str
    at: datetime


def node_state(
    node: Node,
    *,
    cluster: str,
    seen_at: datetime,
    verdict: str,
    detail: str,
    holder: Holder,
    hardware: str,
    proof: Proof,
) -> NodeState:
    """Return the row of *node*."""
    return NodeState(
        cluster=cluster,
        node=node.name,
        seen_at=seen_at,
        state=node.state,
        flags=tuple(sorted(node.flags)),
        verdict=verdict,
        detail=one_line(detail),
        reason=node.reason,
        reason_user=node.reason_user,
        reason_at=node.reason_at,
        holder=holder.text,
        holder_kind=holder.kind.value,
        held_since=holder.since,
        partitions=node.partitions,
        features=node.features,
        gres=node.gres,
        cpus=node.cpus,
        memory_mb=node.real_memory_mb,
        hardware=hardware,
        failing=proof.failing,
        latest_proof=proof.latest,
        oldest_proof=proof.oldest,
        checks=proof.checks,
    )


def changed(
    rows: Iterable[NodeState],
    written: Mapping[str, Written],
    *,
    cluster: str,
    now: datetime,
) -> tuple[list[NodeState], dict[str, Written]]:
    """Return those of *rows*, one for each node there is, to be written; and what is written then.

    A node that was *written* and is not among *rows* gets a last row.
    """
    found, known = [], {}
    for row in rows:
        told, before = digest(row), written.get(row.node)
        if before is None or before.digest != told or _is_old(before, now):
            found.append(row)
            before = Written(told, now)
        known[row.node] = before
    gone = sorted(written.keys() - known.keys())
    last = [NodeState(cluster=cluster, node=name, seen_at=now) for name in gone]
    return found + last, known


def _is_old(before: Written, now: datetime) -> bool:
    """Whether it was long ago; also where the clock was set back since."""
    return not timedelta(0) <= now - before.at < WRITTEN_AGAIN


def digest(row: NodeState) -> str:
    """Return what is the same for two rows of a node that tell the same of it."""
    detail = row.detail if row.verdict in _SPEAKING else ""
    same = row._replace(seen_at=_ANY_TIME, detail=detail)
    return hashlib.blake2b(repr(tuple(same)).encode(errors="replace"), digest_size=8).hexdigest()
