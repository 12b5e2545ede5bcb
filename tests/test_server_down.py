"""While the server is down everything goes on but what must ask it; then it catches up."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from analytics.clickhouse import ClickHouseStore
from analytics.history import KeptHistory, standings
from analytics.ingest import Ingested, ingest
from analytics.snapshot import Snapshot
from slurm_hooks.batch import Submission
from slurm_hooks.errors import StoreError
from slurm_hooks.state import State
from slurm_hooks.store_settings import StoreSettings
from tests.clickhouse import ClickHouse, start
from tests.command_line import Site, new_site
from tests.history_examples import CHECKS, NOW, batch, put, record


@dataclass
class Down:
    """A site with a server of its own, which can be stopped."""

    site: Site
    front: ClickHouse
    settings: StoreSettings

    @property
    def state(self) -> State:
        return self.site.state

    @property
    def store(self) -> ClickHouseStore:
        return ClickHouseStore(self.settings, environ=self.front.environ)

    def ingest(self) -> Ingested:
        store = self.store
        done = ingest(self.state, store, cluster="alpha", now=NOW)
        store.close()
        return done

    def run(self, *arguments: str) -> tuple[int, str]:
        done = self.site.run(*arguments, **self.front.environ)
        assert "Traceback" not in done.output
        return done.exit_code, done.output


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    with start(tmp_path_factory.mktemp("front")) as made:
        yield made


@pytest.fixture
def down(front: ClickHouse, tmp_path: Path) -> Iterator[Down]:
    """A server that has the results of a first batch, and stands still."""
    site = new_site(tmp_path)
    with front.database() as settings:
        with site.settings.open("a") as file:
            file.write(
                f'[store]\nurl = "{settings.url}"\ndatabase = "{settings.database}"\n'
                'connect_timeout = "1s"\n'
            )
        made = Down(site, front, settings)
        _submit(made.state, 0)
        assert made.ingest().results == 8
        front.stop()
        yield made
        if front.process is not None and front.process.poll() is not None:
            front.restart()


def _submit(state: State, number: int) -> None:
    """A batch with all of its records."""
    plan = batch(number)
    state.write_batch(plan)
    state.write_submission(plan.id, Submission(job_id=7, submitted_at=plan.created_at))
    put(state, *(record(plan, task, check) for task in range(4) for check in CHECKS))


def test_days_without_a_server_wait_in_the_spool_and_are_caught_up_with(down: Down) -> None:
    for day in range(1, 5):
        _submit(down.state, day)
        code, said = down.run("ingest")
        assert code == 1
        assert said.count("\n") == 1
        assert f"{down.settings.url}: nothing listens there" in said
        assert "nothing is lost: the records stay in the spool" in said
        assert len(down.state.spooled()) == 8 * day
    down.front.restart()
    assert down.ingest().results == 32
    assert down.state.spooled() == []
    store = down.store
    assert store.rows("SELECT count() FROM history") == [(40,)]
    assert store.rows("SELECT count(), sum(ended) FROM runs") == [(10, 40)]
    assert dict(standings(store, "alpha")) == dict(Snapshot(down.state.snapshot).standings())
    store.close()


def test_status_and_the_planner_need_the_snapshot_alone(down: Down) -> None:
    code, said = down.run("status")
    assert code == 0
    assert "8 checks: 8 pass" in said
    known = KeptHistory(down.state, down.store, cluster="alpha").last()
    assert len(known) == 8


def test_nothing_is_planned_where_neither_snapshot_nor_server_can_tell(down: Down) -> None:
    down.state.snapshot.unlink()
    history = KeptHistory(down.state, down.store, cluster="alpha")
    with pytest.raises(StoreError, match="so nothing is planned") as caught:
        history.last()
    assert "nothing listens there" in str(caught.value)
    assert "cluster-doctor ingest --rebuild" in str(caught.value)
    with pytest.raises(StoreError, match="nothing listens there"):
        history.judged(["storage"])


def test_a_lost_snapshot_is_made_anew_from_the_server(down: Down) -> None:
    before = dict(Snapshot(down.state.snapshot).standings())
    down.state.snapshot.unlink()
    code, said = down.run("status")
    assert code == 1
    assert "cluster-doctor ingest --rebuild" in said
    assert down.run("ingest", "--rebuild")[0] == 1
    down.front.restart()
    assert KeptHistory(down.state, down.store, cluster="alpha").last().keys() == before.keys()
    assert down.run("ingest", "--rebuild")[0] == 0
    assert dict(Snapshot(down.state.snapshot).standings()) == before


@pytest.mark.parametrize("command", ["history", "runs"])
def test_what_asks_the_history_says_in_one_line_that_it_does_not_answer(
    down: Down, command: str
) -> None:
    code, said = down.run(command)
    assert code == 1
    assert said.count("\n") == 1
    assert f"{down.settings.url}: nothing listens there" in said


def test_a_server_that_goes_away_between_two_questions_comes_back_to_the_same_store(
    down: Down,
) -> None:
    down.front.restart()
    store = down.store
    assert store.rows("SELECT count() FROM history") == [(8,)]
    down.front.stop()
    with pytest.raises(StoreError, match=r"nothing listens there|closed the connection"):
        store.rows("SELECT count() FROM history")
    down.front.restart()
    assert store.rows("SELECT count() FROM history") == [(8,)]
    assert list(store.tidy(now=NOW + timedelta(days=1))) == []
    store.close()
