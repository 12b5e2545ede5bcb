"""What the commands that act have in common: whose they are, who asked, and one at a time."""

import contextlib
import os
import pwd
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from slurm_hooks.errors import ClusterDoctorError, ConfigError
from slurm_hooks.lease import turn
from slurm_hooks.settings import Settings
from slurm_hooks.state import State

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


@contextlib.contextmanager
def my_turn(settings: Settings, *, clock: Callable[[], datetime]) -> Iterator[str]:
    """Take the turn to plan and submit while the block runs; yields who else has it, or nothing.

    Raises:
        StateError: the state directory cannot be written.
    """
    state, stale_after = State(settings.state_dir), 3 * settings.sweep_interval
    with turn(state.turn, clock=clock, stale_after=stale_after) as ours:
        yield ours.taken_by


@contextlib.contextmanager
def in_turn(
    settings: Settings,
    *,
    clock: Callable[[], datetime],
    patience_s: float,
    tell: Callable[[str], None],
) -> Iterator[None]:
    """Wait for the turn up to *patience_s*, saying so, and hold it while the block runs.

    Raises:
        ClusterDoctorError: somebody else still has it.
        StateError: as `my_turn`.
    """
    ends_at = time.monotonic() + patience_s
    told = False
    while True:
        with my_turn(settings, clock=clock) as taken_by:
            if not taken_by:
                yield
                return
        if time.monotonic() > ends_at:
            raise ClusterDoctorError(
                f"a sweep is under way ({taken_by}); nothing was submitted, try again"
            )
        if not told:
            tell(f"a sweep is under way ({taken_by}); waiting for it")
            told = True
        time.sleep(_LOOK_AGAIN_S)
