"""Which rows of nodes are written: where something changed, and all of them once a day. Pure."""

import hashlib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from analytics.holder import Holder
from analytics.node_lines import Proof
from analytics.node_state import NodeState
from slurm_hooks.oneline import one_line
from slurm_hooks.slurm_text import Node

WRITTEN_AGAIN = timedelta(days=1)
"""So old the latest row of a node may become, whatever happens to the node: retention forgets
rows, not nodes, and whoever wants all nodes need not look further back."""

_ANY_TIME = datetime.min.replace(tzinfo=UTC)

_SPEAKING = frozenset({"excluded"})
"""Verdicts whose detail is a fact of its own. In that of others are ages, which change by
themselves, or it says in words what other columns have."""


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
