"""The command that takes finished records into the history."""

import sys
from datetime import UTC, datetime

import click

from analytics.ask import warn
from slurm_hooks.account import as_service
from slurm_hooks.cli import App


@click.command(short_help="Take finished records into the history.")
@click.option(
    "--rebuild", is_flag=True, help="Then make the status snapshot anew from the history."
)
@click.pass_obj
def ingest(app: App, *, rebuild: bool) -> None:
    """Move every record that the spool holds into the history; each sweep does this too.

    Killed or repeated, it neither loses a result nor counts one twice. What is no record
    of ours is set aside with the reason. The next sweep compares what came with Slurm's word.
    """
    as_service(app.settings, "ingest")
    from analytics import ingest as work  # noqa: PLC0415 loads Polars
    from analytics.store import open_store  # noqa: PLC0415

    store, cluster, now = open_store(app.settings), app.settings.cluster, datetime.now(UTC)
    done = work.ingest(app.state, store, cluster=cluster, now=now, progress=_progress)
    for note in (*done.notes, *store.refused):
        warn(note)
    if rebuild:
        work.rebuild(app.state, store, cluster=cluster, now=now)
    click.echo(
        f"{_count(done.results, 'result')} ingested, "
        f"{_count(done.waiting, 'record')} waiting for Slurm's word, "
        f"{_count(done.aside, 'file')} set aside"
    )


def _progress(total: int, done: int) -> None:
    """Say how far a long ingest is, on a terminal."""
    if total > 1000 and sys.stderr.isatty():
        click.echo(f"\r{done:,} of {total:,} records", err=True, nl=done >= total)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
