"""One pass of the reactor: what nobody considered yet is decided, written down, and done."""

import contextlib
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from slurm_hooks.acts import carry_out, drifted
from slurm_hooks.errors import StateError
from slurm_hooks.files import read_regular
from slurm_hooks.journal import Book, Line, fold
from slurm_hooks.journal_file import JournalFile
from slurm_hooks.lease import turn
from slurm_hooks.node_control import NodeCommands, NodeControl
from slurm_hooks.oneline import one_line
from slurm_hooks.ownership import check_reactor, pinned
from slurm_hooks.policy import Case, decide
from slurm_hooks.rails import rails
from slurm_hooks.settings import ReactionMode, Settings
from slurm_hooks.state import State
from slurm_hooks.unseen import MOST, Seen, Told
from slurm_hooks.verified import verifications
from slurm_hooks.verify import Ward, go_on
from slurm_hooks.verify_wanted import (
    in_shadow,
    soon_reserved,
    wanted_by_age,
    wanted_by_command,
    wanted_by_leftover,
    wanted_by_marker,
)

_PASSES = 100
"""So often it looks again at most: it ends, however fast new results come."""

_STALE_AFTER = timedelta(minutes=2)
"""A pass takes a second; one on another host that has not ended by then is dead."""

_LOOK_AGAIN_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Reactor:
    """What a pass works with; each field is a wall or a value, so tests pass their own."""

    settings: Settings
    state: State
    control: NodeControl
    journal: JournalFile
    seen: Seen
    clock: Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reacted:
    """What one pass did."""

    lines: Sequence[Line] = ()
    """All that was written down, in order."""
    problems: Sequence[str] = ()
    """What could not be done; the next pass tries again."""
    taken_by: str = ""
    """Who else reacts just now; that one looks again when it is done."""
    more: bool = False
    """Whether there was more to consider than one pass takes."""


def react(reactor: Reactor) -> Reacted:
    """Consider every judged result that was not considered; killed anywhere, the next completes it.

    Where another pass is under way, this one leaves it a sign and ends: whoever gives the
    turn back looks for signs after that, so none is lost.

    Raises:
        StateError: the journal or the state directory cannot be read or written; nothing
            is done then that is not written down.
        SlurmError: slurmctld does not answer.
    """
    with reactor.state.real_names():
        return _react(reactor)


def _react(reactor: Reactor) -> Reacted:
    state = reactor.state
    sign = _leave_sign(state)
    done = Reacted()
    for _ in range(_PASSES):
        with turn(state.reactor_turn, clock=reactor.clock, stale_after=_STALE_AFTER) as ours:
            if ours.taken_by:
                return done if done.lines or done.problems else Reacted(taken_by=ours.taken_by)
            found = _pass(reactor)
        done = Reacted(
            lines=(*done.lines, *found.lines), problems=(*done.problems, *found.problems)
        )
        latest = _sign(state)
        if found.problems or (latest == sign and not found.more):
            break
        sign = latest
    return done


def _pass(reactor: Reactor) -> Reacted:
    unseen = reactor.seen.unseen()
    book = reactor.journal.read()
    written = _Written(reactor, book)
    rules = reactor.settings.reactions
    if rules.mode is ReactionMode.OFF:  # what is half done is brought to its end
        return written.result(go_on(_ward(reactor, written)) if verifications(book) else ())
    if not (unseen or _any_open(book) or rules.verify_marker):
        return Reacted()
    _carry_out(reactor, written)  # what a pass that was killed left, before it is taken for lost
    nodes, reservations = reactor.control.nodes(), reactor.control.reservations()
    now, user = reactor.clock(), reactor.settings.service_user
    started_at = reactor.control.started_at
    written.add(drifted(written.book, nodes, reservations, started_at=started_at, now=now))
    partitions = {node.name: node.partitions for node in nodes}
    cases = [_case(told) for told in reactor.seen.told(unseen) if told.record.node in partitions]
    written.add(
        decide(
            cases,
            written.book,
            partitions,
            rails(rules, nodes),
            now=now,
        )
    )
    reactor.seen.mark(unseen)
    if unseen:
        reactor.seen.tidy(now=now)
    problems = _carry_out(reactor, written)
    written.add(wanted_by_leftover(book, nodes, reservations, user=user, now=now))
    wanted = [
        *wanted_by_marker(written.book, nodes, rules.verify_marker, now=now),
        *wanted_by_age(written.book, nodes, rules.verify_after, now=now),
    ]
    written.add(in_shadow(wanted) if rules.mode is ReactionMode.SHADOW else wanted)
    problems = [*problems, *go_on(_ward(reactor, written))]
    more = sum(map(len, unseen.values())) >= MOST
    return replace(written.result(problems), more=more)


