"""What starts sweeps: one block of ours in a table that is somebody else's."""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st

from sbatch_templates.sweep import (
    SERVICE,
    TIMER,
    SweepEntry,
    cron_time,
    crontab_entry,
    scrontab_entry,
    systemd_units,
)
from slurm_hooks.block import begin, block, end, with_block, without_block
from slurm_hooks.errors import ScheduleError
from slurm_hooks.scron import Units
from slurm_hooks.state import State
from tests.command_line import group
from tests.lab import Lab
from tests.lab.users import SERVICE as ACCOUNT

FAKES = Path(__file__).with_name("fakes") / "bin"
THEIRS = "# my own\n17 3 * * * /home/me/backup\n#SCRON -p long\n@daily  train --all\n"
SCRONTROL = """#!/bin/sh
echo "Configuration data as of 2026-11-21T12:00:00"
echo "ScronParameters         = $(cat "${0%/*}/scron-parameters" 2>/dev/null || echo '(null)')"
"""
ENTRY = SweepEntry(
    command=Path("/opt/cluster-doctor/bin/cluster-doctor"),
    settings=Path("/etc/cluster-doctor/cluster-doctor.toml"),
    every=timedelta(minutes=5),
    limit=timedelta(minutes=15),
)


class Host:
    """A host with stand-ins for what starts things, and settings whose account is root."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.bin = root / "bin"
        self.bin.mkdir()
        self.settings = root / "cluster-doctor.toml"
        self.account = "root"
        for name in ("scrontab", "crontab"):
            shutil.copy(FAKES / name, self.bin)
        (self.bin / "scontrol").write_text(SCRONTROL)
        (self.bin / "scontrol").chmod(0o755)
        self.enable()

    def enable(self, text: str = "enable,explicit_scancel") -> None:
        (self.bin / "scron-parameters").write_text(text)

    def run(self, *arguments: str, path: str | None = None) -> Result:
        self.settings.write_text(
            f'cluster = "gpu1"\nstate_dir = "{self.root}/s"\nlog_dir = "{self.root}/l"\n'
            f'service_user = "{self.account}"\nslurm_bin = "{self.bin}"\n'
        )
        return CliRunner(env={"PATH": path or f"{self.bin}:/usr/bin:/bin"}).invoke(
            group({"scrontab": "checks.scrontab_cli:scrontab"}),
            ["--settings", str(self.settings), "scrontab", *arguments],
            prog_name="cluster-doctor",
        )

    def ran(self, *arguments: str) -> str:
        done = self.run(*arguments)
        assert done.exit_code == 0, done.output
        return done.output

    def table(self, kind: str = "tables", user: str = "root") -> Path:
        path = self.bin / kind / user
        path.parent.mkdir(exist_ok=True)
        return path


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


@pytest.mark.lab
def test_what_is_installed_sweeps(site: Lab) -> None:
    """The line runs with cron's bare environment, by the shell, as the service account."""
    tables = site.root / "cron"
    tables.mkdir()
    shutil.copy(FAKES / "crontab", tables)
    shutil.chown(tables, ACCOUNT)
    site.add_check("quick")
    search = {"PATH": f"{tables}:{site.opt}/bin:/usr/bin:/bin"}
    done = site.run_as_service(["cluster-doctor", "scrontab", "install"], env=search)
    assert "taking cron instead" in done.stderr  # whether or not this Slurm has a scrontab
    assert "warning" not in done.stderr
    shown = site.run_as_service(["cluster-doctor", "scrontab", "show"], env=search).stdout
    _, _, command = shown.splitlines()[-1].partition("* * * * ")
    bare = {"PATH": "/usr/bin:/bin", "CLUSTER_DOCTOR_SETTINGS": ""}
    swept = site.run_as_service(["/bin/sh", "-c", command], env=bare)
    assert (swept.stdout, swept.stderr) == ("", "")
    assert "last sweep" in site.run(["cluster-doctor", "status"]).stdout
    assert State(site.state_dir).open_batches()


# The texts


def test_the_scrontab_entry() -> None:
    text = scrontab_entry(
        ENTRY, partition="service", output=Path("/l/100%/sweep.log"), options=["--account=ops"]
    )
    assert text.splitlines()[1:] == [
        "#SCRON --account=ops",
        "#SCRON --job-name=cluster-doctor-sweep",
        "#SCRON --partition=service",
        "#SCRON --time=15",
        "#SCRON --output=/l/100%%/sweep.log",
        "#SCRON --open-mode=truncate",
        f"*/5 * * * * {ENTRY.command} --settings {ENTRY.settings} sweep",
    ]


def test_the_crontab_line_keeps_cron_from_reading_our_paths() -> None:
    odd = SweepEntry(
        command=Path("/o p/it's"), settings=Path("/50%"), every=ENTRY.every, limit=ENTRY.limit
    )
    line = crontab_entry(odd)
    assert line == "*/5 * * * * '/o p/it'\"'\"'s' --settings /50\\% sweep >/dev/null\n"


