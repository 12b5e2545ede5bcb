"""What the sweeps and the reactor of a synthetic fleet told: rows of the four small tables.

All of it follows from the fleet's results; `Planted` names what stands out besides its events.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from slurm_hooks.room import Rails
from tests.fleet import Fleet
from tests.fleet_holds import Hold, by_others
from tests.fleet_nodes import Nodes
from tests.fleet_past import Past, piece
from tests.fleet_reactions import draining, react
from tests.fleet_reactor import holds
from tests.fleet_sweep_rows import SweepRows, coverage_rows
from tests.fleet_times import sweep_times

MOST_DAYS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Planted:
    """What stands out in what sweeps and the reactor told, to be found again."""

    errors: tuple[tuple[datetime, str], ...]
    """When the sweeps began that failed, and with what."""
    gap: tuple[datetime, datetime]
    """The beginnings of the sweeps before and after the time without any."""
    refused: tuple[datetime, ...]
    """When the sweeps began whose batches Slurm did not take."""
    warned: tuple[datetime, ...]
    held: tuple[Hold, ...]
    """Who held which node when: people, Slurm, a reservation, and our own drains."""
    max_ages: dict[str, timedelta]
    rails: Rails
    """What the reactor was bound by."""
    reactions: dict[str, int]
    """How many reactions are in which state in the end."""
    suspected: str
    """The check whose reactions wait for a person; empty: none's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """Rows of four tables, each frame of its table's schema and in the order of time."""

    sweeps: pl.DataFrame
    nodes: pl.DataFrame
    coverage: pl.DataFrame
    reactions: pl.DataFrame
    reacted_at: pl.Series
    """Since when each row of *reactions* is so."""
    planted: Planted


class Telling:
    """Takes a fleet's results, frame by frame, and tells then of the sweeps."""

    def __init__(self, fleet: Fleet, *, days: float | None = None) -> None:
        self._fleet = fleet
        self._days = min(fleet.days, MOST_DAYS) if days is None else days
        self._since = fleet.end - timedelta(days=self._days)
        self._pieces: list[pl.DataFrame] = []

    def take(self, rows: pl.DataFrame) -> None:
        """Keep of some rows of `results` what is needed."""
        self._pieces.append(piece(self._fleet, rows, self._since))

    def told(self) -> Told:
        """Return what was told; all results were taken."""
        fleet, past = self._fleet, Past(self._fleet, self._pieces)
        when = sweep_times(fleet, self._days)
        others = by_others(past, self._days, draining(fleet))
        reacted = react(past, self._since, others)
        held = [*holds(reacted.items), *others]
        at_ms = when.started_ms[when.done]
        nodes = Nodes(past, at_ms, held)
        standings = [past.standing(column, at_ms) for column in range(len(past.checks))]
        for standing in standings:
            nodes.count(standing)
        nodes.close()
        coverage = pl.concat(coverage_rows(one, nodes) for one in standings)
        reactions, reacted_at = reacted.frame(fleet.cluster)
        sweeps = SweepRows(past, when, nodes)
        latest = reactions.sort("revision").group_by("id").last()["state"].value_counts()
        return Told(
            sweeps=sweeps.frame(),
            nodes=nodes.frame(),
            coverage=coverage.sort("at", "check_name"),
            reactions=reactions,
            reacted_at=reacted_at,
            planted=Planted(
                errors=sweeps.failures,
                gap=when.gap,
                refused=sweeps.refused_at,
                warned=sweeps.warned_at,
                held=tuple(held),
                max_ages=dict(past.max_ages),
                rails=reacted.rails,
                reactions=dict(latest.sort("state").iter_rows()),
                suspected=_suspected(reactions),
            ),
        )


def tell(fleet: Fleet, *, days: float | None = None) -> Told:
    """Return what the sweeps of the last *days* of *fleet* told; at most 30 where not given."""
    telling = Telling(fleet, days=days)
    for rows in fleet.frames():
        telling.take(rows)
    return telling.told()


def _suspected(reactions: pl.DataFrame) -> str:
    found = reactions.filter(pl.col("why").str.ends_with("suspect the check or the fabric"))
    return str(found["check_name"][0]) if len(found) else ""
