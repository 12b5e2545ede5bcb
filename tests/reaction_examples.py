"""Journals that the tests of what shows reactions are made of, and a Slurm that prints nodes."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from slurm_hooks.journal import Entry, Event, Line, Verdict, What, entry_id
from slurm_hooks.journal_file import JournalFile
from slurm_hooks.reaction import Kind
from slurm_hooks.reason import written
from slurm_hooks.record import Outcome
from slurm_hooks.state import State
from tests.command_line import Site

NOW = datetime(2030, 1, 2, 12, 0, tzinfo=UTC)


def entry(
    node: str = "n1",
    kind: Kind = Kind.DRAIN,
    verdict: Verdict = Verdict.DO,
    *,
    at: datetime = NOW,
    check: str = "gpu",
    why: str = "",
    detail: str = "Xid 79 on GPU 3",
    target: str = "",
    outcome: Outcome = Outcome.FAIL,
) -> Entry:
    """Return a decision of *at*, with the text that the reactor would write."""
    result = f"{check}-{node}-{at:%m%dT%H%M%S}"
    made = Entry(
        id=entry_id(result, kind, target),
        at=at,
        kind=kind,
        node=node,
        check=check,
        result_id=result,
        batch="20300102T110000Z-00000000",
        outcome=outcome,
        judged_at=at - timedelta(seconds=2),
        detail=detail,
        prefix="cd",
        verdict=verdict,
        target=target,
    )
    return written(made, verdict, why)


def event(
    of: Entry, what: What, *, after: timedelta = timedelta(0), by: str = "", detail: str = ""
) -> Event:
    """Return what happened to *of* so long after it was decided."""
    return Event(entry=of.id, what=what, at=of.at + after, by=by, detail=detail)


def done(of: Entry) -> Sequence[Line]:
    """Return *of*, carried out at once."""
    return [of, event(of, What.DONE)]


def put_journal(state: State, lines: Iterable[Line], *, now: datetime = NOW) -> None:
    """Write *lines* as the reactor does in the month of *now*."""
    state.reactions.mkdir(exist_ok=True)
    JournalFile(state.reactions).append([*lines], now=now)


def shown_node(
    name: str, state: str = "IDLE", *, reason: str = "", partitions: str = "main,background"
) -> str:
    """Return a node as scontrol shows it, as far as it is read; *reason* with its author."""
    typed = f"   Reason={reason}\n" if reason else ""
    return (
        f"NodeName={name} Arch=x86_64 CoresPerSocket=1 \n"
        f"   CPUAlloc=0 CPUEfctv=2 CPUTot=2 CPULoad=0.68\n"
        f"   State={state} ThreadsPerCore=1 TmpDisk=0 Weight=1 Owner=N/A MCS_label=N/A\n"
        f"   Partitions={partitions} \n"
        f"{typed}\n"
    )


def give_slurm(site: Site, nodes: str | None, **settings: str) -> None:
    """Let *site* find a scontrol that prints *nodes*; None: slurmctld does not answer."""
    directory = site.root / "slurm-bin"
    directory.mkdir(exist_ok=True)
    if nodes is None:
        said = "slurm_load_node error: Unable to contact slurm controller (connect failure)"
        script = f'echo "{said}" >&2\nexit 1\n'
    else:
        printed = directory / "nodes.txt"
        printed.write_text(nodes)
        script = f"exec cat {printed}\n"
    _program(directory / "scontrol", script)
    lines = {"slurm_bin": str(directory), **settings}
    text = site.settings.read_text().split("# slurm")[0]
    site.settings.write_text(
        text + "# slurm\n" + "".join(f'{name} = "{value}"\n' for name, value in lines.items())
    )


def _program(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}")
    path.chmod(0o755)
