"""Dashboards are built alike each time, as the SDK reads them, and files are kept as built."""

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from grafana.build import ALERTS, GENERATED, HOME, made
from grafana.cli import dashboards
from grafana.clickhouse import ClickHouseQuery
from grafana.dashboards import DASHBOARDS
from grafana.links import TAG
from grafana.write import dumps, loads

NAMES = sorted(DASHBOARDS)


def build(*arguments: object) -> Result:
    return CliRunner().invoke(dashboards, ["build", *map(str, arguments)])


def queries(text: str) -> Iterator[object]:
    for panel in loads(text).panels or []:
        yield from getattr(panel, "targets", None) or []


@pytest.mark.parametrize("name", NAMES)
def test_the_sdk_reads_a_dashboard_as_it_was_built(name: str) -> None:
    text = dumps(DASHBOARDS[name]())
    assert dumps(loads(text)) == text
    assert {type(query) for query in queries(text)} == {ClickHouseQuery}


@pytest.mark.parametrize("name", NAMES)
def test_above_a_dashboard_links_lead_to_all_of_ours_with_what_was_chosen(name: str) -> None:
    board = json.loads(dumps(DASHBOARDS[name]()))
    [link] = board["links"]
    assert (link["type"], link["tags"]) == ("dashboards", [TAG])
    assert (link["includeVars"], link["keepTime"]) == (True, True)
    assert "placement" not in link  # it would stand in a menu
    assert TAG in board["tags"]


@pytest.mark.parametrize("name", NAMES)
def test_a_dashboard_is_built_alike_each_time(name: str) -> None:
    assert dumps(DASHBOARDS[name]()) == dumps(DASHBOARDS[name]())


def test_what_lies_in_the_repository_is_what_is_built() -> None:
    answer = build("--check")
    assert (answer.exit_code, answer.output) == (0, "all as built\n")


def test_a_directory_gets_every_file_and_then_none(tmp_path: Path) -> None:
    first, second = build("--into", tmp_path / "new"), build("--into", tmp_path / "new")
    assert first.exit_code == second.exit_code == 0
    assert len(first.output.splitlines()) == len(made()) + 1
    assert second.output == f"{len(made())} files, 0 written\n"
    for name, text in made().items():
        assert (tmp_path / "new" / name).read_text() == text == (HOME / name).read_text()
    assert build("--check", "--into", tmp_path / "new").exit_code == 0


def test_a_file_that_is_missing_differs_or_has_no_dashboard_is_told_and_put_right(
    tmp_path: Path,
) -> None:
    build("--into", tmp_path)
    there = tmp_path / GENERATED
    (there / "fleet.json").unlink()
    written = json.loads((there / "node.json").read_text())
    (there / "node.json").write_text(json.dumps({**written, "title": "Knoten"}))
    (there / "old.json").write_text("{}")
    (there / "notes.txt").write_text("a person's")
    told = [
        f"{there / 'fleet.json'}: is missing",
        f"{there / 'node.json'}: differs",
        f"{there / 'old.json'}: no dashboard has this name",
    ]

    checked = build("--check", "--into", tmp_path)
    assert checked.exit_code == 1
    assert checked.stdout.splitlines() == told
    assert checked.stderr == "the same without --check puts that right\n"
    assert (there / "old.json").exists()

    assert build("--into", tmp_path).output.splitlines() == [
        *told,
        f"{len(made())} files, 3 written",
    ]
    assert build("--check", "--into", tmp_path).exit_code == 0
    assert not (there / "old.json").exists()
    assert (there / "notes.txt").exists()


@pytest.mark.parametrize("spoiled", [b"\xff\0", made()[ALERTS].replace("\n", "\r\n").encode()])
def test_a_file_that_is_no_text_or_has_other_line_ends_differs_and_is_put_right(
    spoiled: bytes, tmp_path: Path
) -> None:
    build("--into", tmp_path)
    (tmp_path / ALERTS).write_bytes(spoiled)
    assert build("--check", "--into", tmp_path).stdout == f"{tmp_path / ALERTS}: differs\n"
    assert build("--into", tmp_path).exit_code == 0
    assert (tmp_path / ALERTS).read_bytes() == made()[ALERTS].encode()


@pytest.mark.parametrize("goal", ["0", "1.01", "nan", "much"])
def test_a_goal_that_no_cluster_could_miss_or_meet_is_refused(goal: str, tmp_path: Path) -> None:
    answer = build("--coverage-goal", goal, "--into", tmp_path)
    assert answer.exit_code == 2
    assert "--coverage-goal" in answer.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [[], ["--check"]])
def test_where_a_directory_should_be_and_is_none_it_is_said_in_a_line(
    options: list[str], tmp_path: Path
) -> None:
    (tmp_path / GENERATED).write_text("a file")
    answer = build("--into", tmp_path, *options)
    assert answer.exit_code == 1
    assert str(answer.exception).startswith(str(tmp_path))
    assert "\n" not in str(answer.exception)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_may_not_be_written_is_said_in_a_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    answer = build("--into", tmp_path)
    assert answer.exit_code == 1
    assert str(tmp_path) in str(answer.exception)


def test_an_installed_bundle_has_all_as_built_beside_itself(wheel: Path, tmp_path: Path) -> None:
    def check() -> subprocess.CompletedProcess[str]:
        start = "from slurm_hooks.start import main; main()"
        return subprocess.run(
            [sys.executable, "-c", start, "dashboards", "build", "--check"],
            cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    with zipfile.ZipFile(wheel) as bundle:
        bundle.extractall(tmp_path)
    done = check()
    assert (done.returncode, done.stdout, done.stderr) == (0, "all as built\n", "")
    lost = tmp_path / "grafana" / GENERATED / "fleet.json"
    lost.unlink()
    assert check().stdout == f"{lost}: is missing\n"
