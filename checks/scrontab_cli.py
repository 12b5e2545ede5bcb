"""The command that has sweeps started: scrontab install, remove, show."""

import os
from datetime import timedelta
from pathlib import Path

import click

from checks.starters import (
    PROGRAMS,
    UNITS,
    crontab_table,
    has_crontab,
    places,
    scrontab_problem,
    scrontab_table,
    systemctl_for,
    systemd_units_in,
)
from sbatch_templates.sweep import (
    TIMER,
    SweepEntry,
    crontab_entry,
    scrontab_entry,
    systemd_units,
)
from slurm_hooks.block import DISABLED
from slurm_hooks.cli import App
from slurm_hooks.duration import format_duration, parse_duration
from slurm_hooks.errors import ConfigError, ScheduleError
from slurm_hooks.settings import Settings


@click.group()
def scrontab() -> None:
    """Have sweeps started every few minutes: by scrontab, cron or systemd."""


_with = click.option(
    "--with", "way", type=click.Choice([*PROGRAMS]), help="By what; else what is there."
)
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
    chosen = way or _best(settings)
    try:
        if chosen == "scrontab":
            text = scrontab_entry(
                entry,
                partition=partition or settings.partition,
                output=settings.log_dir / "sweep.log",
                options=options,
            )
            scrontab_table(settings).install(text)
        elif chosen == "cron":
            crontab_table(settings).install(crontab_entry(entry))
        else:
            systemd_units_in(units).install(systemd_units(entry, user=settings.service_user))
    except ValueError as error:
        raise ConfigError(f"scrontab install: {error}") from error
    _tell(settings, entry, chosen, units)


@scrontab.command()
@_with
@_units
@click.pass_obj
def remove(app: App, *, way: str | None, units: Path) -> None:
    """Take our block out of wherever it is, and leave everything else."""
    removed = [place.name for place in places(app.settings, way, units) if place.remove()]
    click.echo(f"removed from {', '.join(removed)}" if removed else "there was no entry of ours")


@scrontab.command()
@_with
@_units
@click.pass_obj
def show(app: App, *, way: str | None, units: Path) -> None:
    """Print our block, wherever it is."""
    found = False
    for place in places(app.settings, way, units):
        text = place.read()
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
    if way == "systemd" and systemctl_for(units) is None:
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
    for place in places(settings, None, units):
        if not place.name.startswith(PROGRAMS[way]) and place.read() is not None:
            click.echo(f"warning: {place.name} starts sweeps, too", err=True)


def _best(settings: Settings) -> str:
    """Return the best way that there is here, and say why it is not scrontab."""
    problem = scrontab_problem(settings)
    if problem is None:
        return "scrontab"
    way = "cron" if has_crontab() else "systemd"
    click.echo(f"{problem}; taking {way} instead", err=True)
    return way