@pytest.mark.parametrize(
    ("length", "fields"),
    [
        (timedelta(minutes=1), "* * * * *"),
        (timedelta(minutes=5), "*/5 * * * *"),
        (timedelta(minutes=30), "*/30 * * * *"),
        (timedelta(hours=1), "0 * * * *"),
        (timedelta(hours=6), "0 */6 * * *"),
    ],
)
def test_intervals_that_cron_has(length: timedelta, fields: str) -> None:
    assert cron_time(length) == fields


@pytest.mark.parametrize("minutes", [0, 0.5, 7, 45, 90, 60 * 24, 60 * 48])
def test_intervals_that_cron_has_not_are_refused(minutes: float) -> None:
    with pytest.raises(ValueError, match="write a part of an hour or of a day"):
        cron_time(timedelta(minutes=minutes))


def test_systemd_finds_the_units_well_formed(tmp_path: Path) -> None:
    command = tmp_path / "50% here"
    command.touch(mode=0o755)
    entry = SweepEntry(
        command=command, settings=Path("/a $b"), every=ENTRY.every, limit=ENTRY.limit
    )
    units = systemd_units(entry, user="daemon")
    assert sorted(units) == [SERVICE, TIMER]
    assert "OnUnitActiveSec=300\n" in units[TIMER]
    assert f'ExecStart="{tmp_path}/50%% here" --settings "/a $$b" sweep\n' in units[SERVICE]
    program = shutil.which("systemd-analyze")
    if program is None:
        return
    for name, text in units.items():
        (tmp_path / name).write_text(text)
    done = subprocess.run(
        [program, "verify", "--man=no", *(str(tmp_path / name) for name in units)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    complaints = [line for line in done.stderr.splitlines() if "cluster-doctor-sweep" in line]
    assert complaints == [], done.stderr


# The block

LINES = st.lists(st.sampled_from(["", "# x", "1 * * * * y", "#SCRON -p z", end("other")]))


@given(lines=LINES, entry=st.sampled_from(["a", "b\nc\n"]), again=st.sampled_from(["d", "e\n"]))
def test_whatever_is_in_a_table_stays_there(lines: list[str], entry: str, again: str) -> None:
    table = "".join(f"{line}\n" for line in lines)
    installed = with_block(table, "gpu1", entry)
    assert block(installed, "gpu1") == entry.rstrip() + "\n"
    assert without_block(installed, "gpu1") == table
    replaced = with_block(installed + "after\n", "gpu1", again)
    assert without_block(replaced, "gpu1") == f"{table}after\n"
    assert replaced.count(begin("gpu1")) == 1


def test_two_clusters_share_a_table() -> None:
    both = with_block(with_block("", "gpu1", "a"), "gpu2", "b")
    assert (block(both, "gpu1"), block(both, "gpu2")) == ("a\n", "b\n")
    assert without_block(both, "gpu1") == with_block("", "gpu2", "b")


@pytest.mark.parametrize(
    "marks",
    [[begin("c")], [end("c")], [end("c"), begin("c")], [begin("c"), end("c")] * 2],
)
def test_damaged_marks_are_told_and_nothing_is_guessed(marks: Sequence[str]) -> None:
    table = "\n".join(["x", *marks, "y"])
    for change in (block, without_block):
        with pytest.raises(ScheduleError, match="not one pair"):
            change(table, "c")


# The command


@pytest.mark.parametrize(("way", "kind"), [("scrontab", "tables"), ("cron", "crontabs")])
def test_install_twice_and_remove_leave_the_rest_of_the_table(
    host: Host, way: str, kind: str
) -> None:
    host.table(kind).write_text(THEIRS)
    host.ran("install", "--with", way)
    first = host.table(kind).read_text()
    assert first.startswith(THEIRS + begin("gpu1"))
    host.ran("install", "--with", way, "--every", "10m")
    assert host.table(kind).read_text() == first.replace("*/5", "*/10").replace("=15", "=30")
    assert "*/10 * * * *" in host.ran("show")
    assert "removed from" in host.ran("remove")
    assert host.table(kind).read_text() == THEIRS
    assert host.ran("remove") == "there was no entry of ours\n"


@pytest.mark.parametrize(("way", "kind"), [("scrontab", "tables"), ("cron", "crontabs")])
def test_a_table_of_our_own_comes_and_goes(host: Host, way: str, kind: str) -> None:
    host.ran("install", "--with", way)
    assert host.table(kind).read_text().count("\n* ") == 0
    host.ran("remove")
    assert not host.table(kind).exists()


def test_root_installs_it_for_the_account(host: Host) -> None:
    host.account = "nobody"
    host.ran("install", "--with", "scrontab")
    assert begin("gpu1") in host.table(user="nobody").read_text()
    assert not host.table().exists()


def test_scrontab_is_taken_where_it_can_be_used(host: Host) -> None:
    assert host.ran("install").startswith("scrontab starts a sweep every 5m")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda host: (host.bin / "scrontab").unlink(), "Debian 12's Slurm has none"),
        (lambda host: host.enable("(null)"), "does not say ScronParameters=enable"),
        (lambda host: (host.bin / "scontrol").unlink(), "cannot run"),
    ],
)
def test_without_a_usable_scrontab_cron_is_taken_and_it_is_said(
    host: Host, spoil: Callable[[Host], object], said: str
) -> None:
    spoil(host)
    done = host.run("install")
    assert said in done.stderr
    assert "taking cron instead" in done.stderr
    assert begin("gpu1") in host.table("crontabs").read_text()
    refused = host.run("install", "--with", "scrontab")
    assert refused.exit_code == 1
    assert "use --with cron or --with systemd" in refused.stderr


