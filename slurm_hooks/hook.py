"""What the three hooks share: their arguments, whose job it is, and that they never fail."""

import argparse
import syslog
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from slurm_hooks.errors import RecordError
from slurm_hooks.oneline import one_line
from slurm_hooks.settings import Settings, load_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of a hook by Slurm, for one of our jobs."""

    settings: Settings
    uid: int
    """The service account's; the job's too."""
    job_id: int
    node: str
    """SLURMD_NODENAME; empty on the controller."""
    environ: Mapping[str, str]


def run_hook(
    name: str,
    work: Callable[[Call], None],
    *,
    environ: Mapping[str, str],
    arguments: Sequence[str] | None = None,
) -> int:
    """Do *work* for a job of the service account's; always returns 0.

    Only the job's uid is believed: name, comment and partition are its user's to
    choose. The uid to compare with comes from the shim, fixed at installation, so
    that a name service that hangs cannot hold a hook.
    """
    parser = argparse.ArgumentParser(prog=f"slurm_hooks.{name}")
    parser.add_argument("--settings", type=Path, required=True)
    parser.add_argument("--uid", type=int, required=True)
    options = parser.parse_args(arguments)
    try:
        if job_uid(environ) == options.uid:
            settings = load_settings(options.settings)
            job_id = number(environ, "SLURM_JOB_ID")
            node = environ.get("SLURMD_NODENAME", "")
            work(
                Call(settings=settings, uid=options.uid, job_id=job_id, node=node, environ=environ)
            )
    except Exception as error:  # noqa: BLE001 - a hook that fails can drain a node
        complain(f"{name}: {type(error).__name__}: {error}")
    return 0


def job_uid(environ: Mapping[str, str]) -> int | None:
    """Return whose job it is: SLURM_JOB_UID, or SLURM_UID in node hooks of older Slurm."""
    text = environ.get("SLURM_JOB_UID") or environ.get("SLURM_UID") or ""
    return int(text) if text.isascii() and text.isdigit() else None


def number(environ: Mapping[str, str], name: str) -> int:
    """Return the number that variable *name* holds.

    Raises:
        RecordError: it is missing, or not a number.
    """
    text = environ.get(name, "")
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise RecordError(f"{name} is {text[:40]!r}, not a number")
    return int(text)


def complain(text: str) -> None:
    """Tell the administrator, through syslog."""
    syslog.openlog("cluster-doctor", syslog.LOG_PID, syslog.LOG_DAEMON)
    syslog.syslog(syslog.LOG_WARNING, one_line(text))
