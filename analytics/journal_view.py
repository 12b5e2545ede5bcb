"""Reads the journal of reactions on a command's behalf, and says who may."""

import contextlib
import grp
import os
from datetime import UTC, datetime

from slurm_hooks.errors import RecordError, StateError
from slurm_hooks.files import read_regular
from slurm_hooks.journal import Book, fold
from slurm_hooks.journal_file import KEPT, JournalFile
from slurm_hooks.journal_lines import load
from slurm_hooks.places import Places

_MAX_BYTES = 1_000_000_000


def book(places: Places, *, since: datetime | None = None, now: datetime) -> Book:
    """Return what the journal says: all that still matters, and the rest from *since* on.

    Empty where nobody ever reacted.

    Raises:
        StateError: the state directory is not there, or the journal cannot be read; the
            message says who may.
    """
    if not os.path.isdir(places.root):  # noqa: PTH112 Path.is_dir() may raise
        raise StateError(f"{places.root}: there is no such directory; is it mounted?")
    file = JournalFile(places.reactions)
    try:
        if since is None or since >= now - KEPT:  # all that is in the latest file
            return file.read()
        return _since(file, since)
    except StateError as error:
        if isinstance(error.__cause__, PermissionError):
            raise StateError(f"{error}; {_who_may(places)}") from error
        raise


def _since(file: JournalFile, since: datetime) -> Book:
    """Return also what was over before the latest month began; that month has all the rest."""
    first = f"{since.astimezone(UTC):%Y-%m}.jsonl"
    book = Book()
    for path in file.months()[:-1]:
        if path.name >= first:
            try:
                book = fold(load(read_regular(path, limit=_MAX_BYTES)), book)
            except (OSError, RecordError) as error:
                raise StateError(f"{path}: cannot read it: {error}") from error
    latest = file.read()
    return Book(items={**book.items, **latest.items}, checks=latest.checks)


def _who_may(places: Places) -> str:
    group = "the service account"
    with contextlib.suppress(OSError, KeyError):
        group = f"the group {grp.getgrgid(places.reactions.stat().st_gid).gr_name}"
    return f"root and {group} may"
