"""A person's word on reactions: in the reactor's turn, written down first, and acted upon."""

import json
import os
import pwd
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from analytics.reactions_cli import decided
from analytics.word import Decision, Heard, hear
from slurm_hooks.approval import approve, discard
from slurm_hooks.errors import ConfigError, SlurmError, StateError
from slurm_hooks.journal import CheckEvent, What, Word
from slurm_hooks.lease import turn
from slurm_hooks.react_cli import told
from slurm_hooks.reaction import Reacting
from slurm_hooks.reactor import react
from slurm_hooks.record import Outcome
from tests.command_line import new_site
from tests.reaction_examples import give_slurm, put_journal
from tests.reactions import DRAIN, ROOM, Clinic, clinic

DRAINS = Reacting(on_fail=(DRAIN,))


@pytest.fixture
def suspected(tmp_path: Path) -> Clinic:
    """A check that failed on two nodes, where one is suspicious already."""
    made = clinic(tmp_path, more=ROOM + "suspect = 1\n")
    made.tell(made.batch(["n0", "n1"], DRAINS), Outcome.FAIL)
    made.react()
    assert len(made.book.waiting) == 2
    assert made.drained() == {}
    return made


def _hear(world: Clinic, decide: Decision, name: str) -> Heard:
    return hear(world.reactor(), decide, name, by="alice", react=react, patience_s=0.3)


def test_an_approval_is_written_down_with_its_author_and_acted_upon_at_once(
    suspected: Clinic,
) -> None:
    heard = _hear(suspected, approve, "gpu-xid")
    assert sorted(suspected.drained()) == ["n0", "n1"]
    word = suspected.book.checks["gpu-xid"]
    assert (word.word, word.by) == (Word.APPROVED, "alice")
    said = [*decided(heard.lines), *told(heard.reacted, heard.book)]
    assert said[0] == "gpu-xid: approved"
    assert {"n0: drain for gpu-xid: done", "n1: drain for gpu-xid: done"} <= set(said)


def test_what_is_discarded_is_never_done(suspected: Clinic) -> None:
    heard = _hear(suspected, discard, "gpu-xid")
    assert decided(heard.lines) == ["gpu-xid: discarded", "2 waiting: discarded"]
    assert suspected.react().problems == ()
    assert suspected.drained() == {}
    assert {event.by for item in suspected.book.items.values() for event in item.events} == {
        "alice"
    }
    assert suspected.book.waiting == []


def test_one_of_many_may_be_given_up_by_its_id(suspected: Clinic) -> None:
    first = suspected.items("n0")[0].entry.id
    _hear(suspected, discard, first)
    assert [item.entry.node for item in suspected.book.waiting] == ["n1"]


def test_what_does_not_wait_is_an_error_and_changes_nothing(suspected: Clinic) -> None:
    before = [path.read_bytes() for path in suspected.journal.months()]
    with pytest.raises(ConfigError, match="nothing called 'gpu-xjd' waits"):
        _hear(suspected, approve, "gpu-xjd")
    assert [path.read_bytes() for path in suspected.journal.months()] == before


def test_while_another_pass_is_under_way_nothing_is_decided(suspected: Clinic) -> None:
    with (
        turn(suspected.state.reactor_turn, clock=suspected.tick, stale_after=timedelta(minutes=2)),
        pytest.raises(StateError, match=r"under way .* nothing was decided: try again"),
    ):
        _hear(suspected, approve, "gpu-xid")
    assert suspected.book.suspended("gpu-xid") is not None
    _hear(suspected, approve, "gpu-xid")
    assert suspected.book.suspended("gpu-xid") is None


def test_a_word_outlives_a_slurmctld_that_does_not_answer(suspected: Clinic) -> None:
    suspected.nodes.up = False
    with pytest.raises(SlurmError):
        _hear(suspected, approve, "gpu-xid")
    suspected.nodes.up = True
    suspected.react()
    assert sorted(suspected.drained()) == ["n0", "n1"]
    assert not any(
        event.what is What.DISCARDED
        for item in suspected.book.items.values()
        for event in item.events
    )


def test_only_slurm_s_account_may_decide_and_the_message_says_how(tmp_path: Path) -> None:
    site = new_site(tmp_path)
    give_slurm(site, "")
    with site.settings.open("a") as file:
        file.write('[reactions]\nslurm_user = "no-such-user"\n')
    done = site.run("reactions", "approve", "gpu")
    assert done.exit_code == 1
    assert "there is no user 'no-such-user' on this host" in done.stderr


def test_the_command_says_what_was_decided(tmp_path: Path) -> None:
    site, now = new_site(tmp_path), datetime.now(UTC)
    give_slurm(site, "")
    with site.settings.open("a") as file:
        file.write(f'[reactions]\nslurm_user = "{pwd.getpwuid(os.geteuid()).pw_name}"\n')
    word = CheckEvent(check="nccl", word=Word.SUSPENDED, at=now, detail="nccl failed on 6 nodes")
    put_journal(site.state, [word], now=now)
    done = site.run("reactions", "discard", "nccl", SUDO_USER="alice")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "nccl: discarded\n"
    written = next(site.state.reactions.glob("*.jsonl")).read_text().splitlines()[-1]
    assert json.loads(written)["check"]["by"] == "alice"
    assert "suspended" not in site.run("reactions").stdout