def test_without_cron_units_are_written(host: Host) -> None:
    host.enable("(null)")
    (host.bin / "crontab").unlink()
    units = host.root / "units"
    units.mkdir()
    done = host.run("install", "--units", str(units), path=str(host.bin))
    assert done.exit_code == 0, done.output
    assert "taking systemd instead" in done.stderr
    assert f"then: systemctl enable --now {TIMER}" in done.stdout
    assert sorted(os.listdir(units)) == [SERVICE, TIMER]  # noqa: PTH208
    assert "User=root" in host.ran("show", "--with", "systemd", "--units", str(units))
    host.ran("remove", "--with", "systemd", "--units", str(units))
    assert list(units.iterdir()) == []


def test_a_timer_is_enabled_after_it_was_written_and_disabled_before_it_goes(
    tmp_path: Path,
) -> None:
    systemctl, calls = tmp_path / "systemctl", tmp_path / "calls"
    systemctl.write_text(f'#!/bin/sh\necho "$* $(ls {tmp_path}/units | wc -l)" >> {calls}\n')
    systemctl.chmod(0o755)
    (tmp_path / "units").mkdir()
    units = Units(
        directory=tmp_path / "units", names=(TIMER, SERVICE), timer=TIMER,
        systemctl=systemctl, environment={"PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert not units.remove()
    units.install(systemd_units(ENTRY, user="nobody"))
    assert units.remove()
    assert calls.read_text().splitlines() == [
        "daemon-reload 2", f"enable --now {TIMER} 2",
        f"disable --now {TIMER} 2", "daemon-reload 0",
    ]  # fmt: skip


def test_an_entry_that_slurm_disabled_is_told(host: Host) -> None:
    """scancel of a cron job comments its lines out, #SCRON lines included."""
    host.ran("install", "--with", "scrontab")
    table = host.table()
    head, _, rest = table.read_text().partition("#SCRON")
    body, _, tail = rest.partition(end("gpu1"))
    lines = "".join(f"#DISABLED: {line}\n" for line in f"#SCRON{body}".splitlines())
    table.write_text(f"{head}{lines}{end('gpu1')}{tail}")
    done = host.run("show")
    assert "the entry is disabled" in done.stderr
    host.ran("install", "--with", "scrontab")
    assert host.run("show").stderr == ""


def test_what_slurm_refuses_is_told_and_changes_nothing(host: Host) -> None:
    host.table().write_text(THEIRS)
    (host.bin / "refuse").write_text("Invalid partition name specified")
    done = host.run("install", "--with", "scrontab")
    assert done.exit_code == 1
    assert "Invalid partition name specified" in done.stderr
    assert host.table().read_text() == THEIRS


def test_a_scrontab_that_is_off_for_everybody_is_told(host: Host) -> None:
    """slurm.conf may say it here and not yet at slurmctld."""
    (host.bin / "disabled").touch()
    done = host.run("install", "--with", "scrontab")
    assert done.exit_code == 1
    assert "scrontab is disabled on this cluster" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--every", "7m"], "write a part of an hour or of a day"),
        (["--every", "often"], "is not a duration"),
        (["--with", "scrontab", "--option", "account=x"], "is no option of sbatch's"),
    ],
)
def test_wrong_arguments_are_told(host: Host, arguments: list[str], said: str) -> None:
    done = host.run("install", *arguments)
    assert done.exit_code == 1
    assert said in done.stderr
    assert not host.table().exists()


def test_what_a_person_should_know_is_told(host: Host) -> None:
    host.ran("install", "--with", "scrontab")
    done = host.run("install", "--with", "cron", "--every", "10m")
    assert done.exit_code == 0
    assert "--command names another" in done.stderr
    assert "make it 10m, or status warns at the wrong time" in done.stderr
    assert "scrontab starts sweeps, too" in done.stderr


def test_nothing_installed_is_said(host: Host) -> None:
    done = host.run("show")
    assert done.exit_code == 1
    assert "nothing starts sweeps here: cluster-doctor scrontab install" in done.stderr
