"""The state directory: who writes what where, and nothing else knows its layout."""

import contextlib
import itertools
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from slurm_hooks import batch as batches
from slurm_hooks.batch import Batch, Cancellation, ControllerWord, Submission
from slurm_hooks.errors import RecordError, StateError
from slurm_hooks.files import read_regular
from slurm_hooks.record import Record, dumps
from slurm_hooks.state_files import (
    PRIVATE,
    READABLE,
    SHARED,
    entries,
    make_directory,
    write_file,
)
from slurm_hooks.suspension import Suspensions
from slurm_hooks.sweep_files import SweepFiles


@dataclass(frozen=True, slots=True)
class State:
    """One state directory. Methods that write raise StateError when they cannot.

    ::

        batches/<batch>/batch.json       written before the batch is submitted; holds the token
        batches/<batch>/submitted.json   written once Slurm took it
        batches/<batch>/cancelled.<task>.json  who wants that visit gone
        batches/<batch>/recorded         there once its plan is in the history
        batches/<batch>/uncompared       there while results are to be held against Slurm's word
        batches/<batch>/results/         its records, once they are in the history
        archive/<batch>/                 the same, once every check has its result
        spool/                           records on their way to the history
        controller/                      EpilogSlurmctld's words; SlurmUser's own
        aside/                           what could not be read, each with the reason
        reactions/                       the reactor's; SlurmUser's own
        reactions/<month>.jsonl          the journal: what was decided and what became of it
        reactions/seen/<batch>           the records that were considered
        notices/<notice>.json            what became of each try to tell somebody
        tried/<check>                    there once the check is past its probation
        suspended/<check>.json           who switched a check off by command, and why
        history/<table>/                 Parquet segments, and the manifest that names them
        sweep/                           whose turn it is to sweep
        sweeps/<time>.json               what a sweep tells, on its way to the history
        first-seen.json                  since when each check is known
        told-reactions.json              which states of reactions are in the history
        export.json import.json          how far the history is copied to a server, or back
        told-nodes.json                  what sweeps told of each node last; may be lost
        status.sqlite free-nodes.txt heartbeat.json
    """

    root: Path
    pins: Mapping[str, Path] = field(default_factory=dict, compare=False)
    """Other ways to directories below the root, as `slurm_hooks.ownership.pinned` makes them."""

    @property
    def batches(self) -> Path:
        """Open batches, one directory each."""
        return self.root / "batches"

    @property
    def archive(self) -> Path:
        """Batches whose every check has its result."""
        return self.root / "archive"

    @property
    def spool(self) -> Path:
        """Records that are not yet in the history."""
        return self.root / "spool"

    @property
    def controller(self) -> Path:
        """Owned by SlurmUser, writable by the service group."""
        return self.pins.get("controller", self.root / "controller")

    @property
    def tried(self) -> Path:
        """Checks with as many judged results as their reactions need."""
        return self.root / "tried"

    @property
    def reactions(self) -> Path:
        """The reactor's journal; owned by SlurmUser, readable by the service group."""
        return self.pins.get("reactions", self.root / "reactions")

    @property
    def reactor_turn(self) -> Path:
        """Whose turn it is to react."""
        return self.reactions / "turn"

    @property
    def reactor_sign(self) -> Path:
        """Changes whenever there is something new to react to."""
        return self.reactions / "sign"

    @property
    def considered(self) -> Path:
        """Which records the reactor considered."""
        return self.reactions / "seen"

    @property
    def notices(self) -> Path:
        """What became of each notice that a sweep tried to deliver."""
        return self.root / "notices"

    @property
    def aside(self) -> Path:
        """What could not be read."""
        return self.root / "aside"

    @property
    def suspensions(self) -> Suspensions:
        """Checks that were switched off by command."""
        return Suspensions(self.root / "suspended")

    @property
    def told(self) -> Path:
        """Which states of reactions are in the history; `analytics.told` reads and writes it."""
        return self.root / "told-reactions.json"

    @property
    def sweeps(self) -> SweepFiles:
        """What sweeps tell of themselves and of the nodes, until it is in the history."""
        return SweepFiles(self.root / "sweeps", self.root / "told-nodes.json")

    @property
    def history(self) -> Path:
        """A directory for each table, where the history is kept here."""
        return self.root / "history"

    @property
    def ingest_lock(self) -> Path:
        """Held by whoever writes the history or the snapshot."""
        return self.root / "ingest.lock"

    def transfer(self, way: str) -> Path:
        """How far `store export` or `store import` is; analytics.transfer_file knows its form."""
        return self.root / f"{way}.json"

    @property
    def snapshot(self) -> Path:
        """The status snapshot that `cluster-doctor status` reads."""
        return self.root / "status.sqlite"

    @property
    def free_nodes(self) -> Path:
        """The nodes that were free at the last sweep, one a line."""
        return self.root / "free-nodes.txt"

    @property
    def turn(self) -> Path:
        """Whose turn it is to sweep."""
        return self.root / "sweep"

    @property
    def first_seen(self) -> Path:
        """Since when each check is known; `checks.first_seen` reads and writes it."""
        return self.root / "first-seen.json"

    @property
    def heartbeat(self) -> Path:
        """Written at each sweep's end."""
        return self.root / "heartbeat.json"

    def prepare(self) -> None:
        """Make the directories the service account owns; the root must exist.

        Raises:
            StateError: the root is missing or cannot be written.
        """
        for path, mode in (
            (self.batches, PRIVATE),
            (self.archive, PRIVATE),
            (self.spool, PRIVATE),
            (self.aside, PRIVATE),
            (self.notices, PRIVATE),
            (self.history, READABLE),
        ):
            make_directory(path, mode)
        self.sweeps.make()

    @contextlib.contextmanager
    def real_names(self) -> Iterator[None]:
        """Let errors in the block name directories as people know them, not by their pins."""
        try:
            yield
        except StateError as error:
            text = str(error)
            for name, pin in self.pins.items():
                known = str(self.root / name).replace("\\", r"\\")
                text = re.sub(rf"{re.escape(str(pin))}(?!\d)", known, text)
            raise StateError(text) from error

    def prepare_reactions(self) -> None:
        """Make what the reactor keeps its books in; it must not run as the service account.

        Raises:
            StateError: the directory is missing or somebody else's; the message has the remedy.
        """
        self.make_reactions()
        try:
            make_directory(self.considered, SHARED)
        except StateError as error:
            raise StateError(f"{error}; {self._whose_reactions()}") from error
        if not os.access(self.considered, os.W_OK):
            raise StateError(f"{self.considered}: cannot write there; {self._whose_reactions()}")

    def make_reactions(self) -> None:
        """Make the reactor's directory where it is missing, and nothing in it.

        Raises:
            StateError: as `prepare_reactions`.
        """
        try:
            make_directory(self.reactions, SHARED)
        except StateError as error:
            raise StateError(f"{error}; {self._whose_reactions()}") from error

    def _whose_reactions(self) -> str:
        return (
            "the reactor runs as SlurmUser, and its books are that account's: "
            f"install -d -o slurm -g cluster-doctor -m 2750 {self.root / 'reactions'}"
        )

    def write_batch(self, batch: Batch) -> None:
        """Write *batch* down; it is open from now on."""
        directory = self.batches / batch.id
        make_directory(directory, PRIVATE)
        make_directory(directory / "results", PRIVATE)
        write_file(directory / "batch.json", batches.dump_batch(batch))

    def write_submission(self, batch_id: str, submission: Submission) -> None:
        """Write down that Slurm took the batch."""
        path = self.batches / batch_id / "submitted.json"
        write_file(path, batches.dump_submission(submission))

    def write_cancellation(self, batch_id: str, cancellation: Cancellation) -> bool:
        """Write down that a visit is to be cancelled; returns False where it was already."""
        path = self.batches / batch_id / cancellation.file_name
        return write_file(path, batches.dump_cancellation(cancellation), replace=False)

    def write_record(self, record: Record) -> bool:
        """Put *record* in the spool; returns False where its file is there already."""
        return write_file(self.spool / record.file_name, dumps(record), replace=False)

    def write_word(self, word: ControllerWord) -> None:
        """Write down what EpilogSlurmctld saw."""
        write_file(self.controller / word.file_name, batches.dump_word(word))

    def open_batches(self) -> list[str]:
        """Return the ids of the batches that still miss a result, oldest first."""
        return sorted(path.name for path in entries(self.batches) if _is_written(path))

    def batch_directory(self, batch_id: str) -> Path | None:
        """Return where batch *batch_id* is kept, open or archived; None where it is not."""
        if not batches.is_batch_id(batch_id):
            return None
        for parent in (self.batches, self.archive):
            if _is_written(parent / batch_id):
                return parent / batch_id
        return None

    def read_batch(self, batch_id: str) -> Batch:
        """Return batch *batch_id*.

        Raises:
            StateError: there is none, or it cannot be read.
        """
        directory = self.batch_directory(batch_id)
        if directory is None:
            raise StateError(f"{self.batches}: there is no batch {batch_id}")
        try:
            data = read_regular(directory / "batch.json", limit=batches.MAX_BYTES)
            return batches.load_batch(data)
        except (OSError, RecordError) as error:
            raise StateError(f"{directory / 'batch.json'}: {error}") from error

    def read_submission(self, batch_id: str) -> Submission | None:
        """Return what Slurm was asked, or None where it was not (or nobody could write it down)."""
        directory = self.batch_directory(batch_id) or self.batches / batch_id
        path = directory / "submitted.json"
        try:
            return batches.load_submission(read_regular(path, limit=10_000))
        except FileNotFoundError:
            return None
        except (OSError, RecordError) as error:
            raise StateError(f"{path}: {error}") from error

    def read_cancellations(self, batch_id: str) -> dict[int, Cancellation]:
        """Return which visits of an open batch are to be cancelled, by task."""
        found = {}
        for path in entries(self.batches / batch_id):
            if path.name.startswith("cancelled."):
                try:
                    one = batches.load_cancellation(read_regular(path, limit=10_000))
                except (OSError, RecordError) as error:
                    raise StateError(f"{path}: {error}") from error
                found[one.task] = one
        return found

    def results(self, batch_id: str) -> list[Path]:
        """Return the files of the records of batch *batch_id* that are in the history."""
        directory = self.batch_directory(batch_id)
        return entries(directory / "results") if directory is not None else []

    def words(self) -> Iterator[tuple[Path, ControllerWord | str]]:
        """Yield each file in the controller's directory with its word, or why it has none."""
        for path in entries(self.controller):
            if path.suffix != ".json":
                continue
            try:
                yield path, batches.load_word(read_regular(path, limit=10_000))
            except (OSError, RecordError) as error:
                yield path, str(error)

    def spooled(self) -> list[Path]:
        """Return the record files in the spool, in name order."""
        return [path for path in entries(self.spool) if not path.name.startswith(".")]

    def is_recorded(self, batch_id: str) -> bool:
        """Whether the plan of batch *batch_id* is in the history, or there is no such batch."""
        directory = self.batch_directory(batch_id)
        return directory is None or (directory / "recorded").exists()

    def mark_recorded(self, batch_id: str) -> None:
        """Write down that the plan of batch *batch_id* is in the history."""
        directory = self.batch_directory(batch_id)
        if directory is not None:
            write_file(directory / "recorded", b"")

    def is_compared(self, batch_id: str) -> bool:
        """Whether no result of open batch *batch_id* was taken in without a sweep's look at it."""
        return not (self.batches / batch_id / "uncompared").exists()

    def mark_compared(self, batch_id: str, *, yes: bool) -> None:
        """Write down whether a sweep held the results of an open batch against Slurm's word."""
        path = self.batches / batch_id / "uncompared"
        if not yes:
            write_file(path, b"")
            return
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StateError(f"{path}: cannot remove it: {error.strerror}") from error

    def finished(self, batch_id: str) -> set[tuple[int, str]]:
        """Return the (task, check) pairs of an open batch whose result is in the history."""
        found = set()
        for path in entries(self.batches / batch_id / "results"):
            parts = path.name.split(".")
            if len(parts) >= 5 and parts[1].isdigit() and "interrupted" not in parts:
                found.add((int(parts[1]), parts[3]))
        return found

    def keep_interrupted(self, path: Path, batch_id: str) -> None:
        """Move a settled record without an outcome out of the spool, beside its batch's results."""
        directory = self.batch_directory(batch_id) or self.archive / batch_id
        target = directory / "results" / f"{path.stem}.interrupted.json"
        try:
            path.rename(target)
        except OSError as error:
            raise StateError(f"{path}: cannot move it to {target}: {error}") from error

    def forget_word(self, word: ControllerWord) -> None:
        """Remove the controller's word on a visit that is over."""
        path = self.controller / word.file_name
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StateError(
                f"{path}: cannot remove it: {error.strerror}; "
                f"{self.controller} must be writable for the service account's group"
            ) from error

    def close_batch(self, batch_id: str) -> None:
        """Move a batch whose every check has its result to the archive."""
        source = self.batches / batch_id
        try:
            source.rename(self.archive / batch_id)
        except OSError as error:
            raise StateError(f"{source}: cannot move it to the archive: {error}") from error

    def prune_archive(self, *, before: datetime) -> None:
        """Remove the archived batches that were made earlier than *before*."""
        limit = batches.new_batch_id(before).split("-")[0]
        for path in entries(self.archive):
            if batches.is_batch_id(path.name) and path.name < limit:
                shutil.rmtree(path, ignore_errors=True)

    def set_aside(self, path: Path, reason: str) -> None:
        """Move *path* to the aside directory with *reason* written beside it.

        What lies there already under its name stays; this one gets a number.
        """
        target = self.aside / path.name
        for number in itertools.count(1):
            if not target.exists():
                break
            target = self.aside / f"{path.name}.{number}"
        try:
            write_file(target.with_name(f"{target.name}.reason"), f"{reason}\n".encode())
            path.rename(target)
        except OSError as error:
            raise StateError(f"{path}: cannot move it aside: {error}") from error


def _is_written(directory: Path) -> bool:
    return (directory / "batch.json").is_file()
