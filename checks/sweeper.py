"""What a sweep works with."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from analytics.history import History
from analytics.ingest import Ingested
from checks.catalogue import Catalogue
from slurm_hooks.settings import Settings
from slurm_hooks.slurm import Slurm
from slurm_hooks.state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweeper:
    """What a sweep works with; each field is a wall or a value, so tests pass their own."""

    settings: Settings
    slurm: Slurm
    state: State
    catalogue: Catalogue
    history: History
    ingest: Callable[[datetime, Collection[str]], Ingested]
    """Moves what of the spool was compared with Slurm's word into the history."""
    script: Callable[[str], str]
    """The job script of a batch, by its id."""
    tell: Callable[[], Sequence[str]] = tuple
    """Delivers notices of reactions, bounded; returns what a person should know of them."""
