"""Takes a person's word on reactions: into the journal, in the reactor's turn; then it reacts."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from slurm_hooks.errors import StateError
from slurm_hooks.journal import Book, Line, fold
from slurm_hooks.lease import turn

if TYPE_CHECKING:
    from slurm_hooks.reactor import Reacted, Reactor

PATIENCE_S = 10.0
"""So long somebody at a terminal waits for a pass that is under way; it takes a second or two."""

_STALE_AFTER = timedelta(minutes=2)
"""As the reactor has it."""
_LOOK_AGAIN_S = 0.1

_Decided = tuple[Book, list[Line]]


class Decision(Protocol):
    """What a word does to a book: the lines to write down."""

    def __call__(self, book: Book, name: str, *, by: str, now: datetime) -> list[Line]:
        """Return the lines; raises ConfigError where nothing of *name* is to be decided."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """What came of a word."""

    book: Book
    """What the journal says with it."""
    lines: Sequence[Line]
    """What was written down of it."""
    reacted: "Reacted"
    """What the pass after it did."""


def hear(
    reactor: "Reactor",
    decide: Decision,
    name: str,
    *,
    by: str,
    react: Callable[["Reactor"], "Reacted"],
    patience_s: float = PATIENCE_S,
) -> Heard:
    """Write down what *decide* says of *name*, a check or a reaction's id, and let it be done.

    Must run as SlurmUser.

    Raises:
        ConfigError: nothing of *name* waits to be decided.
        StateError: another pass did not end in time, or the journal cannot be written;
            nothing was decided.
        SlurmError: it is decided, and slurmctld does not answer; the next pass does it.
    """
    book, lines = _in_turn(reactor, patience_s, lambda: _decided(reactor, decide, name, by))
    return Heard(book=book, lines=lines, reacted=react(reactor))


def _decided(reactor: "Reactor", decide: Decision, name: str, by: str) -> _Decided:
    now, book = reactor.clock(), reactor.journal.read()
    lines = decide(book, name, by=by, now=now)
    reactor.journal.append(lines, now=now)
    return fold(lines, book), lines


def _in_turn(reactor: "Reactor", patience_s: float, act: Callable[[], _Decided]) -> _Decided:
    ends_at = time.monotonic() + patience_s
    while True:
        with turn(
            reactor.state.reactor_turn, clock=reactor.clock, stale_after=_STALE_AFTER
        ) as ours:
            if not ours.taken_by:
                return act()
        if time.monotonic() >= ends_at:
            raise StateError(
                f"another pass of the reactor is under way ({ours.taken_by}), and did not end "
                f"within {patience_s:g} s; nothing was decided: try again"
            )
        time.sleep(_LOOK_AGAIN_S)
