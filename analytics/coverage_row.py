"""How far one check was proven at one sweep, as a row of `coverage_samples`."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import NamedTuple

COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "cluster": "String",
        "at": "DateTime64(3, 'UTC')",
        "check_name": "String",
        "max_age_s": "Float64",
        "nodes": "UInt32",
        "proven": "UInt32",
        "failing": "UInt32",
        "never": "UInt32",
        "oldest_proof": "Nullable(DateTime64(3, 'UTC'))",
        "debt": "Map(String, Float64)",
        "preempted": "UInt32",
        "preempted_most": "UInt32",
    }
)
"""Each column's ClickHouse type; the frames' types are derived from these."""


class CoverageRow(NamedTuple):
    """A row. `checks.coverage` makes it; suspended checks have none."""

    cluster: str
    at: datetime
    """When the sweep began."""
    check_name: str
    max_age_s: float
    nodes: int
    """Nodes that the check is for."""
    proven: int
    """Of them, those that it judged within its max_age: what a plan calls fresh."""
    failing: int
    """Of them, those whose latest judgement is fail, however old."""
    never: int
    """Of them, those that it never judged."""
    oldest_proof: datetime | None
    """Of the nodes' latest judgements the oldest; None where there is none."""
    debt: Mapping[str, float]
    """How many nodes are not proven, by what the plan says of the node."""
    preempted: int
    """Nodes that are not proven and whose latest attempt gave way to a user's job."""
    preempted_most: int
    """How often in a row that happened on one of them, at most; no more than eight are counted."""
