"""The command that has sweeps started: scrontab install, remove, show."""

import os
import pwd
import shutil
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path

import click

from sbatch_templates.sweep import (
    SERVICE,
    TIMER,
    SweepEntry,
    crontab_entry,
    scrontab_entry,
    systemd_units,
)
from slurm_hooks.block import DISABLED
from slurm_hooks.cli import App
from slurm_hooks.duration import format_duration, parse_duration
from slurm_hooks.errors import ConfigError, ScheduleError, SlurmError
from slurm_hooks.scron import Place, Table, Units, why_no_scrontab
from slurm_hooks.settings import Settings
from slurm_hooks.slurm import SlurmCommands

UNITS = Path("/etc/systemd/system")
_SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_WAYS = ("scrontab", "cron", "systemd")


@click.group()
def scrontab() -> None:
    """Have sweeps started every few minutes: by scrontab, cron or systemd."""


_with = click.option("--with", "way", type=click.Choice(_WAYS), help="By what; else what is there.")
_units = click.option(
    "--units",
    type=click.Path(path_type=Path, file_okay=False),
    default=UNITS,
    show_default=True,
    help="systemd: the directory of unit files. Another one is only written to.",
)


@scrontab.command()
@_with
@click.option("--every", metavar="LENGTH", help="How often; sweep_interval of the settings.")
@click.option(
    "--command",
    type=click.Path(path_type=Path),
    help="The executable to start; cluster-doctor beside node_python of the settings.",
)
@click.option("--partition", help="scrontab: where sweeps run; partition of the settings.")
@click.option("--option", "options", multiple=True, help="scrontab: one more #SCRON option.")
@_units
@click.pass_obj
def install(
    app: App,
    *,
    way: str | None,
    every: str | None,
    command: Path | None,
    partition: str | None,
    options: tuple[str, ...],
    units: Path,
) -> None:
    """Add one marked block to the service account's table, or replace it.

    No other line is touched. Run it as the service account or as root, and again
    after a change of the settings.
    """
    settings = app.settings
    entry = _entry(settings, every=every, command=command)
    chosen = way or _usable(settings)
    try:
        if chosen == "scrontab":
            text = scrontab_entry(
                entry,
                partition=partition or settings.partition,
                output=settings.log_dir / "sweep.log",
                options=options,
            )
            _scrontab(settings, must=True).install(text)
        elif chosen == "cron":
            _crontab(settings).install(crontab_entry(entry))
        else:
            _systemd(units).install(systemd_units(entry, user=settings.service_user))
    except ValueError as error:
        raise ConfigError(f"scrontab install: {error}") from error
    _tell(settings, entry, chosen, units)


@scrontab.command()
@_with
@_units
@click.pass_obj
def remove(app: App, *, way: str | None, units: Path) -> None:
    """Take our block out of wherever it is, and leave everything else."""
    removed = [name for place in _places(app.settings, way, units) if (name := _removed(place))]
    click.echo(f"removed from {', '.join(removed)}" if removed else "there was no entry of ours")


@scrontab.command()
@_with
@_units
@click.pass_obj
def show(app: App, *, way: str | None, units: Path) -> None:
    """Print our block, wherever it is."""
    found = False
    for place in _places(app.settings, way, units):
        text = _read(place)
        if text is None:
            continue
        found = True
        click.echo(f"# {place.name}\n{text.rstrip()}")
        if any(line.startswith(DISABLED.strip()) for line in text.splitlines()):
            click.echo(
                "warning: the entry is disabled, since somebody cancelled its job (scancel); "
                "cluster-doctor scrontab install enables it again",
                err=True,
            )
    if not found:
        raise ScheduleError("nothing starts sweeps here: cluster-doctor scrontab install")


def _entry(settings: Settings, *, every: str | None, command: Path | None) -> SweepEntry:
    try:
        interval = parse_duration(every) if every else settings.sweep_interval
    except ValueError as error:
        raise ConfigError(f"--every: {error}") from error
    return SweepEntry(
        command=(command or settings.node_python.parent / "cluster-doctor").absolute(),
        settings=settings.path.absolute(),
        every=interval,
        limit=max(3 * interval, timedelta(minutes=10)),
    )


