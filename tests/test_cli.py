"""The root command loads what is asked for, and every failure is one line."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from analytics.embedded import EmbeddedStore
from analytics.frame import frame
from analytics.snapshot import Snapshot
from analytics.status_rows import STATUS
from slurm_hooks.cli import App, Commands, installed_commands
from slurm_hooks.errors import StoreError
from tests.command_line import OURS, ROOT, Site, group, installed, new_site
from tests.history_examples import row


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return new_site(tmp_path)


@click.command(help="Fail as an operator may see it.")
def failing() -> None:
    raise StoreError("the history is gone;\n  look for it")


@click.command(help="Fail as only a bug of ours does.")
def buggy() -> None:
    raise ZeroDivisionError("division by zero")


@click.command(help="Be interrupted.")
def interrupted() -> None:
    raise KeyboardInterrupt


@click.command(help="Show a setting.")
@click.pass_obj
def cluster(app: App) -> None:
    click.echo(app.settings.cluster)


HERE = {
    name: f"tests.test_cli:{name}" for name in ("failing", "buggy", "interrupted", "cluster")
} | {"gone": "tests.no_such_module:gone", "odd": "tests.test_cli:HERE"}


def _run(*arguments: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(group(HERE), arguments, prog_name="cluster-doctor")
    return done.exit_code, done.stdout, done.stderr


def test_an_error_of_ours_is_one_line_and_exit_1() -> None:
    assert _run("failing") == (1, "", "cluster-doctor: the history is gone; look for it\n")


def test_a_bug_of_ours_is_one_line_too() -> None:
    code, _, line = _run("buggy")
    assert code == 1
    assert line == (
        "cluster-doctor: a bug of ours: ZeroDivisionError: division by zero; "
        "CLUSTER_DOCTOR_DEBUG=1 shows where\n"
    )


def test_an_interruption_is_exit_130() -> None:
    code, out, line = _run("interrupted")
    assert (code, out, line.strip()) == (130, "", "cluster-doctor: interrupted")


def test_a_missing_settings_file_is_named_with_what_to_do() -> None:
    code, _, line = _run("--settings", "/no/such.toml", "cluster")
    assert code == 1
    assert line == (
        "cluster-doctor: /no/such.toml: cannot read the settings: No such file or directory; "
        "write them there or set CLUSTER_DOCTOR_SETTINGS\n"
    )


def test_settings_are_read_only_when_a_command_wants_them() -> None:
    assert _run("--settings", "/no/such.toml", "failing")[2].startswith("cluster-doctor: the hist")


def test_the_settings_file_is_the_options_or_the_environments(site: Site) -> None:
    assert _run("--settings", str(site.settings), "cluster")[1] == "alpha\n"
    environment = {"CLUSTER_DOCTOR_SETTINGS": str(site.settings)}
    assert CliRunner(env=environment).invoke(group(HERE), ["cluster"]).output == "alpha\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["histroy"], "there is no command 'histroy' (did you mean 'history'?); see "),
        (["xyz"], "there is no command 'xyz'; there are history, ingest, node, nodes, "),
        (["--bogus"], "No such option '--bogus'"),
        (["status", "--jsonn"], "status: No such option '--jsonn'"),
        (["status", "extra"], "status: Got unexpected extra argument (extra); see "),
        (["status", "-s", "failed"], "'failed' is no outcome (did you mean 'fail'?); there are"),
        (["status", "-N", "n[3"], "'n[3' has an unbalanced '['"),
        (["status", "-o", "nod"], "there is no field 'nod' (did you mean 'node'?); --helpformat"),
        (["status", "-o", "node%x"], "'x' is not a width; write it like node%20 or node%-20"),
        (["status", "--json", "--csv"], "choose one of --parsable, --parsable2, --json, --csv"),
        (["history", "-S", "soon"], "'soon' is not a time; write it like 2030-11-21T14:30"),
        (["history", "-S", "now", "-E", "now-1day"], "--starttime is after --endtime"),
        (["runs", "-S", "now", "-E", "now-1day"], "--starttime is after --endtime"),
        (["runs", "x"], "'x' is no run; `cluster-doctor runs --all` lists them"),
        (["runs", "20300102T110000Z-00000000", "-a"], "give a RUN, or --all, --starttime"),
    ],
)
def test_wrong_usage_is_one_line_that_names_the_remedy_and_exit_2(
    site: Site, arguments: list[str], message: str
) -> None:
    done = site.run(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.startswith("cluster-doctor: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_subcommand_that_cannot_be_loaded_does_not_take_the_others_with_it() -> None:
    code, out, _ = _run("--help")
    assert code == 0
    assert "(cannot be loaded: No module named 'tests.no_such_module')" in out
    assert "Fail as an operator may see it." in out
    code, _, line = _run("gone", "--any", "thing")
    assert code == 1
    assert "gone cannot be loaded: No module named" in line
    assert _run("odd")[0] == 1


def test_without_any_subcommand_the_remedy_is_to_install() -> None:
    done = CliRunner().invoke(group({}), ["status"])
    assert (done.exit_code, done.stderr.count("\n")) == (1, 1)
    assert "is not installed" in done.stderr


def test_the_subcommands_are_those_of_the_installed_distribution(tmp_path: Path) -> None:
    directory = installed(tmp_path)
    assert installed_commands([str(tmp_path / "nothing"), str(directory)]) == OURS
    assert installed_commands([str(tmp_path)]) == {}


def _walk(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            assert found is not None
            yield from _walk(found, f"{name} {child}")


def test_every_command_and_every_option_has_a_help_text() -> None:
    real = Commands("cluster-doctor", help="x", params=group({}).params)
    real.find = lambda: (
        OURS
        | {name: target for name, target in installed_commands().items() if "gone" not in target}
    )
    for name, command in _walk(real, "cluster-doctor"):
        assert command.help, name
        assert not command.help.startswith("(cannot be loaded"), f"{name}: {command.help}"
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.opts}"


def test_the_whole_program_answers_version_and_help(site: Site) -> None:
    assert site.start("--version").stdout.startswith("cluster-doctor, version ")
    done = site.start("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Show how each check on each node stands." in done.stdout


def test_help_and_status_import_nothing_heavy(site: Site) -> None:
    heavy = "polars chdb clickhouse_connect pyarrow pandas numpy pydantic ClusterShell yaml"
    for arguments in (
        ["--help"],
        ["status", "-N", "n1,n2", "-s", "fail"],
        ["history", "--help"],
        ["runs", "--help"],
        ["nodes", "-N", "n1,n2", "-s", "drain,failing"],
        ["node", "--help"],
        ["reactions", "-N", "n1,n2", "-s", "waiting"],
        ["reactions", "approve", "--help"],
    ):
        done = site.start(*arguments, python=("-X", "importtime"))
        assert done.returncode == 0, done.stderr
        imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}
        assert "click" in imported
        assert imported.isdisjoint(heavy.split())


def _imported(done: subprocess.CompletedProcess[str]) -> set[str]:
    assert done.returncode == 0, done.stderr
    return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}


def test_status_imports_nothing_that_it_does_not_need(site: Site) -> None:
    """Each of these takes a tenth of what the interpreter takes to start, or more."""
    Snapshot(site.state.snapshot).replace((), now=datetime.now(UTC))
    found = _imported(site.start("status", "-N", "n1", python=("-X", "importtime")))
    spared = "csv shutil slurm_hooks.batch slurm_hooks.record slurm_hooks.state "
    spared += "slurm_hooks.journal analytics.store analytics.engine analytics.timeform "
    spared += "analytics.question analytics.reacted importlib.metadata importlib.resources"
    assert found.isdisjoint(spared.split())
    assert "sqlite3" in found


def test_history_loads_the_engine_alone(site: Site) -> None:
    """A new site has no reactions; nobody may look for them with Polars."""
    EmbeddedStore(site.state.history).append(frame([row("a")]))
    asked = ("history", "-S", "2030-01-01", "-E", "2030-02-01", "-n", "-o", "node")
    done = site.start(*asked, python=("-X", "importtime"))
    assert done.stdout == "n1\n"
    found = _imported(done)
    assert "analytics.engine" in found
    assert found.isdisjoint({"polars", "clickhouse_connect", "chdb", "pandas", "pyarrow"})


def test_a_command_s_exit_status_and_output_leave_the_process_whole(site: Site) -> None:
    assert site.start("status", "-n").returncode == 0
    assert site.start("status", "--bogus").returncode == 2
    assert site.start().returncode == 2
    assert site.start("--settings", "/no/such", "status").returncode == 1
    listed = site.start("status", "--helpformat")
    assert (listed.returncode, listed.stdout.count("\n")) == (0, len(STATUS))


def test_output_that_cannot_be_written_is_a_failure(site: Site) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            site.argv("status", "--helpformat"), env=site.environment, stdout=full, check=False
        )
    assert done.returncode == 1


def test_ctrl_c_while_the_program_still_loads_is_quiet(tmp_path: Path) -> None:
    (tmp_path / "slurm_hooks").mkdir()
    (tmp_path / "slurm_hooks" / "__init__.py").write_text("")
    (tmp_path / "slurm_hooks" / "cli.py").write_text("raise KeyboardInterrupt\n")
    source = (ROOT / "slurm_hooks" / "start.py").read_text()
    (tmp_path / "slurm_hooks" / "start.py").write_text(source)
    done = subprocess.run(
        [sys.executable, "-c", "from slurm_hooks.start import main; main()"],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, b"")


def test_a_reader_that_goes_away_early_is_no_error(site: Site) -> None:
    with subprocess.Popen(
        site.argv("status", "-e"),
        env=site.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


def test_ctrl_c_while_waiting_for_another_ingest_is_quiet(site: Site) -> None:
    site.state.aside.rmdir()
    with (site.state.root / "ingest.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with subprocess.Popen(
            site.argv("ingest"), env=site.environment, stderr=subprocess.PIPE, text=True
        ) as process:
            deadline = time.monotonic() + 30
            while not site.state.aside.exists():  # made right before the lock is asked for
                assert time.monotonic() < deadline
                time.sleep(0.01)
            process.send_signal(signal.SIGINT)
            assert process.stderr is not None
            assert process.stderr.read().strip() == "cluster-doctor: interrupted"
        assert process.returncode == 130
