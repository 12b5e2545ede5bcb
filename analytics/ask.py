"""Asks the history on a command's behalf: lazily, and what is not read is named on stderr."""

from collections.abc import Mapping

import click

from analytics.history import is_new
from analytics.store import open_store
from slurm_hooks.cli import App


def ask(app: App, sql: str, bound: Mapping[str, object]) -> list[tuple[object, ...]]:
    """Return the rows; an untouched state directory has nothing to load an engine for.

    Raises:
        StoreError: the history does not answer.
    """
    store = open_store(app.settings)
    if is_new(app.state, store):
        return []
    found = store.rows(sql, bound)
    for line in store.refused:
        warn(line)
    return found


def warn(text: str | None) -> None:
    """Say on one line of stderr what a person should know, if there is anything."""
    if text:
        click.echo(f"cluster-doctor: warning: {' '.join(text.split())}", err=True)
