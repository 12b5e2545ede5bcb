"""An ingest may die anywhere: the next one leaves every result there exactly once."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

import pytest

from analytics.clickhouse import ClickHouseStore
from analytics.effects import Disk, Effects
from analytics.embedded import EmbeddedStore
from analytics.history import standings
from analytics.ingest import ingest
from analytics.planned import Planned
from analytics.reaction_row import ReactionRow
from analytics.result import Result
from analytics.snapshot import Snapshot
from analytics.store import Store
from analytics.tables import Table
from slurm_hooks.batch import Submission
from slurm_hooks.journal import Entry, Event, Verdict, What
from slurm_hooks.journal_file import JournalFile
from slurm_hooks.reaction import Kind
from slurm_hooks.record import Evidence, Outcome, dumps
from slurm_hooks.state import State
from slurm_hooks.store_settings import StoreSettings
from tests.clickhouse import ClickHouse
from tests.history_examples import CHECKS, NOW, batch, new_state, put, record
from tests.sweep_examples import sweep_bytes, sweep_file


class Died(BaseException):
    """The process is gone, so nothing of ours may catch it."""


class Mortal:
    """Real effects, of which the last one never happens."""

    def __init__(self, effects: Effects, *, lives: int) -> None:
        self._effects, self._lives = effects, lives

    def _live(self) -> None:
        if self._lives == 0:
            raise Died
        self._lives -= 1

    def append_plans(self, rows: Sequence[Planned]) -> None:
        self._live()
        self._effects.append_plans(rows)

    def mark_recorded(self, batch_id: str) -> None:
        self._live()
        self._effects.mark_recorded(batch_id)

    def append_reactions(self, rows: Sequence[ReactionRow]) -> None:
        self._live()
        self._effects.append_reactions(rows)

    def mark_told(self, revisions: Mapping[str, int]) -> None:
        self._live()
        self._effects.mark_told(revisions)

    def mark_uncompared(self, batch_id: str) -> None:
        self._live()
        self._effects.mark_uncompared(batch_id)

    def append(self, rows: Sequence[Result]) -> None:
        self._live()
        self._effects.append(rows)

    def count(self, rows: Sequence[Result]) -> None:
        self._live()
        self._effects.count(rows)

    def file(self, path: Path, batch_id: str) -> None:
        self._live()
        self._effects.file(path, batch_id)

    def append_told(self, rows: Sequence[tuple[object, ...]], table: Table) -> None:
        self._live()
        self._effects.append_told(rows, table)

    def remove_sweep(self, path: Path) -> None:
        self._live()
        self._effects.remove_sweep(path)

    def forget_told_nodes(self) -> None:
        self._live()
        self._effects.forget_told_nodes()

    def set_aside(self, path: Path, reason: str) -> None:
        self._live()
        self._effects.set_aside(path, reason)

    def tidy(self) -> Sequence[str]:
        self._live()
        return self._effects.tidy()


def _spool(state: State) -> None:
    """A batch without records, and one with: three good, one of Slurm's, one waiting, one odd."""
    for one in (batch(), batch(1)):
        state.write_batch(one)
        state.write_submission(one.id, Submission(job_id=7, submitted_at=one.created_at))
    put(state, *(record(batch(), task) for task in range(3)))
    put(state, record(batch(), 3, outcome=Outcome.NODE_FAIL, evidence=Evidence.SLURM))
    put(state, record(batch(), 0, "memory", outcome=None))
    (state.spool / "odd.json").write_bytes(b"odd")
    state.prepare_reactions()
    journal = JournalFile(state.reactions)
    entry = reaction_entry("n1")
    journal.append([entry], now=NOW)
    journal.append([Event(entry=entry.id, what=What.DONE, at=NOW)], now=NOW)
    for told in (sweep_file(minutes=10), sweep_file(minutes=5)):
        state.sweeps.write(told.file_name, sweep_bytes(told))
    state.sweeps.write("torn.json", sweep_bytes(sweep_file())[:100])
    state.sweeps.note_told(b"{}")


