"""Asks slurmctld, the snapshot and the journal about nodes; what does not answer is said."""

from collections.abc import Sequence
from datetime import datetime

from analytics.ask import nothing_yet, warn
from analytics.journal_view import book
from analytics.node_lines import NodeLine, node_lines, proofs
from analytics.snapshot import Row, Snapshot, SnapshotUnusableError
from slurm_hooks.cli import App
from slurm_hooks.errors import SlurmError, StateError
from slurm_hooks.journal import Book
from slurm_hooks.slurm import SlurmCommands
from slurm_hooks.slurm_text import Node


def ask_slurm(app: App) -> Sequence[Node] | None:
    """Return every node; None, and a warning, where slurmctld does not answer."""
    settings = app.settings
    slurm = SlurmCommands(
        bin_dir=settings.slurm_bin,
        conf=settings.slurm_conf,
        timeout_s=settings.slurm_timeout.total_seconds(),
    )
    try:
        return slurm.nodes()
    except SlurmError as error:
        warn(f"states are not known, and who holds a node only as far as we do: {error}")
        return None


def known_lines(app: App, *, now: datetime) -> tuple[list[NodeLine], Book, bool]:
    """Return a line for each node, the journal, and whether slurmctld answered.

    What cannot be read is left out, with a warning: part of the truth is better at 3 a.m.
    """
    nodes = ask_slurm(app)
    found = _book(app, now)
    lines = node_lines(
        nodes,
        proofs(_rows(app)),
        found,
        slurm_user=app.settings.reactions.slurm_user,
        now=now,
    )
    return lines, found, nodes is not None


def _book(app: App, now: datetime) -> Book:
    try:
        return book(app.places, now=now)
    except StateError as error:
        warn(f"reactions are not known: {error}")
        return Book()


def _rows(app: App) -> list[Row]:
    try:
        return Snapshot(app.places.snapshot).last()
    except SnapshotUnusableError as error:
        if not nothing_yet(app):
            warn(f"results are not known: {error}; make it anew: cluster-doctor ingest --rebuild")
        return []
