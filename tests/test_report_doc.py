"""docs/report.md says what --json holds, all of it and nothing else."""

import json
import re
from pathlib import Path

import polars as pl
import pytest

from analytics.fleet_facts import NOTHING
from analytics.lemon import Weights
from analytics.past import RESULTS, empty
from analytics.regression import SERIES, VALUES
from analytics.report import Report
from analytics.report_check import CheckAnswers, check_report
from analytics.report_fleet import fleet_report
from analytics.report_json import as_json
from analytics.report_node import NodeAnswers, node_report
from checks.reporting import BANDS, GROUNDS, REACTIONS, RUN
from tests.fleet_story import NOW, RULES, SCOPE, answers, facts_of, no_answers, past_of, story

DOC = (Path(__file__).parents[1] / "docs" / "report.md").read_text()
ROWS = re.findall(r"^\| (`[^|]+`) \| ([^|]+) \| (.+) \|$", DOC.split("## JSON")[1], re.MULTILINE)
RATES = set(re.findall(r"`(\w+)`", DOC.split("The rates are")[1].split("\n")[0]))
WEIGHTS = Weights(node_fail=1, node_fail_rate=1, out=1, fail=1, score=1)


def nothing(schema: pl.Schema) -> pl.DataFrame:
    return pl.DataFrame(schema=schema)


def reports() -> dict[str, Report]:
    """One of each, of the same story."""
    rows = [*story()]
    past, facts = past_of(rows), facts_of(rows)
    check = SCOPE.__class__(
        cluster="alpha", since=SCOPE.since, until=NOW, checks=("storage",), nodes=("n1",)
    )
    return {
        "fleet": fleet_report(
            SCOPE, past, facts, answers(), rules=RULES, weights=WEIGHTS, now=NOW,
            is_current=True,
        ),
        "check": check_report(
            check, past, facts,
            CheckAnswers(
                runs=pl.DataFrame([[None] * len(RUN)], schema=RUN, orient="row"),
                grounds=pl.DataFrame([[None] * len(GROUNDS)], schema=GROUNDS, orient="row"),
            ),
            rules=RULES, now=NOW,
        ),
        "node": node_report(
            check, past, past.series, facts,
            NodeAnswers(
                results=nothing(RESULTS), values=nothing(VALUES), bands=nothing(BANDS),
                reactions=pl.DataFrame([[None] * len(REACTIONS)], schema=REACTIONS, orient="row"),
            ),
            rules=RULES, now=NOW,
        ),
    }  # fmt: skip


def documented(kind: str) -> dict[str, set[str]]:
    """Each key of this report, with the names that its table may have."""
    found: dict[str, set[str]] = {}
    for keys, where, holds in ROWS:
        if kind in where or where == "all":
            names = set(re.findall(r"`(\w+)`", holds.replace("`fleet`, `node` or `check`", "")))
            for against in ("peers", "spread"):
                if f"`{against}_`" in holds:
                    names |= {name.replace("past", against) for name in names if "past" in name}
            rates = RATES if "the rates" in holds else set()
            for key in re.findall(r"`(\w+)`", keys):
                found[key] = names | rates
    return found


@pytest.mark.parametrize("kind", ["fleet", "check", "node"])
def test_every_key_is_documented_and_no_other(kind: str) -> None:
    found = json.loads(as_json(reports()[kind]))
    known = documented(kind)
    assert set(found) == set(known)
    tables = {key: rows for key, rows in found.items() if isinstance(rows, list)}
    for key, rows in tables.items():
        assert rows, key
        missing = {"check_name"} if (kind, key) == ("check", "regressions") else set()
        assert set(rows[0]) | missing == known[key] - {"peers_", "spread_"}, key
    assert set(found["summary"]) == known["summary"], kind


def test_reports_of_nothing_have_the_same_keys() -> None:
    made = fleet_report(
        SCOPE, empty(), NOTHING, no_answers(), rules=[], weights=WEIGHTS, now=NOW, is_current=True
    )
    assert set(json.loads(as_json(made))) == set(documented("fleet"))
    assert nothing(SERIES).is_empty()
