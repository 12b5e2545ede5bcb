"""Plans the visits of nodes that are being verified: what spoke against them, and all it needs."""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from analytics.history import Last
from checks.catalogue import Catalogue
from checks.due import Key
from checks.eligible import inside
from checks.ondemand import ask, chosen_catalogue
from checks.sweep import Observation, make_rules, observe
from checks.sweeper import Sweeper
from checks.written import write_down
from slurm_hooks.batch import Verifying
from slurm_hooks.errors import ClusterDoctorError
from slurm_hooks.journal import Book, Item
from slurm_hooks.journal_file import JournalFile
from slurm_hooks.opened import read_open_batches
from slurm_hooks.outcome import Outcome
from slurm_hooks.reaction import Kind
from slurm_hooks.slurm_text import Node
from slurm_hooks.unseen import Seen
from slurm_hooks.verified import Standing, judge, ready_at, verdict, verifications
from slurm_hooks.verify import visits_of

_SPEAKS = (Kind.DRAIN, Kind.RESERVE, Kind.COMMENT)


def plan_verifications(sweeper: Sweeper, *, clock: Callable[[], datetime]) -> list[str]:
    """Write down a batch for each node that is ready to be verified and waits for a visit.

    The sweep that follows submits them, before its own. Returns a line for each node that
    cannot be visited now, and for what keeps all of them; the next sweep tries again.
    """
    try:
        book = JournalFile(sweeper.state.reactions).read()
        waiting = [item for item in verifications(book) if _is_ready(item)]
        if not waiting:
            return []
        seen, last = observe(sweeper), sweeper.history.last()
        found = (_plan(sweeper, seen, item, book, last, now=clock()) for item in waiting)
        return [note for note in found if note]
    except ClusterDoctorError as error:
        return [f"no node can be verified now: {error}"]


def _is_ready(item: Item) -> bool:
    return ready_at(item) is not None and verdict(item) is None


def _plan(
    sweeper: Sweeper,
    seen: Observation,
    item: Item,
    book: Book,
    last: Mapping[Key, Last],
    *,
    now: datetime,
) -> str:
    """Write down the next batch of verification *item*, if one is due; returns why none can be."""
    name, state = item.entry.node, sweeper.state
    visits = visits_of(Seen(state.considered, state, service_uid=os.geteuid()), item)
    judged = judge(visits)
    node = next((one for one in seen.nodes if one.name == name), None)
    if judged.standing is not Standing.AGAIN or node is None:
        return ""
    there = Observation(
        nodes=[inside(one) if one is node else one for one in seen.nodes], queue=seen.queue
    )
    begun = visits[-1].batch.verifying if visits else None
    needed = to_verify(sweeper, node, book, last, begun.checks if begun else (), now=now)
    wanted = {name: frozenset(judged.left) & needed or needed}
    opened = read_open_batches(state)
    asked = ask(sweeper, there, opened, wanted, patient=False, now=now)
    chosen = replace(sweeper, catalogue=chosen_catalogue(sweeper.catalogue, wanted))
    for planned in asked.plan.batches:
        verifying = Verifying(
            entry=item.entry.id, reservation=item.entry.text, checks=tuple(sorted(needed))
        )
        batch = write_down(chosen, planned, last=last, now=now)
        state.write_batch(replace(batch, verifying=verifying))
        return ""
    why = {one.why for one in (*asked.left_out, *asked.postponed)} or {"no check is for it"}
    return f"{name} cannot be verified now: {'; '.join(sorted(why))}"


def to_verify(
    sweeper: Sweeper,
    node: Node,
    book: Book,
    last: Mapping[Key, Last],
    begun: Sequence[str],
    *,
    now: datetime,
) -> frozenset[str]:
    """Return the checks that must pass on *node*, of those that are for it.

    That is what speaks against it, in the journal or in the history, with all that those
    depend on. Where nothing does, it is every check but those that only ever skipped it.
    A verification that has *begun* with some goes on with them.
    """
    rules = make_rules(sweeper.settings, sweeper.catalogue, [node], first_seen=None, now=now)
    fit = frozenset(rule.name for rule in rules if node.name in rule.nodes)
    speaking = {item.entry.check for item in book.on_node(node.name) if item.entry.kind in _SPEAKS}
    failed = {name for name in fit if _judged(last, node, name) is Outcome.FAIL}
    if fit & set(begun):
        return fit & set(begun)
    against = _with_dependencies(fit & (speaking | failed), sweeper.catalogue) & fit
    return against or frozenset(name for name in fit if not _only_skipped(last, node, name))


def _judged(last: Mapping[Key, Last], node: Node, check: str) -> Outcome | None:
    found = last.get((node.name, check))
    return found.judged if found else None


def _only_skipped(last: Mapping[Key, Last], node: Node, check: str) -> bool:
    found = last.get((node.name, check))
    return found is not None and found.judged is None and found.attempt is Outcome.SKIP


def _with_dependencies(names: Iterable[str], catalogue: Catalogue) -> frozenset[str]:
    needs: Mapping[str, Sequence[str]] = {one.name: one.depends_on for one in catalogue.active}
    found = list(names)
    for name in found:
        found.extend(other for other in needs.get(name, ()) if other not in found)
    return frozenset(found)
