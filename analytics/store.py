"""The history: what every store of it does, and which one the settings ask for."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from analytics.answer import Answer
from analytics.engine import NONE
from analytics.tables import RESULTS, Table
from slurm_hooks.places import Places
from slurm_hooks.settings import Settings

if TYPE_CHECKING:
    import polars as pl

    from analytics.embedded import EmbeddedStore


class Store(Protocol):
    """Where results are kept. Every method raises StoreError when it is refused."""

    @property
    def refused(self) -> Sequence[str]:
        """One line for each thing that the last question had to leave out."""
        ...

    def append(self, rows: "pl.DataFrame", table: Table = RESULTS) -> None:
        """Add *rows* to *table*, all or none; adding rows again changes no view."""
        ...

    def rows(self, sql: str, parameters: Mapping[str, object] = NONE) -> list[tuple[object, ...]]:
        """Return the rows of *sql*, which may read the tables and every view in sql/.

        ``{name:Type}`` in it stands for a parameter. Times come back aware, in UTC.
        """
        ...

    def query(self, sql: str, parameters: Mapping[str, object] = NONE) -> "pl.DataFrame":
        """Return the same as a frame."""
        ...

    def answer(self, sql: str) -> Answer:
        """Return the answer to one statement of somebody else's, as it is.

        It is run where the engine or the server lets nothing be changed, and no setting.
        What else it must not do, `analytics.guard` has looked for.
        """
        ...

    def untouched(self) -> bool:
        """Whether it can be told without an engine that nothing was ever written."""
        ...

    def tidy(self, *, now: datetime) -> Sequence[str]:
        """Do what keeps questions quick and the history no longer than the retention.

        Returns a line for each thing that is in the way.
        """
        ...

    def rebuild(self) -> None:
        """Make anew what the views rest on besides the rows; the embedded store has no such."""
        ...

    def close(self) -> None:
        """Let connections and engines go."""
        ...


def open_store(settings: Settings) -> Store:
    """Return the store that *settings* ask for; connects to nothing yet."""
    if settings.store.embedded:
        return embedded(settings)
    from analytics.clickhouse import ClickHouseStore  # noqa: PLC0415 it knows this module

    return ClickHouseStore(settings.store)


def embedded(settings: Settings) -> "EmbeddedStore":
    """Return the store in the state directory, whichever the settings ask for."""
    from analytics.embedded import EmbeddedStore  # noqa: PLC0415 it knows this module

    return EmbeddedStore(Places(settings.state_dir).history, retention=settings.store.retention)
