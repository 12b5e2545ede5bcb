"""Asks the history on a command's behalf: lazily, and what is not read is named on stderr."""

import contextlib
import signal
from collections.abc import Iterator, Mapping

import click

from slurm_hooks.cli import App
from slurm_hooks.oneline import one_line

_MOST = 2_000
"""Characters of a warning; a file's name or content may be in it."""


def ask(app: App, sql: str, bound: Mapping[str, object]) -> list[tuple[object, ...]]:
    """Return the rows; an untouched state directory has nothing to load an engine for.

    Raises:
        StoreError: the history does not answer.
    """
    from analytics.history import is_new  # noqa: PLC0415 of `status`, only `warn` is needed
    from analytics.store import open_store  # noqa: PLC0415

    store = open_store(app.settings)
    if is_new(app.places, store):
        return []
    with interruptible():
        found = store.rows(sql, bound)
    for line in store.refused:
        warn(line)
    return found


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C end the process at once while the engine works, which would not listen to Python.

    For those who only read: nothing is tidied up.
    """
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def nothing_yet(app: App) -> bool:
    """Whether nothing was ever recorded, so that a missing snapshot is no fault.

    Raises:
        StoreError: the state directory is not there, or cannot be listed.
    """
    from analytics.history import is_new  # noqa: PLC0415 a snapshot that is there needs no store
    from analytics.store import open_store  # noqa: PLC0415

    return is_new(app.places, open_store(app.settings))


def warn(text: str | None) -> None:
    """Say on one line of stderr what a person should know, if there is anything."""
    if text:
        click.echo(f"cluster-doctor: warning: {one_line(text, _MOST)}", err=True)
