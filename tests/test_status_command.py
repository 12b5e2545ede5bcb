"""What a person or a program sees of `status`."""

import contextlib
import csv
import json
import os
import pty
import subprocess
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from analytics.snapshot import Snapshot
from slurm_hooks.record import Evidence, Outcome
from tests.command_line import Site, new_site
from tests.history_examples import row
from tests.test_status import expected

NASTY = "\x1b[2Jcannot write: no space left on device, and some more words that need room"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    made = new_site(tmp_path)
    rows = [
        row("a", node="n10"),
        row("b", node="n2", outcome=Outcome.FAIL)._replace(detail=NASTY),
        row("c", node="n2", check="memory")._replace(detail=""),
        row("d", node="n2", check="memory", outcome=Outcome.PREEMPTED, minute=1),
        row("e", node="n3", outcome=Outcome.NOT_STARTED, evidence=Evidence.SLURM),
    ]
    Snapshot(made.state.snapshot).replace(expected(rows).items(), now=datetime.now(UTC))
    _beat(made, timedelta(seconds=90))
    return made


def _beat(site: Site, ago: timedelta, **more: object) -> None:
    ended = (datetime.now(UTC) - ago).isoformat()
    site.state.heartbeat.write_text(json.dumps({"finished_at": ended, "visits": 3, **more}))