def _tell(settings: Settings, entry: SweepEntry, way: str, units: Path) -> None:
    """Say what was done, and what a person should know of it."""
    every = format_duration(entry.every)
    click.echo(f"{way} starts a sweep every {every}: {entry.command}")
    if way == "systemd" and _systemctl(units) is None:
        click.echo(f"written to {units}; then: systemctl enable --now {TIMER}")
    if way != "scrontab" and not os.access(entry.command, os.X_OK):
        click.echo(
            f"warning: {entry.command} is not there on this host; --command names another",
            err=True,
        )
    if entry.every != settings.sweep_interval:
        told = format_duration(settings.sweep_interval)
        click.echo(
            f"warning: sweep_interval in {settings.path} is {told}; make it {every}, "
            "or status warns at the wrong time",
            err=True,
        )
    for place in _places(settings, None, units):
        if not place.name.startswith(_PREFIX[way]) and _read(place) is not None:
            click.echo(f"warning: {place.name} starts sweeps, too", err=True)


_PREFIX = {"scrontab": "scrontab", "cron": "crontab", "systemd": "systemd"}


def _usable(settings: Settings) -> str:
    """Return the best way that there is here, and say why it is not scrontab."""
    problem = _why_no_scrontab(settings)
    if problem is None:
        return "scrontab"
    way = "cron" if shutil.which("crontab", path=_search()) else "systemd"
    click.echo(f"{problem}; taking {way} instead", err=True)
    return way


def _why_no_scrontab(settings: Settings) -> str | None:
    slurm = SlurmCommands(
        bin_dir=settings.slurm_bin,
        conf=settings.slurm_conf,
        timeout_s=settings.slurm_timeout.total_seconds(),
    )
    missing = why_no_scrontab(settings.slurm_bin, {"ScronParameters": "enable"})
    try:
        return missing or why_no_scrontab(settings.slurm_bin, slurm.config())
    except SlurmError as error:
        return str(error)


def _places(settings: Settings, way: str | None, units: Path) -> Sequence[Place]:
    """Return where an entry of ours may be: by *way*, or by any that this host has."""
    found: list[Place] = []
    if way in {None, "scrontab"} and (way or _why_no_scrontab(settings) is None):
        found.append(_scrontab(settings, must=way is not None))
    if way in {None, "cron"} and (way or shutil.which("crontab", path=_search())):
        found.append(_crontab(settings))
    if way in {None, "systemd"}:
        found.append(_systemd(units))
    return found


def _scrontab(settings: Settings, *, must: bool) -> Table:
    problem = _why_no_scrontab(settings) if must else None
    if problem is not None:
        raise ScheduleError(f"{problem}; use --with cron or --with systemd")
    return _table(settings, settings.slurm_bin / "scrontab")


def _crontab(settings: Settings) -> Table:
    program = shutil.which("crontab", path=_search())
    if program is None:
        raise ScheduleError("there is no crontab here; install cron, or use --with systemd")
    return _table(settings, Path(program))


def _table(settings: Settings, program: Path) -> Table:
    return Table(
        program=program,
        user=_account(settings),
        cluster=settings.cluster,
        environment=_environment(settings),
    )


def _systemd(units: Path) -> Units:
    return Units(
        directory=units.absolute(),
        names=(TIMER, SERVICE),
        timer=TIMER,
        systemctl=_systemctl(units),
        environment={"PATH": _search(), "LC_ALL": "C.UTF-8"},
    )


def _systemctl(units: Path) -> Path | None:
    """Return systemctl where systemd runs and reads *units* (sd_booted(3))."""
    found = shutil.which("systemctl", path=_search())
    runs = Path("/run/systemd/system").is_dir() and units == UNITS
    return Path(found) if found and runs else None


def _account(settings: Settings) -> str | None:
    """Return whom to name to the programs; None for ourselves.

    Raises:
        ConfigError: neither root nor the service account runs this.
    """
    if os.geteuid() == settings.service_uid:
        return None
    if os.geteuid() == 0:
        return settings.service_user
    user = settings.service_user
    raise ConfigError(f"this is for {user} or root: runuser -u {user} -- cluster-doctor scrontab …")


def _environment(settings: Settings) -> Mapping[str, str]:
    """scrontab takes HOME as the job's working directory, so it is the account's."""
    home = pwd.getpwuid(settings.service_uid).pw_dir
    found = {"PATH": _search(), "LC_ALL": "C.UTF-8", "HOME": home if Path(home).is_dir() else "/"}
    if settings.slurm_conf is not None:
        found["SLURM_CONF"] = str(settings.slurm_conf)
    return found


def _search() -> str:
    """Cron and sudo start this with short paths; what it looks for is in the system's."""
    return ":".join(part for part in (os.environ.get("PATH", ""), _SEARCH) if part)


def _removed(place: Place) -> str:
    return place.name if place.remove() else ""


def _read(place: Place) -> str | None:
    return place.read()
