"""Which results no pass of the reactor has considered yet."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from slurm_hooks.batch import Batch, is_batch_id
from slurm_hooks.errors import RecordError, StateError
from slurm_hooks.files import read_regular
from slurm_hooks.record import MAX_BYTES, Evidence, Record, loads
from slurm_hooks.state import State
from slurm_hooks.trust import why_refused

_CLOSED = ".closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A record that is believed, and the plan it belongs to."""

    record: Record
    batch: Batch


class Seen:
    """Names of records that were considered: a file of lines for each batch, in *directory*."""

    def __init__(self, directory: Path, state: State, *, service_uid: int) -> None:
        self._directory, self._state, self._service_uid = directory, state, service_uid
        self._batches: dict[str, Batch | None] = {}

    def unseen(self) -> dict[str, list[str]]:
        """Return the names of records that nobody considered, by batch, oldest batch first.

        The spool is listed first: a record goes from there to its batch's results, and
        with it to the archive, never back.

        Raises:
            StateError: a directory cannot be listed.
        """
        state, found = self._state, dict[str, set[str]]()
        closed = {path.stem for path in _entries(self._directory) if path.suffix == _CLOSED}
        for path in state.spooled():
            found.setdefault(path.name.split(".")[0], set()).add(path.name)
        for batch_id in (*state.open_batches(), *_names(state.archive)):
            if is_batch_id(batch_id) and batch_id not in closed:
                for path in state.results(batch_id):
                    found.setdefault(batch_id, set()).add(path.name)
        return {
            batch_id: names
            for batch_id in sorted(found)
            if (names := sorted(set(filter(_speaks, found[batch_id])) - self._considered(batch_id)))
        }

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
        state = self._state
        paths = [*state.spooled(), *state.results(batch.id)]
        names = {path.name for path in paths if path.name.startswith(f"{batch.id}.")}
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
        state, first = self._state, f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
        for batch_id in sorted({*state.open_batches(), *_names(state.archive)}):
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
        archived = set(_names(self._state.archive))
        known = {*archived, *self._state.open_batches()}
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
        if batch_id not in self._batches:
            try:
                self._batches[batch_id] = self._state.read_batch(batch_id)
            except StateError:
                self._batches[batch_id] = None
        return self._batches[batch_id]

    def _read(self, batch_id: str, name: str) -> Record | None:
        """Return the record wherever it is by now, if it is a file of the service account's."""
        directory = self._state.batch_directory(batch_id)
        places = [self._state.spool / name]
        if directory is not None:
            places.append(directory / "results" / name)
        places.append(self._state.archive / batch_id / "results" / name)
        for path in places:
            try:
                return loads(read_regular(path, limit=MAX_BYTES, owner=self._service_uid))
            except (OSError, RecordError):
                continue
        return None


def _speaks(name: str) -> bool:
    """Whether a record's name is that of a runner's, or of a contradiction to one."""
    return name.endswith(".json") and not name.endswith((".inferred.json", ".interrupted.json"))


def is_contradiction(record: Record) -> bool:
    """Whether *record* takes a runner's word back."""
    return record.evidence is Evidence.CONFLICT


def _names(directory: Path) -> list[str]:
    return [path.name for path in _entries(directory)]


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StateError(f"{directory}: cannot list it: {error.strerror}") from error
