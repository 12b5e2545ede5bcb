"""What the machine must have before a lab can start, checked in a moment."""

import os
import shutil
import sys

from tests.lab.commands import SYSTEM_PATH
from tests.lab.errors import LabError

PROGRAMS = (
    "slurmctld",
    "slurmd",
    "sbatch",
    "munged",
    "unshare",
    "setpriv",
    "mount",
    "useradd",
    "hostname",
)
ACCOUNTING_PROGRAMS = ("slurmdbd", "mariadbd", "mariadb-install-db", "mariadb")


def check_requirements(*, accounting: bool, path: str = SYSTEM_PATH) -> None:
    """Return when a lab can start here, with the programs found on *path*.

    Raises:
        LabError: one line that names everything that is missing.
    """
    wanted = PROGRAMS + (ACCOUNTING_PROGRAMS if accounting else ())
    missing = [name for name in wanted if shutil.which(name, path=path) is None]
    if sys.platform != "linux":
        raise LabError("the lab needs Linux")
    if os.geteuid() != 0:
        raise LabError("the lab needs root: it starts daemons and runs jobs as several users")
    if missing:
        raise LabError(f"the lab needs {', '.join(missing)}: run scripts/install-debian.sh")