def reaction_entry(node: str) -> Entry:
    """A drain of *node*, as decided."""
    return Entry(
        id=f"drain-{node}", at=NOW, kind=Kind.DRAIN, node=node, check="cpu", result_id="r",
        batch=batch().id, outcome=Outcome.FAIL, judged_at=NOW, detail="hot", prefix="doctor",
        verdict=Verdict.DO, text="doctor: cpu: hot [cd:00000000]",
    )  # fmt: skip


class Kept:
    """State directories, each with a history of its own in one kind of store."""

    program: str
    """What gives the store of a state directory, for a process of its own."""
    environ: Mapping[str, str] = MappingProxyType({})

    def store(self, state: State) -> Store:
        """Return the store that keeps the history of *state*."""
        raise NotImplementedError


class Embedded(Kept):
    """In the state directory."""

    program = "EmbeddedStore(state.history)"

    def store(self, state: State) -> Store:
        """Return it."""
        return EmbeddedStore(state.history)


class InServer(Kept):
    """In a database for each."""

    program = (
        "ClickHouseStore(StoreSettings(path=state.root, host=sys.argv[3], port=int(sys.argv[4]), "
        "secure=bool(int(sys.argv[5])), database=sys.argv[6]))"
    )

    def __init__(self, clickhouse: ClickHouse, stack: ExitStack) -> None:
        self._clickhouse, self._stack = clickhouse, stack
        self._known: dict[Path, StoreSettings] = {}
        self.environ = clickhouse.environ

    def settings(self, state: State) -> StoreSettings:
        """Return where the history of *state* is."""
        if state.root not in self._known:
            self._known[state.root] = self._stack.enter_context(self._clickhouse.database())
        return self._known[state.root]

    def store(self, state: State) -> Store:
        """Return it."""
        store = ClickHouseStore(self.settings(state), environ=self.environ)
        self._stack.callback(store.close)
        return store


@pytest.fixture(params=["embedded", "server"])
def kept(request: pytest.FixtureRequest) -> Iterator[Kept]:
    if request.param == "embedded":
        yield Embedded()
        return
    with ExitStack() as stack:
        yield InServer(request.getfixturevalue("clickhouse"), stack)


def _all(kept: Kept, state: State) -> tuple[object, ...]:
    """Everything that an ingest is there to get right."""
    store = kept.store(state)
    found = store.query("SELECT result_id, node, outcome FROM history ORDER BY node, result_id")
    runs = store.query("SELECT * FROM runs ORDER BY batch, check_name")
    status = dict(standings(store, "alpha"))
    assert status == dict(Snapshot(state.snapshot).standings())
    reactions = store.query(
        "SELECT id, node, check_name, kind, state, done_at, ended_by FROM reactions ORDER BY id"
    )
    told = [
        store.query(f"SELECT * FROM {view} ORDER BY ALL").rows()
        for view in ("sweeps", "nodes", "coverage")
    ]
    return (
        found.rows(),
        runs.rows(),
        reactions.rows(),
        told,
        [path.name for path in state.sweeps.waiting()],
        state.sweeps.told_nodes.exists(),
        sorted(Snapshot(state.snapshot).standings()),
        [path.name for path in state.spooled()],
        state.finished(batch().id),
        sorted(path.name for path in state.aside.iterdir()),
    )


def _ingest(kept: Kept, state: State, *, lives: int = 10_000) -> bool:
    """Whether it came to its end."""
    store = kept.store(state)
    disk = Disk(state, store, cluster="alpha", now=NOW)
    try:
        ingest(state, store, cluster="alpha", now=NOW, effects=Mortal(disk, lives=lives))
    except Died:
        return False
    return True


