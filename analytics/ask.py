"""Asks the history on a command's behalf: lazily, and what is not read is named on stderr."""

from collections.abc import Mapping

import click

from analytics.history import is_new
from slurm_hooks.state import State


def ask(state: State, sql: str, bound: Mapping[str, object]) -> list[tuple[object, ...]]:
    """Return the rows; an untouched state directory has nothing to load an engine for.

    Raises:
        StoreError: the history does not answer.
    """
    if is_new(state):
        return []
    from analytics.store import EmbeddedStore  # noqa: PLC0415 loads Polars and the engine

    store = EmbeddedStore(state.history)
    found = store.query(sql, bound)
    for line in store.refused:
        warn(line)
    return found.rows()


def warn(text: str | None) -> None:
    """Say on one line of stderr what a person should know, if there is anything."""
    if text:
        click.echo(f"cluster-doctor: warning: {' '.join(text.split())}", err=True)
