"""What a person or a program sees of `history`, and of `ingest`."""

import csv
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from analytics.embedded import EmbeddedStore
from analytics.frame import frame
from analytics.question import Wanted, question
from analytics.result import Result
from slurm_hooks.batch import Batch
from slurm_hooks.record import Evidence, Outcome
from tests.command_line import Site, new_site
from tests.history_examples import NOW, batch, put, record, row

WINDOW = ("-S", "2030-01-02T11:00", "-E", "2030-01-02T13:00")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    made = new_site(tmp_path_factory.mktemp("site"))
    rows = [
        row("a", node="n10", minute=0),
        row("b", node="n2", minute=1, outcome=Outcome.FAIL)._replace(detail="\x1b[31mno|space\n"),
        row("c", node="n3", check="memory", minute=2, outcome=Outcome.PREEMPTED),
        row("d", node="n3", minute=600),
        row("e", node="n4", minute=3, outcome=Outcome.NODE_FAIL, evidence=Evidence.SLURM),
        row("e", node="n4", minute=4, outcome=Outcome.WARN),
        row("f", node="n4", minute=5)._replace(cluster="another"),
    ]
    store = EmbeddedStore(made.state.history)
    store.append(frame(rows[:5]))
    store.append(frame(rows[3:]))
    return made