@pytest.mark.parametrize("late", [False, True])
def test_dying_before_any_effect_and_running_again_is_as_if_nothing_had_happened(
    kept: Kept, tmp_path: Path, *, late: bool
) -> None:
    def more(state: State) -> None:
        """What arrives between the death and the next ingest."""
        if late:
            undone = Event(entry="drain-n1", what=What.UNDONE, at=NOW, by="cpu: pass")
            JournalFile(state.reactions).append([undone], now=NOW)
            put(state, record(batch(), 3, outcome=Outcome.FAIL, ago=timedelta(minutes=9)))
            put(state, record(batch(), 1, "memory"))

    whole = new_state(tmp_path / "whole")
    _spool(whole)
    assert _ingest(kept, whole)
    more(whole)
    assert _ingest(kept, whole)
    expected = _all(kept, whole)

    wanted = ("drain-n1", "n1", "cpu", "drain", "undone" if late else "done", NOW)
    assert kept.store(whole).query(
        "SELECT id, node, check_name, kind, state, done_at FROM reactions"
    ).rows() == [wanted]
    lives, finished = 0, False
    while not finished:
        state = new_state(tmp_path / f"died-{lives}")
        _spool(state)
        finished = _ingest(kept, state, lives=lives)
        more(state)
        assert _ingest(kept, state)
        assert _all(kept, state) == expected, f"died before effect {lives}"
        lives += 1
    # plans, 2 marks, reactions, a mark, set aside, append, count, a mark, 4 files; what sweeps told
    # of nodes is forgotten, a torn file of theirs set aside, 3 tables, 2 files; tidying, last
    assert lives == 22


def test_dying_again_and_again_ends_with_the_same(kept: Kept, tmp_path: Path) -> None:
    whole, state = new_state(tmp_path / "whole"), new_state(tmp_path / "state")
    _spool(whole)
    _spool(state)
    _ingest(kept, whole)
    for lives in (0, 1, 2, 3, 4, 5, 4, 5, 3, 1):
        _ingest(kept, state, lives=lives)
    assert _ingest(kept, state)
    assert _all(kept, state) == _all(kept, whole)


PROGRAM = """
import sys
from datetime import datetime
from pathlib import Path
from analytics.clickhouse import ClickHouseStore
from analytics.ingest import ingest
from analytics.embedded import EmbeddedStore
from slurm_hooks.state import State
from slurm_hooks.store_settings import StoreSettings
state = State(Path(sys.argv[1]))
now = datetime.fromisoformat(sys.argv[2])
print("go", flush=True)
print(ingest(state, STORE, cluster="alpha", now=now))
"""


def test_kill_9_at_random_moments_loses_nothing_and_doubles_nothing(
    kept: Kept, tmp_path: Path
) -> None:
    state = new_state(tmp_path)
    plan = batch(nodes=100)
    state.write_batch(plan)
    expected = {(f"n{task}", check) for task in range(100) for check in CHECKS}
    for task in range(100):
        for check in CHECKS:
            one = record(plan, task, check)
            (state.spool / one.file_name).write_bytes(dumps(one))
    dice = random.Random(9)
    killed = 0
    for _ in range(5):
        program = PROGRAM.replace("STORE", kept.program)
        command = [sys.executable, "-c", program, str(state.root), NOW.isoformat()]
        if isinstance(kept, InServer):
            store = kept.settings(state)
            command += [store.host, str(store.port), str(int(store.secure)), store.database]
        environ = {**os.environ, **kept.environ}
        with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "go\n"
            time.sleep(dice.random() * (0.3 if isinstance(kept, Embedded) else 1.2))
            process.send_signal(signal.SIGKILL)
            killed += process.wait(timeout=60) == -signal.SIGKILL
    assert killed
    assert _ingest(kept, state)
    found = kept.store(state).query("SELECT node, check_name FROM history").rows()
    assert len(found) == len(expected)
    assert {*found} == expected
    assert {key for key, _ in Snapshot(state.snapshot).standings()} == expected
    assert state.spooled() == []
