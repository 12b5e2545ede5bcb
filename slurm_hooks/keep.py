"""Gets records to the shared spool: now, or over the node's own disk with a later visit."""

import os
import stat
import time
from collections.abc import Callable
from pathlib import Path

from slurm_hooks.errors import StateError
from slurm_hooks.files import read_regular, write_durably
from slurm_hooks.record import MAX_BYTES, Record, dumps
from slurm_hooks.state import State

_RETRY_AFTER_S = (0.1, 0.4)
_FORWARD_FOR_S = 5.0


def local_spools(local_dir: Path, cluster: str) -> tuple[Path, ...]:
    """Return where this node keeps records, the best place first; the last is its memory."""
    name = f"cluster-doctor-{os.geteuid()}-{cluster}"
    return (local_dir / "spool", Path("/var/tmp") / name, Path("/dev/shm") / name)  # noqa: S108


def keep(
    record: Record, state: State, spools: tuple[Path, ...], *, sleep: Callable[[float], None]
) -> str:
    """Write *record* to the shared spool, or to the first of *spools* that takes it.

    *sleep* waits between tries, and may return at once when there is no time for them.
    Returns what went wrong with the shared spool, or nothing.

    Raises:
        StateError: no place took it.
    """
    problem = ""
    for pause in (*_RETRY_AFTER_S, 0.0):
        try:
            state.write_record(record)
        except StateError as error:
            problem = str(error)
            sleep(pause)
        else:
            return ""
    for spool in spools:
        try:
            _own(spool)
            write_durably(spool / record.file_name, dumps(record))
        except OSError:
            continue
        return f"{problem}; kept in {spool} until the next visit to this node"
    raise StateError(f"{problem}; and no place on this node took the record of {record.check}")


def forward(state: State, spools: tuple[Path, ...]) -> int:
    """Move records that earlier visits left in *spools* to the shared spool; returns how many.

    A name that is there already is the same record. Stops at the first failure and
    after five seconds: the rest waits for the next visit.
    """
    done = 0
    ends_at = time.monotonic() + _FORWARD_FOR_S
    for path in (path for spool in spools for path in _kept(spool)):
        try:
            data = read_regular(path, limit=MAX_BYTES)
            write_durably(state.spool / path.name, data, replace=False)
            path.unlink(missing_ok=True)
        except FileNotFoundError:
            continue  # another visit was faster
        except OSError:
            return done
        done += 1
        if time.monotonic() > ends_at:
            return done
    return done


def _own(spool: Path) -> None:
    """Make *spool* if need be; refuse one that is not ours alone."""
    if spool.parent.exists():
        spool.mkdir(mode=0o700, exist_ok=True)
    if not _is_ours(spool):
        raise PermissionError(f"{spool} is not a directory of ours")


def _is_ours(spool: Path) -> bool:
    try:
        found = spool.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(found.st_mode)
        and found.st_uid == os.geteuid()
        and not found.st_mode & stat.S_IWOTH
    )


def _kept(spool: Path) -> list[Path]:
    if not _is_ours(spool):
        return []
    try:
        return sorted(path for path in spool.iterdir() if path.name.endswith(".json"))
    except OSError:
        return []
