"""What fingers know of sacct works here: its options, names, exit status and empty answers."""

import io
import json
import os
import pty
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time
from typing import Any

import click
import polars as pl
import pytest

from analytics.embedded import EmbeddedStore
from analytics.fields import Chosen, Field, chosen
from analytics.frame import frame
from analytics.history_cli import history
from analytics.node_rows import NODES
from analytics.output import Form, Screen, lines
from analytics.parquet import write
from analytics.question import Wanted, question
from analytics.reaction_rows import REACTIONS
from analytics.result import COLUMNS, Result
from analytics.rows import HISTORY, needed, parts
from analytics.rows import HISTORY_DEFAULT as USUAL
from analytics.run_rows import RUNS, VISITS
from analytics.snapshot import Snapshot
from analytics.status_rows import STATUS
from analytics.timeline import TIMELINE
from slurm_hooks.outcome import Outcome
from tests.command_line import Site, new_site
from tests.history_examples import NOW, row
from tests.test_status import expected

WINDOW = ("-S", "2030-01-02T11:00", "-E", "2030-01-02T13:00")

ROWS = [
    row("a", node="n1"),
    row("b", node="n2", minute=1, outcome=Outcome.FAIL)._replace(job_id=17),
    row("c", node="n3", minute=2)._replace(cluster="beta", job_id=18),
    row("d", node="n4", minute=3)._replace(
        finished_at=datetime.now(UTC) - timedelta(days=90), job_id=19, metrics={}
    ),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    made = new_site(tmp_path_factory.mktemp("site"))
    EmbeddedStore(made.state.history).append(frame(ROWS))
    ours = [one for one in ROWS if one.cluster == "alpha"]
    Snapshot(made.state.snapshot).replace(expected(ours).items(), now=datetime.now(UTC))
    return made


def _lines(site: Site, *arguments: str) -> Sequence[str]:
    done = site.run(*arguments)
    assert done.exit_code == 0, done.output
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("arguments", "nodes"),
    [
        ([], ["n1", "n2"]),
        (["-L"], ["n1", "n2", "n3"]),
        (["--allclusters"], ["n1", "n2", "n3"]),
        (["-M", "beta"], ["n3"]),
        (["-M", "beta,alpha"], ["n1", "n2", "n3"]),
        (["--clusters=all"], ["n1", "n2", "n3"]),
        (["--cluster", "gamma"], []),
        (["-j", "17"], ["n2"]),
        (["--jobs=17,4711"], ["n1", "n2"]),
        (["-aX", "--nodelist=n1", "--state=pass"], ["n1"]),
    ],
)
def test_options_of_sacct_choose_results(
    site: Site, arguments: Sequence[str], nodes: Sequence[str]
) -> None:
    assert _lines(site, "history", *WINDOW, "-n", "-o", "node", *arguments) == nodes


def test_a_job_is_found_whenever_it_ran(site: Site) -> None:
    assert _lines(site, "history", "-n", "-o", "node", "-j", "19") == ["n4"]


def test_where_several_clusters_can_come_each_line_names_its_own(site: Site) -> None:
    assert _lines(site, "history", *WINDOW, "-L", "-P")[-1].startswith("beta|2030-01-02T12:02:00")
    assert _lines(site, "runs", "-a", "-M", "beta", "-nP")[0].startswith("beta|")
    assert _lines(site, "history", *WINDOW, "-nP")[0].startswith("2030-01-02")


def test_each_cluster_has_a_last_run_of_its_own(site: Site) -> None:
    found = _lines(site, "runs", "-L", "-nP", "-o", "cluster,check")
    assert sorted(found) == ["alpha|storage", "beta|storage"]


def test_what_knows_one_cluster_says_so_and_names_who_knows_more(site: Site) -> None:
    for command in ("status", "reactions"):
        done = site.run(command, "-M", "beta")
        assert done.exit_code == 2
        assert "this is of cluster alpha alone, and not of beta; sql " in done.stderr
        assert f'"SELECT * FROM {command}"' in done.stderr
        assert site.run(command, "-M", "alpha").exit_code == 0
        assert site.run(command, "-L", "-X").exit_code == 0


