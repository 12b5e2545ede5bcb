"""The state directory: who writes what in it (`slurm_hooks.places` says where), and how."""

import contextlib
import itertools
import os
import re
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from slurm_hooks import batch as batches
from slurm_hooks.batch import Batch, Cancellation, ControllerWord, Submission
from slurm_hooks.errors import RecordError, StateError
from slurm_hooks.files import read_regular
from slurm_hooks.places import Places
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

_LONGEST_NAME = 230
"""Bytes; a file's name has at most 255, and some are added."""


class State(Places):
    """One state directory. Methods that write raise StateError when they cannot."""

    __slots__ = ()

    @property
    def suspensions(self) -> Suspensions:
        """Checks that were switched off by command."""
        return Suspensions(self.root / "suspended")

    @property
    def sweeps(self) -> SweepFiles:
        """What sweeps tell of themselves and of the nodes, until it is in the history."""
        return SweepFiles(self.root / "sweeps", self.root / "told-nodes.json")

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

        What lies there already under its name stays; this one gets a number. A name that
        leaves no room for more is cut.
        """
        name = os.fsdecode(os.fsencode(path.name)[:_LONGEST_NAME])
        target = self.aside / name
        for number in itertools.count(1):
            if not target.exists():
                break
            target = self.aside / f"{name}.{number}"
        try:
            write_file(target.with_name(f"{target.name}.reason"), f"{reason}\n".encode())
            path.rename(target)
        except OSError as error:
            raise StateError(f"{path}: cannot move it aside: {error}") from error


def _is_written(directory: Path) -> bool:
    return (directory / "batch.json").is_file()
