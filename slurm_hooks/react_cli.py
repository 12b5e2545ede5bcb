"""The command that runs the reactor by hand, or from cron."""

import click

from slurm_hooks.cli import App
from slurm_hooks.errors import SlurmError
from slurm_hooks.journal import Book, CheckEvent, Entry, Event, Verdict, What
from slurm_hooks.privilege import as_slurm_user
from slurm_hooks.reactor import Reacted, make_reactor
from slurm_hooks.reactor import react as react_once


@click.command()
@click.pass_obj
def react(app: App) -> None:
    """Look at every result that nobody considered, and do what follows.

    EpilogSlurmctld does the same after each visit, and after each sweep that scrontab
    started. Where sweeps come from cron, let SlurmUser's crontab run this every minute.
    Runs as SlurmUser; root becomes that account. Safe to repeat and to kill.
    """
    as_slurm_user(app.settings, "react")
    done = react_once(make_reactor(app.settings, service_uid=app.settings.service_uid))
    if done.taken_by:
        click.echo(f"another pass is under way ({done.taken_by}); it does the work", err=True)
    for line in told(done):
        click.echo(line)
    if done.problems:
        raise SlurmError("; ".join(done.problems))


def told(done: Reacted, book: Book | None = None) -> list[str]:
    """Return a line for each thing that was done or decided; *book* knows what was before."""
    entries = {item.entry.id: item.entry for item in book.items.values()} if book else {}
    entries |= {line.id: line for line in done.lines if isinstance(line, Entry)}
    lines = []
    for line in done.lines:
        match line:
            case CheckEvent():
                lines.append(f"{line.check}: {line.word}: {line.detail}")
            case Entry() if line.verdict is not Verdict.DO:
                lines.append(_line(line, f"{line.verdict}: {line.why}"))
            case Event() if line.what is What.DONE and line.entry in entries:
                lines.append(_line(entries[line.entry], "done"))
            case Event() if line.entry in entries and line.what is not What.KEPT:
                lines.append(_line(entries[line.entry], f"{line.what}: {line.detail}"))
            case _:
                pass
    return lines


def _line(entry: Entry, what: str) -> str:
    return f"{entry.node}: {entry.kind} for {entry.check}: {what}".rstrip(": ")