def test_delimited_lines_are_sacct_s(site: Site) -> None:
    asked = ("history", *WINDOW, "-N", "n2", "-o", "jobid,nodelist,state")
    assert _lines(site, *asked, "-P") == ["JOB|NODE|OUTCOME", "17|n2|fail"]
    assert _lines(site, *asked, "-p") == ["JOB|NODE|OUTCOME|", "17|n2|fail|"]
    assert _lines(site, *asked, "-nP", "--delimiter=, ") == ["17, n2, fail"]
    assert _lines(site, *asked, "-np", "--delimiter=;") == ["17;n2;fail;"]


def test_long_is_every_field(site: Site) -> None:
    (names,) = _lines(site, "history", "-N", "none", "-lP")
    assert names.lower().split("|") == [field.name for field in HISTORY]


def test_an_unknown_node_is_a_header_and_success(site: Site) -> None:
    done = site.run("history", "-N", "n[90-99]", "-P")
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout == "|".join(USUAL.upper().split()) + "\n"
    assert site.run("history", "-N", "n[90-99]", "-nP").stdout == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["-o", "nodes,nope"],
        ["-s", "bogus"],
        ["--bogus"],
        ["-S", "soon"],
        ["-N", "n[1"],
        ["-j", "x"],
    ],
)
def test_what_sacct_refuses_is_refused_before_anything_is_shown(
    site: Site, arguments: list[str]
) -> None:
    done = site.run("history", *arguments)
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1)


def test_the_fields_are_listed_with_sacct_s_names_for_them(site: Site) -> None:
    listed = _lines(site, "history", "--helpformat")
    assert [line.split()[0] for line in listed] == [field.name for field in HISTORY]
    assert "node       the node (sacct: nodelist)" in [line.rstrip() for line in listed]
    assert _lines(site, "history", "-e") == listed


@pytest.mark.parametrize("name", [field.name for field in HISTORY])
def test_a_field_needs_no_other_column_than_it_says(name: str) -> None:
    columns = needed(chosen(name, HISTORY))
    assert len(columns) == 1
    (whole,) = ROWS[:1]
    (part,) = parts(columns, [tuple(getattr(whole, column) for column in columns)])
    (field,) = (one for one in HISTORY if one.name == name)
    assert field.value(part) == field.value(whole)
    assert set(columns) <= set(COLUMNS)


def test_what_is_shown_decides_the_order_of_what_ended_at_once_on_one_node() -> None:
    """So two answers are the same, and nothing that is not shown is read for it."""
    wanted = Wanted(cluster="alpha", since=NOW, until=NOW, columns=("node", "detail", "metrics"))
    order = question(wanted)[0].partition(" ORDER BY ")[2]
    assert order == "finished_at ASC, node ASC, check_name ASC, detail ASC"
    whole = question(Wanted(cluster="alpha", since=NOW, until=NOW, newest_first=True))[0]
    assert "check_name DESC, batch DESC, task DESC, attempt DESC" in whole


LISTINGS: dict[str, Sequence[Field[Any]]] = {
    "history": HISTORY, "status": STATUS, "runs": RUNS, "visits": VISITS, "nodes": NODES,
    "reactions": REACTIONS, "timeline": TIMELINE,
}  # fmt: skip


@pytest.mark.parametrize("name", LISTINGS)
def test_parquet_has_the_same_types_where_there_are_no_rows(tmp_path: Path, name: str) -> None:
    file = tmp_path / "empty.parquet"
    write([Chosen(field=field) for field in LISTINGS[name]], [], str(file))
    found = pl.read_parquet(file)
    assert found.columns == [field.name for field in LISTINGS[name]]
    times = [field.name for field in LISTINGS[name] if field.kind is datetime]
    assert all(found.schema[one] == pl.Datetime("ms", "UTC") for one in times)