def _lines(site: Site, *arguments: str) -> Sequence[str]:
    done = site.run("status", *arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_the_table_is_in_natural_order_and_nothing_in_it_drives_the_terminal(site: Site) -> None:
    assert _lines(site) == [
        "NODE  CHECK    OUTCOME  JUDGED               REMARK",
        "n2    memory   pass     2030-01-02T12:00:00  then preempted 0s ago",
        "n2    storage  fail     2030-01-02T12:00:00  " + NASTY.replace("\x1b", r"\x1b"),
        "n3    storage  -        -                    not_started 0s ago: e not_started",
        "n10   storage  pass     2030-01-02T12:00:00  a pass",
        "4 checks: 2 pass, 1 fail, 1 not judged yet; last sweep 1m30s ago",
    ]


def test_a_fail_that_is_not_confirmed_yet_says_so_and_one_that_is_does_not(site: Site) -> None:
    rows = [
        row("a", node="n1", outcome=Outcome.FAIL),
        row("b", node="n2"),
        row("c", node="n2", outcome=Outcome.FAIL, minute=1),
        row("d", node="n2", outcome=Outcome.PREEMPTED, minute=2),
        row("e", node="n3", outcome=Outcome.FAIL),
        row("f", node="n3", outcome=Outcome.FAIL, minute=1),
        row("g", node="n4"),
        row("h", node="n1", check="memory", outcome=Outcome.FAIL),
    ]
    Snapshot(site.state.snapshot).replace(expected(rows).items(), now=datetime.now(UTC))
    _beat(site, timedelta(seconds=90), confirm={"storage": [2, 3]})
    both = "1 of 2 fails, to be confirmed; c fail; then preempted 0s ago"
    assert _lines(site) == [
        "NODE  CHECK    OUTCOME  JUDGED               REMARK",
        "n1    memory   fail     2030-01-02T12:00:00  h fail",
        "n1    storage  fail     2030-01-02T12:00:00  1 of 2 fails, to be confirmed; a fail",
        f"n2    storage  fail     2030-01-02T12:01:00  {both}",
        "n3    storage  fail     2030-01-02T12:01:00  f fail",
        "n4    storage  pass     2030-01-02T12:00:00  g pass",
        "5 checks: 1 pass, 4 fail (2 to be confirmed); last sweep 1m30s ago",
    ]
    shown = _lines(site, "-nP", "-o", "node,check,confirmed")
    assert shown == [
        "n1|memory|yes", "n1|storage|no", "n2|storage|no", "n3|storage|yes", "n4|storage|",
    ]  # fmt: skip
    found = json.loads("\n".join(_lines(site, "--json", "-c", "storage")))
    assert [one["confirmed"] for one in found] == [False, False, True, None]


@pytest.mark.parametrize(
    "confirm", [None, [], "x", {"storage": 2}, {"storage": ["2", 3]}, {"storage": [2]}]
)
def test_a_heartbeat_that_tells_nothing_of_confirmations_leaves_every_fail_as_it_is(
    site: Site, confirm: object
) -> None:
    _beat(site, timedelta(seconds=90), confirm=confirm)
    assert _lines(site, "-nP", "-s", "fail", "-o", "confirmed") == ["yes"]


@pytest.mark.parametrize(
    ("arguments", "nodes"),
    [
        (["-N", "n[2-3]"], ["n2", "n2", "n3"]),
        (["-N", "n3,n10"], ["n3", "n10"]),
        (["-c", "memory"], ["n2"]),
        (["-c", "memory", "-c", "storage,cpu"], ["n2", "n2", "n3", "n10"]),
        (["-s", "FAIL,not_started"], ["n2", "n3"]),
        (["-s", "preempted"], ["n2"]),
        (["-N", "n99"], []),
        (["-N", "n2,n10", "-c", "storage", "-s", "pass,fail"], ["n2", "n10"]),
        (["-s", "pass"], ["n2", "n10"]),
        (["-c", "none"], []),
    ],
)
def test_filters_choose_rows(site: Site, arguments: list[str], nodes: list[str]) -> None:
    assert _lines(site, "-n", "-o", "node", *arguments) == nodes


def test_fields_and_delimiters_are_sacct_s(site: Site) -> None:
    asked = ["-N", "n10", "-o", "NodeList,state,elapsed"]
    assert _lines(site, "-P", *asked) == ["NODE|OUTCOME|DURATION", "n10|pass|6.0s"]
    assert _lines(site, "-pn", *asked) == ["n10|pass|6.0s|"]
    assert _lines(site, "-n", "-N", "n10", "-o", "node%6,outcome%-8,check%4") == [
        "   n10  pass      sto…"
    ]


def test_json_is_an_array_of_objects_with_times_in_utc(site: Site) -> None:
    found = json.loads("\n".join(_lines(site, "--json", "-N", "n2", "-c", "memory")))
    assert len(found) == 1
    assert found[0]["judged"] == "2030-01-02T12:00:00.000Z"
    assert (found[0]["outcome"], found[0]["attempt"]) == ("pass", "preempted")
    assert json.loads("".join(_lines(site, "--json", "-N", "n99"))) == []


def test_csv_has_a_header_and_one_line_a_row(site: Site) -> None:
    rows = [*csv.DictReader(_lines(site, "--csv"))]
    assert [one["node"] for one in rows] == ["n2", "n2", "n3", "n10"]
    assert rows[1]["detail"] == NASTY.replace("\x1b", r"\x1b")
    assert rows[2]["outcome"] == ""


def test_the_fields_are_listed_without_any_settings(tmp_path: Path) -> None:
    done = Site(tmp_path).run("status", "-e")
    assert done.exit_code == 0
    assert "why that visit could not judge" in done.stdout


def test_colour_is_for_terminals_unless_it_is_asked_for(site: Site) -> None:
    assert "\x1b[1;31mfail\x1b[0m" in site.run("status", "--color", "always").stdout
    assert "\x1b" not in site.run("status", "--color", "auto").stdout


def _on_a_terminal(site: Site, columns: int, **environment: str) -> str:
    """What `status` writes to a terminal of so many columns."""
    screen = {"TERM": "xterm", "COLUMNS": str(columns), **environment}
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        site.argv("status"), env={**site.environment, **screen}, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        written = b"".join(_until_closed(ours))
    os.close(ours)
    assert process.returncode == 0
    return written.decode().replace("\r\n", "\n")


def _until_closed(terminal: int) -> Iterator[bytes]:
    with contextlib.suppress(OSError):  # how Linux says that the other side is closed
        while part := os.read(terminal, 65536):
            yield part


@pytest.mark.parametrize("columns", [80, 200])
def test_a_terminal_gets_colours_and_lines_that_fit(site: Site, columns: int) -> None:
    shown = _on_a_terminal(site, columns, NO_COLOR="1")
    assert "\x1b" not in shown
    assert all(len(line) <= columns for line in shown.splitlines())
    assert ("…" in shown) == (columns == 80)
    assert "\x1b[1;31mfail\x1b[0m" in _on_a_terminal(site, columns)


def test_a_sweep_that_is_long_ago_is_a_warning_on_stderr(site: Site) -> None:
    _beat(site, timedelta(hours=2))
    done = site.run("status", "-P")
    assert done.exit_code == 0
    assert "warning: the last sweep ended 2h ago, and one is due every 5m" in done.stderr


@pytest.mark.parametrize(
    "text", [None, "", "[]", "{}", '{"finished_at": 5}', '{"finished_at": "x"}']
)
def test_no_readable_heartbeat_is_a_warning_and_no_failure(site: Site, text: str | None) -> None:
    site.state.heartbeat.unlink()
    if text is not None:
        site.state.heartbeat.write_text(text)
    done = site.run("status")
    assert done.exit_code == 0
    assert "no sweep has ended yet; start one with: cluster-doctor sweep" in done.stderr


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (timedelta(minutes=14), ""),
        (timedelta(minutes=16), "the last sweep ended 16m ago, and one is due every 5m"),
        (timedelta(minutes=-4), ""),
        (timedelta(hours=-1), "a clock is wrong, here or where sweeps run"),
    ],
)
def test_sweeps_that_stopped_and_clocks_that_were_stepped_are_told(
    site: Site, ago: timedelta, said: str
) -> None:
    _beat(site, ago)
    done = site.run("status")
    assert done.exit_code == 0
    assert said in done.stderr
    assert bool(done.stderr) == bool(said)


def test_a_new_state_directory_shows_an_empty_table(tmp_path: Path) -> None:
    done = new_site(tmp_path).run("status")
    assert done.exit_code == 0
    assert done.stdout == "NODE  CHECK  OUTCOME  JUDGED  REMARK\n0 checks; no sweep yet\n"


def test_a_damaged_snapshot_is_an_error_that_names_the_remedy(site: Site) -> None:
    site.state.snapshot.write_bytes(b"damaged")
    done = site.run("status")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "make it anew: cluster-doctor ingest --rebuild" in done.stderr


def test_a_state_directory_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    site = new_site(tmp_path)
    (tmp_path / "state").rename(tmp_path / "unmounted")
    done = site.run("status")
    assert done.exit_code == 1
    assert "there is no such directory; is it mounted?" in done.stderr
