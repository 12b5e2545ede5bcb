"""What starts sweeps: a scrontab entry, a crontab line, or a systemd service and timer."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from math import ceil
from pathlib import Path

from sbatch_templates.text import filled

SERVICE = "cluster-doctor-sweep.service"
TIMER = "cluster-doctor-sweep.timer"


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepEntry:
    """What is started, and how often."""

    command: Path
    """The executable cluster-doctor where sweeps run."""
    settings: Path
    every: timedelta
    limit: timedelta
    """A sweep that takes longer is ended; the next one completes it."""


def cron_time(every: timedelta) -> str:
    """Return *every* as crontab(5)'s five fields.

    Raises:
        ValueError: cron has no such interval; the message names the ones it has.
    """
    minutes, rest = divmod(every.total_seconds(), 60)
    if not rest and minutes and minutes < 60 and not 60 % minutes:
        return "* * * * *" if minutes == 1 else f"*/{minutes:.0f} * * * *"
    hours, rest = divmod(every.total_seconds(), 3600)
    if not rest and hours and hours < 24 and not 24 % hours:
        return "0 * * * *" if hours == 1 else f"0 */{hours:.0f} * * *"
    raise ValueError(
        "cron cannot start something that often; write a part of an hour or of a day: "
        "1m, 2m, 3m, 4m, 5m, 6m, 10m, 12m, 15m, 20m, 30m, 1h, 2h, 3h, 4h, 6h, 8h or 12h"
    )


def scrontab_entry(
    entry: SweepEntry, *, partition: str, output: Path, options: Sequence[str] = ()
) -> str:
    """Return scrontab(1)'s lines; *output* is the file with the last sweep's output.

    *options* are more of sbatch's, such as ``--account=ops``.

    Raises:
        ValueError: as `cron_time`, or something does not fit into a #SCRON line.
    """
    for option in options:
        if not option.startswith("-") or not option.isprintable():
            raise ValueError(f"{option!r} is no option of sbatch's")
    if any(not letter.isprintable() or letter in " \"'\\" for letter in str(output)):
        raise ValueError(f"{str(output)!r}: a #SCRON line takes no path with spaces or quotes")
    more = "".join(f"#SCRON {option}\n" for option in options)
    text = filled(
        "scrontab",
        when=cron_time(entry.every),
        partition=partition,
        minutes=str(ceil(entry.limit.total_seconds() / 60)),
        output=str(output).replace("%", "%%"),  # sbatch(1), filename pattern
        command=shlex.quote(str(entry.command)),
        settings=shlex.quote(str(entry.settings)),
    )
    head, _, rest = text.partition("#SCRON")
    return f"{head}{more}#SCRON{rest}"


def crontab_entry(entry: SweepEntry) -> str:
    """Return crontab(5)'s line. Summaries go nowhere; what goes wrong is mailed by cron.

    Raises:
        ValueError: as `cron_time`.
    """
    return filled(
        "crontab",
        when=cron_time(entry.every),
        command=_for_cron(entry.command),
        settings=_for_cron(entry.settings),
    )


def systemd_units(entry: SweepEntry, *, user: str) -> dict[str, str]:
    """Return a service and its timer (systemd.service(5), systemd.timer(5)) by file name.

    Raises:
        ValueError: systemd takes no executable of that name.
    """
    if any(letter in str(entry.command) for letter in "'\"\\"):
        raise ValueError(f"{str(entry.command)!r}: systemd takes no quotes in an executable's name")
    seconds = f"{entry.every.total_seconds():.0f}"
    service = filled(
        f"systemd/{SERVICE}",
        user=user,
        command=_for_systemd(entry.command),
        settings=_for_systemd(entry.settings).replace("$", "$$"),
        limit=f"{entry.limit.total_seconds():.0f}",
    )
    return {
        SERVICE: service,
        TIMER: filled(f"systemd/{TIMER}", every=f"{seconds} s", seconds=seconds),
    }


def _for_cron(path: Path) -> str:
    return shlex.quote(str(path)).replace("%", r"\%")  # cron makes lines of the others


def _for_systemd(path: Path) -> str:
    """Return *path* as one word of ExecStart (systemd.service(5), COMMAND LINES)."""
    text = str(path).replace("\\", "\\\\").replace('"', '\\"')
    text = text.replace("%", "%%")  # a specifier otherwise
    return f'"{text}"' if any(letter in text for letter in " '\"\\;") else text
