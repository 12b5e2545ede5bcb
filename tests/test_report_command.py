"""`cluster-doctor report`: what it asks the history, and what a person gets."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from analytics import report_question
from analytics.embedded import EmbeddedStore
from analytics.frame import frame, reaction_frame, told_frame
from analytics.past import Past, read_past, read_series
from analytics.reaction_row import ReactionRow
from analytics.report_question import Scope
from analytics.tables import NODES, REACTIONS, SWEEPS
from tests.command_line import Site, new_site
from tests.fleet_story import BAD, NODE_NAMES, RULES, story
from tests.history_examples import NOW
from tests.reaction_examples import give_slurm, shown_node
from tests.sweep_examples import sweep_file

HERE = datetime.now(UTC).replace(microsecond=0)
ROWS = [*story(HERE)]
SCOPE = Scope(cluster="alpha", since=HERE - timedelta(days=90), until=HERE)


def reaction(
    number: int, *, kind: str = "drain", state: str = "done", done: bool = True
) -> ReactionRow:
    """One to n1, so many days ago."""
    at = HERE - timedelta(days=number)
    return ReactionRow(
        id=f"r{number}", revision=1, cluster="alpha", decided_at=at, node="n1",
        check_name="storage", kind=kind, state=state, why="", outcome="fail", judged_at=at,
        detail=BAD, text="doctor", result_id="", batch="", target="",
        done_at=at if done else None, ended_at=None, ended_by="",
    )  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = new_site(tmp_path_factory.mktemp("report"))
    store = EmbeddedStore(made.state.history)
    store.append(frame(ROWS))
    store.append(
        reaction_frame(
            [
                reaction(1),
                reaction(2, state="undone"),
                reaction(3, state="joined"),
                reaction(4, kind="comment"),
                reaction(5, done=False, state="waiting"),
                reaction(200),
            ]
        ),
        REACTIONS,
    )
    shown = [
        shown_node(name, "ALLOCATED" if name == "n9" else "IDLE", partitions="main,background")
        for name in NODE_NAMES
    ]
    give_slurm(made, "".join([*shown, shown_node("n10", partitions="main")]))
    done = made.run("ingest", "--rebuild")
    assert done.exit_code == 0, done.output
    yield made
    store.close()


@pytest.fixture
def store(site: Site) -> Iterator[EmbeddedStore]:
    made = EmbeddedStore(site.state.history)
    yield made
    made.close()


def report(site: Site, *arguments: str) -> dict[str, Any]:
    done = site.run("report", *arguments, "--json")
    assert (done.exit_code, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_the_fleet_is_told_from_what_slurm_the_snapshot_and_the_history_say(site: Site) -> None:
    found = report(site)
    summary = found["summary"]
    assert (summary["nodes"], summary["wanted"], summary["proven"]) == (9, 36, 17)
    assert (summary["failing"], summary["flapping"], summary["lemons"]) == (2, 1, 2)
    coverage = {one["check_name"]: one for one in found["coverage"]}
    assert (coverage["storage"]["wanted"], coverage["storage"]["proven"]) == (9, 8)
    assert coverage["memory"]["never"] == 9
    assert [one["node"] for one in found["failing"]] == ["n1", "n3"]
    assert {one["why"] for one in found["debt"] if one["node"] == "n9"} == {"busy"}
    assert [one["node"] for one in found["flapping"]] == ["n1"]
    lemons = {one["node"]: one for one in found["lemons"]}
    assert (lemons["n1"]["out"], lemons["n4"]["node_fails"]) == (2, 2)
    assert lemons["n4"]["visits"] == 28
    assert {one["check_name"] for one in found["checks"]} == {"cpu", "storage"}


def test_without_slurmctld_what_is_known_is_told_and_what_is_not_is_said(site: Site) -> None:
    give_slurm(site, None)
    try:
        done = site.run("report", "--json")
    finally:
        shown = [shown_node(name, "ALLOCATED" if name == "n9" else "IDLE") for name in NODE_NAMES]
        give_slurm(site, "".join([*shown, shown_node("n10", partitions="main")]))
    assert done.exit_code == 0
    assert "Unable to contact slurm controller" in done.stderr
    found = json.loads(done.stdout)
    assert found["summary"]["wanted"] == 18
    assert [one["node"] for one in found["failing"]] == ["n1", "n3"]


def test_without_a_snapshot_nothing_is_said_of_proofs(site: Site) -> None:
    aside = site.state.snapshot.with_suffix(".aside")
    site.state.snapshot.rename(aside)
    try:
        done = site.run("report", "--json")
    finally:
        aside.rename(site.state.snapshot)
    assert "what is proven is not known" in done.stderr
    assert "ingest --rebuild" in done.stderr
    found = json.loads(done.stdout)
    assert "coverage" not in found
    assert [one["node"] for one in found["flapping"]] == ["n1"]


def test_a_node_that_no_check_may_visit_is_not_owed_a_proof(site: Site) -> None:
    assert "n10" not in {one["node"] for one in report(site)["debt"]}


def test_a_node_is_told_with_its_peers_and_its_reactions(site: Site) -> None:
    found = report(site, "node", "n1")
    assert [one["state"] for one in found["reactions"]] == [
        "done", "undone", "joined", "done", "waiting",
    ]  # fmt: skip
    checks = {one["check_name"]: one for one in found["checks"]}
    assert (checks["storage"]["failures"], checks["storage"]["last_outcome"]) == (7, "fail")
    text = site.run("report", "node", "n1").stdout
    assert "2 CPUs; 9 other nodes are like it" in text


def test_a_check_is_told_with_its_runs_and_why_it_did_not_pass(site: Site) -> None:
    found = report(site, "check", "storage")
    assert len(found["runs"]) == 40
    grounds = {one["outcome"]: one for one in found["grounds"]}
    assert (grounds["fail"]["detail"], grounds["fail"]["nodes"]) == (BAD, 2)
    assert (grounds["node_fail"]["results"], grounds["preempted"]["results"]) == (2, 3)
    assert {one["node"] for one in found["nodes"]} == {"n1", "n3"}


def test_what_is_asked_for_wrongly_is_told_in_a_line(site: Site) -> None:
    for arguments, code, said in (
        (["node"], 2, "report node needs the node's name"),
        (["fleet", "n1"], 2, "report fleet takes no name"),
        (["--json", "--html", "x"], 2, "choose one of --json and --html"),
        (["-S", "now", "-E", "now-1day"], 2, "--starttime is after --endtime"),
        (["check", "storrage"], 1, "there is no check 'storrage' (did you mean 'storage'?)"),
        (["node", "n99"], 1, "neither Slurm nor the history knows a node 'n99'"),
        (["--html", "/nowhere/at/all.html"], 1, "/nowhere/at/all.html: cannot write the report"),
    ):
        done = site.run("report", *arguments)
        assert (done.exit_code, said in done.stderr) == (code, True), done.stderr


def test_a_page_is_written_whole(site: Site, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    for subject in (["fleet"], ["node", "n2"], ["check", "storage"]):
        done = site.run("report", *subject, "--html", str(page))
        assert (done.exit_code, done.stdout, done.stderr) == (0, "", f"{page}: written\n")
        text = page.read_text()
        assert text.startswith("<!doctype html>")
        assert text.endswith("</html>\n")
        assert "<script>" not in text
        assert "<svg" in text


def test_a_new_state_directory_has_a_report_too(tmp_path: Path) -> None:
    made = new_site(tmp_path)
    give_slurm(made, shown_node("n1"))
    found = report(made)
    assert found["summary"]["nodes"] == 1
    assert found["checks"] == []
    assert report(made, "node", "n1")["checks"] == []
    assert report(made, "check", "cpu")["runs"] == []


def test_read_in_parts_a_history_is_the_same(store: EmbeddedStore) -> None:
    recent = HERE - timedelta(days=28)
    whole = read_past(store, SCOPE, RULES, recent=recent)
    parts = read_past(store, SCOPE, RULES, recent=recent, most=50)
    for name in Past.__dataclass_fields__:
        assert_frame_equal(getattr(whole, name), getattr(parts, name), check_exact=False)
    assert_frame_equal(whole.series, read_series(store, SCOPE, RULES))
    assert whole.pairs["results"].sum() == len(ROWS)


def test_bands_are_quantiles_of_a_day(store: EmbeddedStore) -> None:
    found = store.query(*report_question.bands(SCOPE, ["write_bytes_per_s"], 5))
    assert found["at"].dtype == pl.Datetime("ms", "UTC")
    assert all(low <= middle <= high for low, middle, high in found["bounds"].to_list())
    assert found.height in {40, 41}
    assert store.query(*report_question.bands(SCOPE, ["write_bytes_per_s"], 10)).is_empty()


def test_holds_are_those_at_the_end_of_the_time_and_sweeps_the_newest(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path)
    files = [
        sweep_file(minutes=30, nodes=("n0", "n1")),
        sweep_file(minutes=10, nodes=("n1",)),
        sweep_file(minutes=10, cluster="beta"),
    ]
    freed = [node._replace(holder="", holder_kind="") for node in files[1].nodes]
    rows = [*files[0].nodes, *freed, *files[2].nodes]
    store.append(told_frame(rows, NODES), NODES)
    store.append(told_frame([file.sweep for file in files], SWEEPS), SWEEPS)

    def asked(minutes: int) -> tuple[list[str], int]:
        until = NOW - timedelta(minutes=minutes)
        scope = Scope(cluster="alpha", since=until - timedelta(hours=1), until=until)
        held = store.query(*report_question.holds(scope))
        sweeps = store.query(*report_question.sweeps(scope, 10))
        assert sweeps["said"].to_list() == ["batch x; the pager is off; né"] * sweeps.height
        assert sweeps["started_at"].is_sorted(descending=True)
        return held["node"].to_list(), sweeps.height

    assert asked(0) == (["n0"], 2)
    assert asked(20) == (["n0", "n1"], 1)
    assert asked(40) == ([], 0)
