"""Becomes SlurmUser, the only account that reacts."""

import os
import pwd

from slurm_hooks.errors import ConfigError
from slurm_hooks.settings import Settings


def as_slurm_user(settings: Settings, command: str) -> None:
    """Go on as SlurmUser: root gives its rights up for good, anybody else is refused.

    Raises:
        ConfigError: there is no such account, or we are neither it nor root.
    """
    name = settings.reactions.slurm_user
    try:
        account = pwd.getpwnam(name)
    except KeyError as error:
        raise ConfigError(
            f"{settings.path}: reactions.slurm_user: there is no user {name!r} on this host; "
            "write whom slurm.conf names as SlurmUser"
        ) from error
    if os.geteuid() == account.pw_uid:
        return
    if os.geteuid() != 0:
        me = pwd.getpwuid(os.geteuid()).pw_name
        raise ConfigError(
            f"this runs as {name}, not as {me}; as root: runuser -u {name} -- "
            f"cluster-doctor {command}"
        )
    os.initgroups(name, account.pw_gid)
    os.setgid(account.pw_gid)
    os.setuid(account.pw_uid)