@pytest.mark.parametrize("command", [("history", *WINDOW), ("status",), ("runs", "-a")])
def test_parquet_says_what_json_says(site: Site, tmp_path: Path, command: Sequence[str]) -> None:
    file = tmp_path / "some.parquet"
    assert _lines(site, *command, "--parquet", str(file)) == []
    found = pl.read_parquet(file)
    told = json.loads("\n".join(_lines(site, *command, "--json")))
    assert found.height == len(told) > 0
    assert found.columns == [*told[0]]
    for name in found.columns:
        values = [one[name] for one in told]
        if found.schema[name] == pl.Datetime("ms", "UTC"):
            kept = [value and datetime.fromisoformat(value) for value in values]
            assert found[name].to_list() == kept
        elif name in ("failed_jobs", "errored_jobs"):
            assert [json.loads(text) for text in found[name]] == values
        elif name != "age":
            assert found[name].to_list() == values


def test_parquet_replaces_a_file_as_a_whole_and_keeps_it_where_it_cannot(
    site: Site, tmp_path: Path
) -> None:
    file, link = tmp_path / "a.parquet", tmp_path / "link"
    file.write_text("what was there")
    link.symlink_to(file)
    assert _lines(site, "history", *WINDOW, "-o", "node", "--parquet", str(link)) == []
    assert link.is_symlink()
    assert pl.read_parquet(file)["node"].to_list() == ["n1", "n2"]
    assert file.stat().st_mode & 0o777 == 0o666 & ~_umask()
    done = site.run("history", "--parquet", str(tmp_path / "gone" / "a"))
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "cannot write it: No such file or directory" in done.stderr
    twice = site.run("history", "-o", "node,node", "--parquet", str(file))
    assert "two columns have the same name" in twice.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.parquet", "link"]


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_parquet_goes_through_pipes_and_devices_and_not_to_terminals(site: Site) -> None:
    for name in ("-", "/dev/stdout"):
        done = subprocess.run(
            site.argv("history", *WINDOW, "--parquet", name),
            env=site.environment, capture_output=True, timeout=60, check=True,
        )  # fmt: skip
        assert pl.read_parquet(io.BytesIO(done.stdout)).height == 2
    assert _lines(site, "history", "--parquet", "/dev/null") == []
    assert Path("/dev/null").is_char_device()
    ours, theirs = pty.openpty()
    refused = subprocess.run(
        site.argv("history", "--parquet", "-"),
        env=site.environment, stdout=theirs, stderr=subprocess.PIPE, timeout=60, check=False,
    )  # fmt: skip
    os.close(theirs)
    os.close(ours)
    assert (refused.returncode, b"would fill the terminal" in refused.stderr) == (2, True)


def test_twenty_thousand_results_are_written_out_in_a_blink() -> None:
    """A quarter of a second would be as long as sacct takes for the whole answer."""
    rows: list[Result] = [ROWS[0]] * 20_000
    columns, on = chosen(USUAL, HISTORY), Screen(width=None, colour=False)
    for form in (Form.PARSABLE2, Form.TABLE, Form.CSV, Form.JSON):
        started = process_time()
        count = sum(1 for _ in lines(columns, rows, form, on, header=False))
        assert count >= 20_000
        assert process_time() - started < 1


SACCT_KNOWS = {
    "-S": "--starttime", "-E": "--endtime", "-N": "--nodelist", "-s": "--state", "-o": "--format",
    "-n": "--noheader", "-P": "--parsable2", "-p": "--parsable", "-X": "--allocations",
    "-a": "--allusers",
    "-L": "--allclusters", "-M": "--clusters", "-j": "--jobs", "-l": "--long", "-e": "--helpformat",
}  # fmt: skip


def test_every_option_that_is_sacct_s_is_called_as_there() -> None:
    known = {name: one.opts for one in history.params for name in one.opts}
    assert all(long in known[short] for short, long in SACCT_KNOWS.items())
    assert "--delimiter" in known
    assert isinstance(history, click.Command)
