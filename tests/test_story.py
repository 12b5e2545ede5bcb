"""What reports and dashboards both ask is answered alike, whatever chooses the rows."""

from datetime import timedelta
from pathlib import Path

import pytest

from analytics import story
from analytics.embedded import EmbeddedStore
from analytics.frame import frame, plan_frame
from analytics.planned import planned
from analytics.result import Result
from analytics.tables import BATCHES
from slurm_hooks.outcome import Outcome
from tests.history_examples import NOW, batch, row

OURS = "cluster = 'alpha'"


@pytest.fixture
def store(tmp_path: Path) -> EmbeddedStore:
    return EmbeddedStore(tmp_path)


def ended(
    number: int, outcome: Outcome, detail: str = "", *, metrics: dict[str, float] | None = None
) -> Result:
    made = row(str(number), node=f"n{number}", check="gpu", outcome=outcome)
    return made._replace(
        cluster="alpha", detail=detail, metrics=metrics or {},
        finished_at=NOW - timedelta(minutes=number),
    )  # fmt: skip


def test_reasons_come_the_commonest_first_without_passes_and_no_more_than_asked(
    store: EmbeddedStore,
) -> None:
    store.append(
        frame([
            ended(1, Outcome.FAIL, "b"), ended(2, Outcome.FAIL, "a"), ended(3, Outcome.FAIL, "b"),
            ended(4, Outcome.ERROR, "a"), ended(5, Outcome.PASS, "fine"),
        ])
    )  # fmt: skip
    found = [(line[1], line[2], line[3]) for line in store.rows(story.grounds(OURS))]
    assert found == [("fail", "b", 2), ("error", "a", 1), ("fail", "a", 1)]
    assert len(store.rows(story.grounds(OURS, most=2))) == 2


def test_the_pass_rate_is_of_what_judged_and_nothing_where_nothing_did(
    store: EmbeddedStore,
) -> None:
    asked = f"SELECT {story.PASS_RATE} FROM history WHERE {OURS}"
    store.append(frame([ended(1, Outcome.ERROR)]))
    assert store.rows(asked) == [(None,)]
    store.append(frame([ended(2, Outcome.PASS), ended(3, Outcome.FAIL), ended(4, Outcome.SKIP)]))
    assert store.rows(asked) == [(0.5,)]


def test_values_are_those_that_a_judged_result_measured(store: EmbeddedStore) -> None:
    store.append(
        frame([
            ended(1, Outcome.PASS, metrics={"speed": 4.0, "size": 1.0}),
            ended(2, Outcome.ERROR, metrics={"speed": 5.0}),
        ])
    )  # fmt: skip
    asked = story.values(OURS, "metric = 'speed'", more=", cluster")
    assert [(line[0], line[2], line[4], line[5]) for line in store.rows(asked)] == [
        ("n1", "speed", 4.0, "alpha")
    ]


def test_the_newest_batches_are_those_that_were_planned_or_have_a_result(
    store: EmbeddedStore,
) -> None:
    old, told, new = batch(1), batch(2), batch(3)
    for one in (old, new):
        store.append(plan_frame(planned(one, None)), BATCHES)
    store.append(frame([ended(1, Outcome.PASS)._replace(batch=told.id)]))
    assert [*store.rows(story.newest_batches(OURS, 2))] == [(new.id,), (told.id,)]
    assert len(store.rows(story.newest_batches(OURS, 9))) == 3
    assert store.rows(story.newest_batches("cluster = 'beta'", 9)) == []
