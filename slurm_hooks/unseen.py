"""Which results no pass of the reactor has considered yet."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from slurm_hooks import batch as batches
from slurm_hooks.batch import Batch, is_batch_id
from slurm_hooks.beneath import Beneath
from slurm_hooks.errors import RecordError, StateError
from slurm_hooks.files import read_regular
from slurm_hooks.record import MAX_BYTES, Evidence, Record, loads
from slurm_hooks.state import State
from slurm_hooks.trust import is_as_we_write, why_refused

MOST = 2000
"""So many records are considered in a pass; the next pass takes the others."""

_CLOSED = ".closed"
_NAME = re.compile(
    r"[0-9]{8}T[0-9]{6}Z-[0-9a-f]{8}\.[0-9]{1,9}\.[0-9]{1,9}\.[a-z][a-z0-9-]{0,39}(\.overruled)?\.json"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A record that is believed, and the plan it belongs to."""

    record: Record
    batch: Batch


class Seen:
    """Names of records that were considered: a file of lines for each batch, in *directory*.

    Everything else is the service account's to write, so no link is followed there, and only
    its own plain files are read: this runs as SlurmUser.
    """

    def __init__(self, directory: Path, state: State, *, service_uid: int) -> None:
        self._directory, self._state, self._service_uid = directory, state, service_uid
        self._beneath = Beneath(state.root)

    def unseen(self) -> dict[str, list[str]]:
        """Return the names of records that nobody considered, by batch, oldest batch first.

        The spool is listed first: a record goes from there to its batch's results, and
        with it to the archive, never back. No more than `MOST` records of the oldest batches
        are returned: a pass that never ended would never consider any.

        Raises:
            StateError: a directory cannot be listed.
        """
        found = dict[str, set[str]]()
        closed = {path.stem for path in _entries(self._directory) if path.suffix == _CLOSED}
        for name in self._names("spool"):
            found.setdefault(name.split(".")[0], set()).add(name)
        for parent in ("batches", "archive"):
            for batch_id in self._names(parent):
                if is_batch_id(batch_id) and batch_id not in closed:
                    found.setdefault(batch_id, set()).update(self._results(parent, batch_id))
        wanted: dict[str, list[str]] = {}
        count = 0
        for batch_id in sorted(found):
            speaking = {name for name in found[batch_id] if _speaks(name)}
            names = sorted(speaking - self._considered(batch_id)) if speaking else []
            if names and count < MOST:
                wanted[batch_id] = names[: MOST - count]
                count += len(names)
        return wanted

    def told(self, unseen: Mapping[str, Iterable[str]]) -> Iterator[Told]:
        """Yield the records behind *unseen* that are believed; others are not ours to judge."""
        for batch_id, names in unseen.items():
            batch = self._batch(batch_id)
            if batch is None:
                continue
            for name in names:
                record = self._read(batch_id, name)
                if record is None or record.file_name != name or why_refused(record, batch):
                    continue
                yield Told(record=record, batch=batch)

    def records(self, batch: Batch) -> dict[str, Record]:
        """Return what is believed of a *batch* of one visit, by check: the record that counts.

        Raises:
            StateError: a directory cannot be listed.
        """
        names = {name for name in self._names("spool") if name.startswith(f"{batch.id}.")}
        for parent in ("batches", "archive"):
            names.update(self._results(parent, batch.id))
        found: dict[str, Record] = {}
        for name in sorted(names):
            record = self._read(batch.id, name)
            if record is None or record.outcome is None or why_refused(record, batch):
                continue
            earlier = found.get(record.check)
            if earlier is None or earlier.evidence.revision <= record.evidence.revision:
                found[record.check] = record
        return found

    def batches_since(self, at: datetime) -> Iterator[Batch]:
        """Yield the readable batches made since *at*, by ids that begin with their time."""
        first = f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        for batch_id in sorted({*self._names("batches"), *self._names("archive")}):
            if is_batch_id(batch_id) and batch_id >= first:
                batch = self._batch(batch_id)
                if batch is not None:
                    yield batch

    def mark(self, unseen: Mapping[str, Iterable[str]]) -> None:
        """Write down that *unseen* was considered. Losing this costs a second look.

        Raises:
            StateError: it cannot be written.
        """
        for batch_id, names in unseen.items():
            path = self._directory / batch_id
            try:
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
                with os.fdopen(os.open(path, flags, 0o640), "wb") as file:
                    file.write(b"".join(name.encode() + b"\n" for name in names))
            except OSError as error:
                raise StateError(f"{path}: cannot write it: {error.strerror or error}") from error

    def tidy(self) -> None:
        """Close the books on archived batches, and forget those that are gone.

        Raises:
            StateError: the directories cannot be listed or written.
        """
        archived = set(self._names("archive"))
        known = {*archived, *self._names("batches")}
        unseen = self.unseen()
        for path in _entries(self._directory):
            try:
                if path.stem not in known:
                    path.unlink(missing_ok=True)
                elif path.suffix != _CLOSED and path.name in archived and path.name not in unseen:
                    path.rename(path.with_name(path.name + _CLOSED))
            except OSError as error:
                raise StateError(f"{path}: cannot change it: {error.strerror}") from error

    def _considered(self, batch_id: str) -> set[str]:
        try:
            data = read_regular(self._directory / batch_id, limit=100_000_000)
        except FileNotFoundError:
            return set()
        except OSError as error:
            path = self._directory / batch_id
            raise StateError(f"{path}: cannot read it: {error.strerror or error}") from error
        return set(data.decode(errors="replace").split("\n"))

    def _batch(self, batch_id: str) -> Batch | None:
        """Return the plan, open or archived, if it is one of the service account's."""
        for parent in ("batches", "archive"):
            try:
                data = self._file(parent, batch_id, "batch.json", limit=batches.MAX_BYTES)
                batch = batches.load_batch(data)
            except (OSError, RecordError):
                continue
            return batch if batch.id == batch_id and is_as_we_write(batch) else None
        return None

    def _read(self, batch_id: str, name: str) -> Record | None:
        """Return the record wherever it is by now, if it is a file of the service account's."""
        for place in (
            ("spool", name),
            ("batches", batch_id, "results", name),
            ("archive", batch_id, "results", name),
        ):
            try:
                return loads(self._file(*place, limit=MAX_BYTES))
            except (OSError, RecordError):
                continue
        return None

    def _file(self, *parts: str, limit: int) -> bytes:
        return self._beneath.read(*parts, limit=limit, owner=self._service_uid)

    def _results(self, parent: str, batch_id: str) -> list[str]:
        """Return what lies beside a batch; one that cannot be listed keeps no other up."""
        try:
            return self._beneath.names(parent, batch_id, "results")
        except OSError:
            return []

    def _names(self, directory: str) -> list[str]:
        try:
            return self._beneath.names(directory)
        except FileNotFoundError:
            return []
        except OSError as error:
            path = self._state.root / directory
            raise StateError(f"{path}: cannot list it: {error.strerror}") from error


def _speaks(name: str) -> bool:
    """Whether *name* is that of a runner's record, or of a contradiction to one."""
    return _NAME.fullmatch(name) is not None


def is_contradiction(record: Record) -> bool:
    """Whether *record* takes a runner's word back."""
    return record.evidence is Evidence.CONFLICT


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StateError(f"{directory}: cannot list it: {error.strerror}") from error