def _carry_out(reactor: Reactor, written: "_Written") -> Sequence[str]:
    """Do what is unfinished, in shadow nothing; returns what Slurm refused."""
    if reactor.settings.reactions.mode is not ReactionMode.ON:
        return ()
    user = reactor.settings.service_user
    done = carry_out(reactor.control, written.book, user=user, clock=reactor.clock)
    written.add(done.events)
    return done.problems


def ask_to_verify(
    reactor: Reactor, names: Sequence[str], *, by: str, patience_s: float = 30.0
) -> dict[str, str]:
    """Write down that *names* are to be verified; returns those that cannot be, with the reason.

    `react` does it then.

    Raises:
        StateError: somebody else reacts for longer than *patience_s*, or the journal cannot be
            read or written.
        SlurmError: slurmctld does not answer.
    """
    ends_at = time.monotonic() + patience_s
    while True:
        with turn(
            reactor.state.reactor_turn, clock=reactor.clock, stale_after=_STALE_AFTER
        ) as ours:
            if not ours.taken_by:
                return _ask(reactor, names, by=by)
        if time.monotonic() > ends_at:
            raise StateError(f"somebody else reacts just now ({ours.taken_by}); try again")
        time.sleep(_LOOK_AGAIN_S)


def _ask(reactor: Reactor, names: Sequence[str], *, by: str) -> dict[str, str]:
    nodes, now = reactor.control.some_nodes(names), reactor.clock()
    reserved = soon_reserved(reactor.control.reservations(), now=now)
    entries, refused = wanted_by_command(reactor.journal.read(), nodes, reserved, by=by, now=now)
    reactor.journal.append(entries, now=now)
    unknown = set(names) - {node.name for node in nodes}
    return refused | dict.fromkeys(sorted(unknown), "Slurm has no such node")


def _ward(reactor: Reactor, written: "_Written") -> Ward:
    return Ward(
        control=reactor.control,
        pages=written,
        seen=reactor.seen,
        user=reactor.settings.service_user,
        marker=reactor.settings.reactions.verify_marker,
        clock=reactor.clock,
    )


class _Written:
    """What this pass wrote down; the book is what the journal says with it."""

    def __init__(self, reactor: Reactor, book: Book) -> None:
        self._reactor, self.book = reactor, book
        self._lines: list[Line] = []

    def add(self, lines: Iterable[Line]) -> None:
        """Write *lines* down, for good."""
        found = list(lines)
        self._reactor.journal.append(found, now=self._reactor.clock())
        self.book = fold(found, self.book)
        self._lines.extend(found)

    def result(self, problems: Sequence[str]) -> Reacted:
        """Return what this pass did."""
        return Reacted(lines=tuple(self._lines), problems=tuple(problems))


def _any_open(book: Book) -> bool:
    return any(not item.over for item in book.items.values())


def _case(told: Told) -> Case:
    record, batch = told.record, told.batch
    program = batch.program(record.check)
    visit = next(one for one in batch.visits if one.task == record.task)
    return Case(
        record=replace(record, detail=one_line(record.detail)),
        reacting=program.reacting,
        earlier=visit.earlier.get(record.check, ()),
    )


def _leave_sign(state: State) -> bytes:
    """Say that there is something new to look at; returns the sign."""
    sign = os.urandom(8).hex().encode()
    try:
        state.reactor_sign.write_bytes(sign)
    except OSError as error:
        raise StateError(f"{state.reactor_sign}: cannot write it: {error.strerror}") from error
    return sign


def _sign(state: State) -> bytes:
    with contextlib.suppress(OSError):
        return read_regular(state.reactor_sign, limit=100)
    return b""


def make_reactor(settings: Settings, *, service_uid: int) -> Reactor:
    """Return a reactor with the real walls.

    Raises:
        ConfigError, StateError: as `check_reactor`; or there is no directory for the
            journal, and none can be made.
    """
    check_reactor(settings, service_uid=service_uid)
    state = State(settings.state_dir)
    state.make_reactions()
    state = pinned(state, "reactions")
    with state.real_names():
        state.prepare_reactions()
    return Reactor(
        settings=settings,
        state=state,
        control=NodeCommands(
            bin_dir=settings.slurm_bin,
            conf=settings.slurm_conf,
            timeout_s=settings.slurm_timeout.total_seconds(),
        ),
        journal=JournalFile(state.reactions),
        seen=Seen(state.considered, state, service_uid=service_uid),
        clock=lambda: datetime.now(UTC),
    )
