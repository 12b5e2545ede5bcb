"""Where everything of one lab lives: its directory, and who owns which part of it."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.lab.errors import LabError
from tests.lab.users import MARIADB, ORDINARY, SERVICE, SLURM, Account, account

PREFIX = "cdlab-"
LONGEST_ROOT = 60  # of the 108 characters of a unix socket's path; slurmstepd's name needs the rest


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The paths of one lab, all below *root*."""

    root: Path

    @property
    def record(self) -> Path:
        return self.root / "lab.json"

    @property
    def etc(self) -> Path:
        return self.root / "etc"

    @property
    def slurm_conf(self) -> Path:
        return self.etc / "slurm.conf"

    @property
    def slurmdbd_conf(self) -> Path:
        return self.etc / "slurmdbd.conf"

    @property
    def settings(self) -> Path:
        return self.etc / "cluster-doctor.toml"

    @property
    def definitions(self) -> Path:
        return self.etc / "checks"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def daemon_logs(self) -> Path:
        return self.root / "daemon-logs"

    @property
    def controller(self) -> Path:
        return self.root / "slurmctld"

    @property
    def spool(self) -> Path:
        return self.root / "slurmd"

    @property
    def munge(self) -> Path:
        return self.root / "munge"

    @property
    def munge_socket(self) -> Path:
        return self.munge / "socket"

    @property
    def mariadb(self) -> Path:
        return self.root / "mariadb"

    @property
    def database(self) -> Path:
        return self.mariadb / "data"

    @property
    def database_socket(self) -> Path:
        return self.mariadb / "socket"

    @property
    def bin(self) -> Path:
        return self.root / "bin"

    @property
    def opt(self) -> Path:
        return self.root / "opt"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def local(self) -> Path:
        return self.root / "local"

    @property
    def faults(self) -> Path:
        return self.root / "faults"

    def data(self, node: str) -> Path:
        """The directory of *node* that a storage check may write to."""
        return self.root / "nodes" / node / "data"

    def home(self, user: str) -> Path:
        """The home and working directory of *user* in this lab."""
        return self.root / "home" / user

    def pid_file(self, daemon: str) -> Path:
        """The file with the process id of *daemon* (a node's slurmd is ``slurmd-<node>``)."""
        return self._own_directory(daemon, self.run) / f"{daemon}.pid"

    def log_file(self, daemon: str) -> Path:
        """The log of *daemon*."""
        return self._own_directory(daemon, self.daemon_logs) / f"{daemon}.log"

    def _own_directory(self, daemon: str, default: Path) -> Path:
        """Where *daemon* may write; munged refuses a directory that is another user's."""
        return {"munged": self.munge, "mariadbd": self.mariadb}.get(daemon, default)


def new_root(directory: Path | None = None) -> Path:
    """Make a lab's directory, short and open to every user.

    Raises:
        LabError: sockets below it would be too long, or other users cannot reach it.
    """
    if directory is None:
        root = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
    else:
        try:
            directory.mkdir()
        except OSError as error:
            raise LabError(f"{directory}: cannot make this directory: {error.strerror}") from error
        root = directory.resolve()
    root.chmod(0o755)
    problem = _unusable(root)
    if problem:
        root.rmdir()
        raise LabError(f"{root}: {problem}; set TMPDIR to a short directory open to everyone")
    return root


def _unusable(root: Path) -> str | None:
    if len(str(root)) > LONGEST_ROOT:
        return f"a lab's path may have at most {LONGEST_ROOT} characters"
    closed = [path for path in root.parents if not path.stat().st_mode & 0o001]
    return f"other users cannot pass through {closed[-1]}" if closed else None


def make_directories(layout: Layout, nodes: list[str], spools: list[str]) -> None:
    """Make every directory of a lab, each owned by the account that writes there."""
    root, service, slurm = account("root"), account(SERVICE), account(SLURM)
    for path in (layout.etc, layout.definitions, layout.bin, layout.munge, layout.faults):
        _make(path, root)
    for path in (layout.run, layout.daemon_logs, layout.controller):
        _make(path, slurm)
    _make(layout.mariadb, account(MARIADB))
    for node in spools:
        _make(layout.spool / node, root)
    for node in nodes:
        _make(layout.data(node), service)
    for user in (SERVICE, *ORDINARY):
        _make(layout.home(user), account(user))
    make_state(layout)


def make_state(layout: Layout) -> None:
    """Make the product's own directories, as its installation guide asks for them."""
    service, slurm = account(SERVICE), account(SLURM)
    for path in (layout.state, layout.logs, layout.local):
        _make(path, service)
    for name, mode in (("controller", 0o2770), ("reactions", 0o2750)):
        _make(layout.state / name, slurm)
        os.chown(layout.state / name, slurm.uid, service.gid)
        (layout.state / name).chmod(mode)  # after chown, which clears the set-group-id bit


def _make(path: Path, owner: Account) -> None:
    path.mkdir(parents=True, exist_ok=True)
    path.chmod(0o755)
    os.chown(path, owner.uid, owner.gid)
