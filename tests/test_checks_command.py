"""What a person sees of `checks`: who switched what off, and how it comes back."""

import json
import os
import pwd
from dataclasses import dataclass
from pathlib import Path

import click.testing
import pytest
from click.testing import CliRunner

from slurm_hooks.state import State
from tests.command_line import group

ME = pwd.getpwuid(os.geteuid()).pw_name


@dataclass(frozen=True, slots=True)
class Site:
    """Two checks of its own, one of them suspended in its file."""

    root: Path

    def run(self, *arguments: str) -> click.testing.Result:
        settings = str(self.root / "settings.toml")
        return CliRunner().invoke(
            group({"checks": "checks.cli:checks"}), ["--settings", settings, "checks", *arguments]
        )

    def states(self) -> dict[str, str]:
        rows = json.loads(self.run("list", "--json").stdout)
        return {row["check"]: row["state"] for row in rows if row["check"] in {"aaa", "bbb"}}

    def serve_as(self, user: str) -> None:
        (self.root / "settings.toml").write_text(
            f'cluster = "a"\nstate_dir = "{self.root}"\nlog_dir = "{self.root}"\n'
            f'service_user = "{user}"\ndefinitions = ["{self.root / "checks"}"]\n'
        )


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "checks").mkdir()
    for name, more in (("aaa", ""), ("bbb", "suspend: true\n")):
        text = f"name: {name}\ndescription: d\ncommand: ['true']\nmax_age: 1d\n{more}"
        (tmp_path / "checks" / f"{name}.yaml").write_text(text)
    made = Site(tmp_path)
    made.serve_as(ME)
    return made


def test_a_suspended_check_shows_who_did_it_and_why(site: Site) -> None:
    done = site.run("suspend", "aaa", "--reason", "a new\nfirmware")
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith("aaa: suspended by ")
    assert site.states()["aaa"].startswith("suspended by ")
    assert site.states()["aaa"].endswith(": a new firmware")
    done = site.run("resume", "aaa")
    assert (done.exit_code, done.stdout) == (0, "aaa: resumed\n")
    assert site.states() == {"aaa": "active", "bbb": "suspended in its file"}
    assert site.run("resume", "aaa").stdout == "aaa: it was not suspended\n"


def test_what_a_file_suspends_no_command_resumes(site: Site) -> None:
    site.run("suspend", "bbb")
    done = site.run("resume", "bbb")
    assert done.exit_code == 1
    assert "bbb.yaml: suspend: the file itself suspends bbb; edit or remove it" in done.stderr
    assert State(site.root).suspensions.all() == {}


def test_a_check_that_is_gone_can_still_be_resumed(site: Site) -> None:
    site.run("suspend", "aaa")
    (site.root / "checks" / "aaa.yaml").unlink()
    assert site.run("resume", "aaa").exit_code == 0
    assert State(site.root).suspensions.all() == {}


@pytest.mark.parametrize("command", ["suspend", "resume"])
def test_a_name_that_is_no_check_is_refused_with_the_nearest(site: Site, command: str) -> None:
    done = site.run(command, "aab")
    assert done.exit_code == 1
    assert "there is no check 'aab' (did you mean 'aaa'?)" in done.stderr


@pytest.mark.parametrize("command", ["suspend", "resume"])
def test_only_the_service_account_may(site: Site, command: str) -> None:
    site.serve_as("nobody")
    done = site.run(command, "aaa")
    assert done.exit_code == 1
    assert f"runuser -u nobody -- cluster-doctor checks {command} aaa" in done.stderr
