"""What a person may say about reactions that wait, and what is answered to a slip."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from slurm_hooks.approval import approve, discard
from slurm_hooks.errors import ConfigError
from slurm_hooks.journal import CheckEvent, Event, Line, What, Word
from slurm_hooks.record import Outcome
from tests.decisions import MINUTE, NODES, NOW, WIDE, Cluster, case

Say = Callable[..., list[Line]]
both = pytest.mark.parametrize("say", [approve, discard])


def suspended() -> Cluster:
    cluster = Cluster(rails=replace(WIDE, suspect=1))
    cluster.react(case(), case(check="cpu"))
    cluster.react(case(node="n1"), case(node="n2"))
    return cluster


def test_a_check_is_approved_with_a_single_word() -> None:
    cluster = suspended()
    word = CheckEvent(check="gpu", word=Word.APPROVED, at=NOW, by="anna")
    assert approve(cluster.book, "gpu", by="anna", now=NOW) == [word]


def test_a_check_is_discarded_with_all_that_waits_and_none_of_what_was_done() -> None:
    cluster = suspended()
    waiting = [item.entry.id for item in cluster.book.waiting]
    assert len(waiting) == 2
    assert discard(cluster.book, "gpu", by="anna", now=NOW) == [
        CheckEvent(check="gpu", word=Word.DISCARDED, at=NOW, by="anna"),
        *(Event(entry=one, what=What.DISCARDED, at=NOW, by="anna") for one in waiting),
    ]
    cluster.write(discard(cluster.book, "gpu", by="anna", now=NOW))
    assert cluster.held == {"n0"}


def test_discarding_a_check_leaves_its_returns_to_service() -> None:
    cluster = suspended()
    cluster.react(case(Outcome.PASS, at=NOW + MINUTE))
    cluster.write(discard(cluster.book, "gpu", by="anna", now=NOW))
    assert [item.entry.outcome for item in cluster.book.waiting] == [Outcome.PASS]


def test_one_entry_is_named_by_the_beginning_of_its_id() -> None:
    cluster = suspended()
    entry = cluster.book.waiting[0].entry.id
    for say, what in ((approve, What.APPROVED), (discard, What.DISCARDED)):
        event = Event(entry=entry, what=what, at=NOW, by="anna")
        assert say(cluster.book, entry[:6], by="anna", now=NOW) == [event]


def test_what_waits_for_room_can_be_discarded_and_not_approved() -> None:
    cluster = Cluster(rails=replace(WIDE, held=0))
    cluster.react(case())
    (item,) = cluster.book.waiting
    with pytest.raises(ConfigError, match="waits for no person: 0 nodes are held"):
        approve(cluster.book, item.entry.id, by="anna", now=NOW)
    with pytest.raises(ConfigError, match="nothing called 'gpu' is suspended"):
        approve(cluster.book, "gpu", by="anna", now=NOW)
    event = Event(entry=item.entry.id, what=What.DISCARDED, at=NOW, by="anna")
    assert discard(cluster.book, "gpu", by="anna", now=NOW) == [event]


def test_a_return_that_another_check_speaks_against_is_not_approved() -> None:
    cluster = suspended()
    cluster.react(case(Outcome.PASS, at=NOW + MINUTE))
    undo = next(item.entry for item in cluster.book.waiting if item.entry.kind.undoes)
    with pytest.raises(ConfigError, match=r"cpu still speaks .* nodename=n0 state=resume"):
        approve(cluster.book, undo.id, by="anna", now=NOW)


@both
def test_a_name_that_is_none_is_answered_with_the_nearest(say: Say) -> None:
    cluster = suspended()
    with pytest.raises(ConfigError, match=r"nothing called 'gpus' .*did you mean 'gpu'\?"):
        say(cluster.book, "gpus", by="anna", now=NOW)
    with pytest.raises(ConfigError, match="nothing called 'cpu'"):
        say(cluster.book, "cpu", by="anna", now=NOW)
    with pytest.raises(ConfigError, match="nothing called 'gpu'"):
        say(Cluster().book, "gpu", by="anna", now=NOW)


@both
def test_a_name_that_is_several_or_too_short_names_none(say: Say) -> None:
    cluster = Cluster(rails=replace(WIDE, suspect=1))
    cluster.react(*(case(node=node) for node in NODES))
    ids = [item.entry.id for item in cluster.book.waiting]
    with pytest.raises(ConfigError, match="could be any of 6 entries"):
        say(cluster.book, "", by="anna", now=NOW)
    with pytest.raises(ConfigError, match=ids[0]):
        say(cluster.book, ids[0][:3], by="anna", now=NOW)
