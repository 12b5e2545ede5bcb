"""What the commands that act have in common: whose they are, who asked, and one at a time."""

import contextlib
import os
import pwd
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from slurm_hooks.errors import ClusterDoctorError, ConfigError
from slurm_hooks.files import locked
from slurm_hooks.settings import Settings

_LOGIN = Path("/proc/self/loginuid")
_NOBODY = 2**32 - 1
"""What the kernel says where no login began this process (pam_loginuid(8))."""

_LOOK_AGAIN_S = 0.2


def as_service(settings: Settings, command: str) -> None:
    """Refuse to work as anybody but the service account: its files would be the wrong ones.

    Raises:
        ConfigError: the message says how to run *command*.
    """
    if os.geteuid() == settings.service_uid:
        return
    user = settings.service_user
    me = pwd.getpwuid(os.geteuid()).pw_name
    raise ConfigError(
        f"this runs as {user}, not as {me}; as root: runuser -u {user} -- cluster-doctor {command}"
    )


def asked_by(environ: Mapping[str, str], login: Path = _LOGIN) -> str:
    """Return the person behind this process: sudo's word, the login's, else the account's name."""
    if sudo := environ.get("SUDO_USER"):
        return sudo
    with contextlib.suppress(OSError, ValueError, KeyError):
        uid = int(login.read_text(encoding="ascii"))
        if uid != _NOBODY:
            return pwd.getpwuid(uid).pw_name
    return pwd.getpwuid(os.geteuid()).pw_name


def sweep_lock(settings: Settings) -> Path:
    """Return the file whose holder alone plans and submits."""
    return settings.state_dir / "sweep.lock"


@contextlib.contextmanager
def alone(path: Path, *, patience_s: float, tell: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock *path* while the block runs; wait for it up to *patience_s*, and say so.

    Raises:
        ClusterDoctorError: somebody else still has it.
    """
    ends_at = time.monotonic() + patience_s
    told = False
    while True:
        with locked(path, blocking=False) as held:
            if held:
                yield
                return
        if time.monotonic() > ends_at:
            raise ClusterDoctorError(
                f"a sweep has been under way for {patience_s:g} s; nothing was submitted, try again"
            )
        if not told:
            tell("a sweep is under way; waiting for it")
            told = True
        time.sleep(_LOOK_AGAIN_S)
