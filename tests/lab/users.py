"""The accounts of the lab: the service account and two ordinary users, made when missing.

They stay on the machine after a lab is gone, since making them is the only thing a lab does
outside its directory; `python -m tests.lab users remove` removes them.
"""

import fcntl
import grp
import pwd
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.errors import LabError

SERVICE = "cluster-doctor"
ORDINARY = ("cdlab1", "cdlab2")
SLURM = "slurm"
MARIADB = "mysql"


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user's numbers."""

    name: str
    uid: int
    gid: int


def account(name: str) -> Account:
    """The numbers of the user *name*.

    Raises:
        LabError: there is no such user.
    """
    try:
        entry = pwd.getpwnam(name)
    except KeyError:
        raise LabError(
            f"there is no user {name!r}; scripts/install-debian.sh and `python -m tests.lab users "
            "create` make the lab's users"
        ) from None
    return Account(name=name, uid=entry.pw_uid, gid=entry.pw_gid)


def create() -> None:
    """Make the lab's users where they are missing, and put Slurm's into the service's group."""
    account(SLURM)
    with locked("users"):
        if not _exists(SERVICE):
            _useradd(SERVICE, "--system", "--user-group")
        for name in ORDINARY:
            if not _exists(name):
                _useradd(name, "--user-group")
        if SLURM not in grp.getgrnam(SERVICE).gr_mem:
            _account_tool("usermod", "--append", "--groups", SERVICE, SLURM)


def remove() -> list[str]:
    """Remove the lab's users, their groups and Slurm's membership; return who was removed."""
    with locked("users"):
        gone = [name for name in (SERVICE, *ORDINARY) if _exists(name)]
        for name in gone:
            # Debian's userdel keeps a group that still has members; the service's group has slurm.
            if grp.getgrnam(name).gr_mem:
                _account_tool("gpasswd", "--members", "", name)
            _account_tool("userdel", name)
    return gone


@contextmanager
def locked(what: str) -> Iterator[None]:
    """Hold the machine-wide lock named *what* among all labs."""
    path = Path(tempfile.gettempdir()) / f".cdlab-{what}.lock"
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _exists(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def _useradd(name: str, *options: str) -> None:
    home = ("--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin")
    _account_tool("useradd", *options, *home, name)


def _account_tool(*argv: str) -> None:
    try:
        subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30)
    except subprocess.CalledProcessError as error:
        raise LabError(f"{' '.join(argv)}: {error.stderr.strip()}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"{' '.join(argv)}: {error}") from error
