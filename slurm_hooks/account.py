"""Whose account a command must run as, and which person is behind it."""

import contextlib
import os
import pwd
from collections.abc import Mapping
from pathlib import Path

from slurm_hooks.errors import ConfigError
from slurm_hooks.settings import Settings

_LOGIN = Path("/proc/self/loginuid")
_NOBODY = 2**32 - 1
"""What the kernel says where no login began this process (pam_loginuid(8))."""


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
