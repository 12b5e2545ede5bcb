"""What a person says about reactions that wait: the lines that say so. Pure."""

from collections.abc import Sequence
from datetime import datetime

from slurm_hooks.decode import nearest
from slurm_hooks.errors import ConfigError
from slurm_hooks.journal import Book, CheckEvent, Event, Item, Line, What, Word

SHORTEST_ID = 4
"""An entry may be named by so much of its id, if no other begins like that."""


def approve(book: Book, name: str, *, by: str, now: datetime) -> list[Line]:
    """Return what lets go the reactions of a suspended check, or one entry, called *name*.

    A word on a check ends its suspension, and the count of its fails begins anew. A word on
    an entry lets it go although its check is suspected. The next pass acts on either, and
    the caps hold for both: who wants a node out of service at once drains it with scontrol.

    Raises:
        ConfigError: nothing of that name waits for a person.
    """
    if book.suspended(name) is not None:
        return [CheckEvent(check=name, word=Word.APPROVED, at=now, by=by)]
    if any(item.entry.check == name for item in book.waiting):
        raise ConfigError(
            f"nothing called {name!r} is suspended; what waits of it waits for no person"
        )
    entry = _waiting(book, name).entry
    if entry.kind.undoes is not None:
        raise ConfigError(
            f"{entry.id}: {entry.why}; to return {entry.node} all the same, "
            f"run: scontrol update nodename={entry.node} state=resume"
        )
    if book.suspended(entry.check) is None:
        raise ConfigError(f"{entry.id}: it waits for no person: {entry.why}")
    return [Event(entry=entry.id, what=What.APPROVED, at=now, by=by)]


def discard(book: Book, name: str, *, by: str, now: datetime) -> list[Line]:
    """Return what gives up all that waits of the check, or the one entry, called *name*.

    A suspended check is not suspended any more, and the count of its fails begins anew;
    what it has done stays.

    Raises:
        ConfigError: nothing of that name waits.
    """
    suspended = book.suspended(name) is not None
    items = [one for one in book.waiting if one.entry.check == name and not _returns(one)]
    if not suspended and not items:
        items = [_waiting(book, name)]
    given_up = [Event(entry=one.entry.id, what=What.DISCARDED, at=now, by=by) for one in items]
    word = CheckEvent(check=name, word=Word.DISCARDED, at=now, by=by)
    return [word, *given_up] if suspended else [*given_up]


def _returns(item: Item) -> bool:
    """Whether *item* undoes something; that its check is wrong speaks for it."""
    return item.entry.kind.undoes is not None


def _waiting(book: Book, name: str) -> Item:
    """Return the only entry that waits and whose id begins with *name*."""
    waiting = book.waiting
    found = [item for item in waiting if item.entry.id.startswith(name)]
    if len(found) == 1 and len(name) >= SHORTEST_ID:
        return found[0]
    if found:
        ids = ", ".join(sorted(item.entry.id for item in found)[:5])
        raise ConfigError(f"{name!r} could be any of {len(found)} entries that wait: {ids}")
    raise ConfigError(f"nothing called {name!r} waits{nearest(name, _names(book, waiting))}")


def _names(book: Book, waiting: Sequence[Item]) -> list[str]:
    checks = {item.entry.check for item in waiting}
    checks |= {check for check in book.checks if book.suspended(check) is not None}
    return [*sorted(checks), *sorted(item.entry.id for item in waiting)]
