"""What a report is told of the fleet as it is now, besides its history."""

from dataclasses import dataclass

import polars as pl

from analytics.coverage import PAIRS

NODES: pl.Schema = pl.Schema(
    {
        "node": pl.String(),
        "hardware": pl.String(),
        "state": pl.String(),
        "verdict": pl.String(),
    }
)
"""A node: nodes alike in ``hardware`` are peers; null or empty where that is not known.
``verdict`` is what a plan says of it."""

FAILING: pl.Schema = pl.Schema(
    {
        "node": pl.String(),
        "check_name": pl.String(),
        "judged_at": pl.Datetime("ms", "UTC"),
        "confirmed": pl.Boolean(),
        "detail": pl.String(),
    }
)
"""A pair whose latest judgement is fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """The fleet now."""

    nodes: pl.DataFrame
    """NODES."""
    pairs: pl.DataFrame
    """`analytics.coverage.PAIRS`: what should be proven."""
    failing: pl.DataFrame
    """FAILING."""
    proofs_known: bool = True
    """False where the status snapshot cannot be read: then nothing is said of proofs."""


NOTHING = Facts(
    nodes=pl.DataFrame(schema=NODES),
    pairs=pl.DataFrame(schema=PAIRS),
    failing=pl.DataFrame(schema=FAILING),
)
"""Where nothing is known."""
