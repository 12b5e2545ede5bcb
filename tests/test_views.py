"""A question makes the views that it is made of, and no others."""

import pytest

from analytics.views import VIEWS, mentioned, view

TABLES = ("results", "batches", "reaction_states")
ALL = {name: view(name) for name in VIEWS}


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("SELECT * FROM results", ["results"]),
        ("SELECT 'history' FROM batches", ["batches", "history"]),
        ("SELECT * FROM store.visits AS v", ["history", "visits"]),
        ("SELECT * FROM reactions", ["reaction_states", "reactions"]),
        ("SELECT historyless, statuses FROM results", ["results"]),
    ],
)
def test_a_view_brings_what_it_is_made_of(sql: str, names: list[str]) -> None:
    assert [name for name in mentioned(sql, TABLES, ALL) if name in names] == names
    assert len(mentioned(sql, TABLES, ALL)) < len(TABLES) + len(VIEWS)


def test_runs_bring_their_batches_and_their_visits() -> None:
    assert {"batches", "history", "visits", "runs"} <= {*mentioned("runs", TABLES, ALL)}


@pytest.mark.parametrize("sql", ["SELECT 1", "SHOW TABLES", "SELECT * FROM system.columns", ""])
def test_who_asks_what_there_is_sees_all_of_it(sql: str) -> None:
    assert mentioned(sql, TABLES, ALL) == [*TABLES, *VIEWS]