def _lines(site: Site, *arguments: str) -> Sequence[str]:
    done = site.run("history", *arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_results_come_in_the_order_they_ended_each_once(site: Site) -> None:
    assert _lines(site, *WINDOW) == [
        "FINISHED             NODE  CHECK    OUTCOME    DURATION   JOB  DETAIL",
        "2030-01-02T12:00:00  n10   storage  pass           6.0s  4711  a pass",
        r"2030-01-02T12:01:00  n2    storage  fail           6.0s  4711  \x1b[31mno|space\n",
        "2030-01-02T12:02:00  n3    memory   preempted      6.0s  4711  c preempted",
        "2030-01-02T12:04:00  n4    storage  warn           6.0s  4711  e warn",
    ]


@pytest.mark.parametrize(
    ("arguments", "nodes"),
    [
        (["-r"], ["n4", "n3", "n2", "n10"]),
        (["-N", "n[2-3]"], ["n2", "n3"]),
        (["-N", "n4,n10"], ["n10", "n4"]),
        (["-c", "memory"], ["n3"]),
        (["-s", "fail,WARN"], ["n2", "n4"]),
        (["-s", "node_fail"], []),
        (["-X"], ["n10", "n2", "n3", "n4"]),
        (["-S", "2030-01-02T12:01", "-E", "2030-01-02T12:02"], ["n2", "n3"]),
        (["-E", "now+3650days"], ["n10", "n2", "n3", "n4", "n3"]),
    ],
)
def test_options_choose_results(site: Site, arguments: list[str], nodes: list[str]) -> None:
    assert _lines(site, *WINDOW, "-n", "-o", "node", *arguments) == nodes


def test_a_state_does_not_empty_the_window_as_it_does_in_sacct(site: Site) -> None:
    asked = ["-n", "-o", "node", "-S", "2030-01-02T11:00", "-E", "2030-01-02T13:00"]
    assert _lines(site, *asked, "-s", "fail") == ["n2"]


def test_by_default_it_is_the_last_day(tmp_path: Path) -> None:
    made = new_site(tmp_path)
    now = datetime.now(UTC)
    rows = [
        row(f"h{hours}", node=f"n{hours}")._replace(finished_at=now - timedelta(hours=hours))
        for hours in (1, 23, 25)
    ]
    EmbeddedStore(made.state.history).append(frame(rows))
    assert _lines(made, "-n", "-o", "node") == ["n23", "n1"]
    assert _lines(made, "-n", "-o", "node", "-E", "now-2hours") == ["n25", "n23"]
    assert _lines(made, "-n", "-o", "node", "-s", "pass", "-S", "now-30hours") == [
        "n25",
        "n23",
        "n1",
    ]


def test_programs_get_every_field_of_every_result(site: Site) -> None:
    found = json.loads("\n".join(_lines(site, *WINDOW, "--json")))
    assert [one["detail"][:1] for one in found] == ["a", "\x1b", "c", "e"]
    assert len({one["result"] for one in found}) == 4
    assert found[1]["detail"] == "\x1b[31mno|space\n"
    assert found[0]["metrics"] == {"write_bytes_per_s": 1.5e9}
    assert found[0]["finished"] == "2030-01-02T12:00:00.000Z"
    rows = [*csv.DictReader(_lines(site, *WINDOW, "--csv"))]
    assert [one["result"] for one in rows] == [one["result"] for one in found]
    assert rows[0]["metrics"] == '{"write_bytes_per_s": 1500000000.0}'


def test_sacct_s_field_names_are_known(site: Site) -> None:
    asked = "JobID,NodeList,State,ExitCode,Start,End,Elapsed"
    assert _lines(site, *WINDOW, "-P", "-N", "n10", "-o", asked) == [
        "JOB|NODE|OUTCOME|EXIT|STARTED|FINISHED|DURATION",
        "4711|n10|pass|0|2030-01-02T11:54:54|2030-01-02T12:00:00|6.0s",
    ]


def test_nothing_found_is_a_header_and_no_failure(site: Site, tmp_path: Path) -> None:
    header = ["FINISHED  NODE  CHECK  OUTCOME  DURATION  JOB  DETAIL"]
    assert _lines(site, *WINDOW, "-N", "n99") == header
    assert _lines(site, *WINDOW, "-n", "-N", "n99") == []
    assert _lines(new_site(tmp_path)) == header


def test_a_damaged_segment_is_named_on_stderr_and_the_rest_is_shown(
    tmp_path: Path,
) -> None:
    made = new_site(tmp_path)
    for name, node in (("a", "n1"), ("b", "n2")):
        EmbeddedStore(made.state.history).append(frame([row(name, node=node)]))
    segments = sorted((made.state.history / "results").glob("*.parquet"))
    bad = next(path for path in segments if "n2" in pl.read_parquet(path)["node"])
    bad.write_bytes(bad.read_bytes()[:-100])
    done = made.run("history", *WINDOW, "-n", "-o", "node")
    assert (done.exit_code, done.stdout) == (0, "n1\n")
    assert f"warning: {bad}: not read: it has" in done.stderr
    assert "1 rows of results are not shown; put it back from a backup" in done.stderr


def test_the_question_s_columns_are_a_result_s(site: Site) -> None:
    wanted = Wanted(cluster="alpha", since=NOW, until=NOW)
    found = EmbeddedStore(site.state.history).query(*question(wanted))
    assert tuple(found.columns) == Result._fields


def _recent() -> Batch:
    shift = datetime.now(UTC) - NOW
    return replace(batch(), created_at=batch().created_at + shift, start_by=NOW + shift)


def test_ingest_says_what_it_did_and_names_what_it_set_aside(tmp_path: Path) -> None:
    made = new_site(tmp_path)
    of = _recent()
    ago = NOW - datetime.now(UTC) + timedelta(minutes=5)
    made.state.write_batch(of)
    put(made.state, record(of, ago=ago), record(of, 1, outcome=None, ago=ago))
    (made.state.spool / "odd.json").write_bytes(b"odd")
    done = made.run("ingest")
    assert done.exit_code == 0
    assert done.stdout == (
        "1 result ingested, 1 record waiting for Slurm's word, 1 file set aside\n"
    )
    assert f"warning: {made.state.spool / 'odd.json'}: set aside in " in done.stderr
    assert _lines(made, "-n", "-o", "node,outcome") == ["n0  pass"]
    made.state.snapshot.write_bytes(b"damaged")
    assert made.run("ingest", "--rebuild").exit_code == 0
    assert "1 check: 1 pass" in made.run("status").stdout


def test_the_whole_program_answers_from_the_history(site: Site) -> None:
    done = site.start("history", *WINDOW, "-n", "-o", "node")
    assert (done.returncode, done.stdout.split()) == (0, ["n10", "n2", "n3", "n4"])
