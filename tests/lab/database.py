"""The lab's private MariaDB: how it runs, and a ready data directory to copy for each lab.

Making a data directory takes seconds, copying one a fraction of one. So the first lab of a
MariaDB version makes a template below the system's temporary directory, and all copy it.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.lab.config import DATABASE
from tests.lab.errors import LabError
from tests.lab.layout import Layout
from tests.lab.users import MARIADB, SLURM, account, locked
from tests.lab.waiting import wait_for

RECIPE = 2  # to be raised with every change of what a template contains
MAKE_S = 120.0
ACCOUNTS = (
    f"create database {DATABASE}; create user '{SLURM}'@localhost identified via unix_socket; "
    f"grant all on {DATABASE}.* to '{SLURM}'@localhost; "
    "set global innodb_fast_shutdown = 0; shutdown"
)


def server(data: Path, socket: Path, pid_file: Path, log: Path) -> tuple[str, ...]:
    """The command line of a MariaDB that only its socket reaches and that may lose data."""
    return (
        "mariadbd",
        "--no-defaults",
        f"--user={MARIADB}",
        f"--datadir={data}",
        f"--socket={socket}",
        f"--pid-file={pid_file}",
        f"--log-error={log}",
        "--skip-networking",
        "--innodb-buffer-pool-size=64M",
        "--innodb-lock-wait-timeout=900",  # slurmdbd asks for it
        "--innodb-log-file-size=16M",
        "--innodb-flush-log-at-trx-commit=0",
        "--innodb-temp-data-file-path=ibtmp1:1M:autoextend",
        "--innodb-fast-shutdown=2",  # what it would still write is about to be removed
    )


def fill(layout: Layout) -> None:
    """Give the lab at *layout* a data directory with Slurm's empty database in it."""
    _run("cp", "--archive", "--reflink=auto", "--sparse=always", str(template()), layout.database)


def template() -> Path:
    """The data directory to copy, made first when there is none for this MariaDB."""
    version = _run("mariadbd", "--version").split()[2]
    ready = Path(tempfile.gettempdir()) / f".cdlab-mariadb-{version}-{RECIPE}"
    with locked("mariadb"):
        if not _trusted(ready):
            _make(ready)
    return ready


def _trusted(ready: Path) -> bool:
    """Whether *ready* is there and nobody else may have put it there."""
    try:
        found = ready.lstat()
    except FileNotFoundError:
        return False
    if found.st_uid != account(MARIADB).uid or not ready.is_dir():
        raise LabError(f"{ready}: it does not belong to {MARIADB}; remove it")
    return True


def _make(ready: Path) -> None:
    draft = Path(tempfile.mkdtemp(prefix=".cdlab-mariadb-draft-"))
    try:
        data = draft / "data"
        owner = account(MARIADB)
        os.chown(draft, owner.uid, owner.gid)
        _run(
            "mariadb-install-db",
            "--no-defaults",
            f"--user={MARIADB}",
            f"--datadir={data}",
            "--auth-root-authentication-method=socket",
            "--auth-root-socket-user=root",
            "--skip-test-db",
        )
        _create_accounts(draft, data)
        data.rename(ready)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _create_accounts(draft: Path, data: Path) -> None:
    socket, log = draft / "socket", draft / "log"
    argv = server(data, socket, draft / "pid", log)
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(socket.exists, MAKE_S, "MariaDB to make its data directory", logs=[log])
            _run("mariadb", "--no-defaults", "--socket", str(socket), "--execute", ACCOUNTS)
            process.wait(timeout=MAKE_S)
        finally:
            process.kill()


def _run(*argv: str | Path) -> str:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=MAKE_S, check=True)
    except subprocess.CalledProcessError as error:
        raise LabError(f"{argv[0]}: {error.stderr.strip()}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"{argv[0]}: {error}") from error
    return done.stdout
