"""Which of scrontab, cron and systemd can start sweeps here, each a place for an entry of ours."""

import os
import pwd
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from sbatch_templates.sweep import SERVICE, TIMER
from slurm_hooks.errors import ConfigError, ScheduleError, SlurmError
from slurm_hooks.scron import Place, Table, Units, why_no_scrontab
from slurm_hooks.settings import Settings
from slurm_hooks.slurm import SlurmCommands

UNITS = Path("/etc/systemd/system")
PROGRAMS = {"scrontab": "scrontab", "cron": "crontab", "systemd": "systemd"}
"""What the place of each way is called."""
_SEARCH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def scrontab_problem(settings: Settings) -> str | None:
    """Return why scrontab cannot be used here, or None where it can."""
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


def places(settings: Settings, way: str | None, units: Path) -> Sequence[Place]:
    """Return where an entry of ours may be: by *way*, or by any that this host has."""
    found: list[Place] = []
    if way in {None, "scrontab"} and (way or scrontab_problem(settings) is None):
        found.append(scrontab_table(settings))
    if way in {None, "cron"} and (way or has_crontab()):
        found.append(crontab_table(settings))
    if way in {None, "systemd"}:
        found.append(systemd_units_in(units))
    return found


def scrontab_table(settings: Settings) -> Table:
    """Return the account's scrontab.

    Raises:
        ScheduleError: it cannot be used here; the message says why.
    """
    problem = scrontab_problem(settings)
    if problem is not None:
        raise ScheduleError(f"{problem}; use --with cron or --with systemd")
    return _table(settings, settings.slurm_bin / "scrontab")


def has_crontab() -> bool:
    """Whether crontab(1) is here."""
    return shutil.which("crontab", path=_search()) is not None


def crontab_table(settings: Settings) -> Table:
    """Return the account's crontab.

    Raises:
        ScheduleError: there is no crontab(1) here.
    """
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


def systemd_units_in(units: Path) -> Units:
    """Return our units in the directory *units*."""
    return Units(
        directory=units.absolute(),
        names=(TIMER, SERVICE),
        timer=TIMER,
        systemctl=systemctl_for(units),
        environment={"PATH": _search(), "LC_ALL": "C.UTF-8"},
    )


def systemctl_for(units: Path) -> Path | None:
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
