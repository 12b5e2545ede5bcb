"""Delivers notices at a sweep's end: bounded, remembered on disk, and never in a sweep's way."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from checks.courier import Courier
from checks.notices import FORGOTTEN_AFTER, Notice, Tried, due, undelivered
from slurm_hooks.decode import DecodeError, decode, encode
from slurm_hooks.errors import StateError
from slurm_hooks.files import read_regular, write_durably

ATTEMPT_S = 10.0
BEGIN_WITHIN_S = 10.0
"""No attempt begins later than this; so all of them are over in 20 s."""
_AT_ONCE = 4
_MAX_BYTES = 10_000


class TriedFiles:
    """What became of each notice: a file for each, in *directory*."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self) -> dict[str, Tried]:
        """Return what is known; a file that cannot be read is as good as none.

        Raises:
            StateError: the directory cannot be listed.
        """
        found = {}
        for path in self._paths():
            try:
                one = decode(Tried, json.loads(read_regular(path, limit=_MAX_BYTES)))
            except (OSError, ValueError, RecursionError, DecodeError):
                continue
            found[one.id] = one
        return found

    def write(self, tried: Tried) -> None:
        """Write *tried* down for good.

        Raises:
            StateError: it cannot be written; nobody may be told then.
        """
        path = self._directory / f"{tried.id}.json"
        try:
            write_durably(path, json.dumps(encode(tried)).encode() + b"\n")
        except OSError as error:
            raise StateError(f"{path}: cannot write it: {error.strerror or error}") from error

    def forget(self, tried: Tried) -> None:
        """Remove what is known of a notice that is not tried any more.

        Raises:
            StateError: it cannot be removed.
        """
        path = self._directory / f"{tried.id}.json"
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StateError(f"{path}: cannot remove it: {error.strerror}") from error

    def _paths(self) -> list[Path]:
        try:
            return sorted(self._directory.glob("[0-9a-f]*.json"))
        except OSError as error:
            raise StateError(f"{self._directory}: cannot list it: {error.strerror}") from error


@dataclass(kw_only=True)
class Teller:
    """What delivers notices: the wall, the memory, and two clocks."""

    courier: Courier
    files: TriedFiles
    clock: Callable[[], datetime]
    monotonic: Callable[[], float] = time.monotonic
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def tell(self, found: Sequence[Notice]) -> list[str]:
        """Try what of *found* is due, for 20 s at most; returns what a person should know.

        An attempt is written down before it begins, so that a crash repeats at most the
        attempts that were under way, and those not at once.

        Raises:
            StateError: it cannot be told what was delivered already; then nothing is.
        """
        tried, now = self.files.read(), self.clock()
        wanted = due(found, tried, now=now)
        if wanted:
            self._deliver(wanted, tried)
        for one in [*tried.values()]:
            if now - one.decided_at > FORGOTTEN_AFTER:
                self.files.forget(tried.pop(one.id))
        return undelivered(found, tried, now=now)

    def _deliver(self, wanted: Sequence[Notice], tried: dict[str, Tried]) -> None:
        queue = _Queue(wanted)
        ends_at = self.monotonic() + BEGIN_WITHIN_S

        def work() -> None:
            while self.monotonic() < ends_at and (notice := queue.next()) is not None:
                delivered = False
                try:
                    delivered = self._attempt(notice, tried)
                finally:
                    queue.ended(notice, delivered=delivered)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for future in [pool.submit(work) for _ in range(_AT_ONCE)]:
                future.result()

    def _attempt(self, notice: Notice, tried: dict[str, Tried]) -> bool:
        before = tried.get(notice.id)
        begun = Tried(
            id=notice.id,
            decided_at=notice.at,
            target=notice.target.shown,
            attempts=before.attempts + 1 if before is not None else 1,
            last_at=self.clock(),
        )
        self._remember(begun, tried)
        problem = self.courier.deliver(notice, limit_s=ATTEMPT_S)
        self._remember(replace(begun, delivered=not problem, problem=problem), tried)
        return not problem

    def _remember(self, one: Tried, tried: dict[str, Tried]) -> None:
        self.files.write(one)
        with self._lock:
            tried[one.id] = one


class _Queue:
    """Notices in turn: of a target that has not answered yet one at a time, of a dead one none."""

    def __init__(self, notices: Sequence[Notice]) -> None:
        self._waiting: dict[str, deque[Notice]] = {}
        for notice in notices:
            self._waiting.setdefault(_key(notice), deque()).append(notice)
        self._answered: set[str] = set()
        self._asked: set[str] = set()
        self._changed = threading.Condition()

    def next(self) -> Notice | None:
        """Return the next notice, waiting for a target's first answer; None at the end."""
        with self._changed:
            while self._waiting:
                for key, notices in self._waiting.items():
                    if key not in self._asked or key in self._answered:
                        return self._take(key, notices)
                self._changed.wait()
            return None

    def ended(self, notice: Notice, *, delivered: bool) -> None:
        """Say what became of *notice*; others of a target that failed wait for a later sweep."""
        with self._changed:
            if delivered:
                self._answered.add(_key(notice))
            else:
                self._waiting.pop(_key(notice), None)
            self._changed.notify_all()

    def _take(self, key: str, notices: deque[Notice]) -> Notice:
        self._asked.add(key)
        notice = notices.popleft()
        del self._waiting[key]
        if notices:
            self._waiting[key] = notices  # behind the others
        return notice


def _key(notice: Notice) -> str:
    target = notice.target
    return json.dumps((target.command, target.webhook))
