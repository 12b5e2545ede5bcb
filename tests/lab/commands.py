"""Running commands in a lab, as one of its users, with nothing of the caller's environment.

Slurm listens on whatever address the machine's own name has, be it loopback or not. So all that
belongs to a lab, daemons and commands, runs in a UTS namespace whose name is localhost.
"""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tests.lab.errors import LabError
from tests.lab.layout import Layout
from tests.lab.users import SERVICE, account

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NAMED_LOCALHOST = ("unshare", "--uts", "sh", "-c", 'hostname localhost && exec "$@"', "sh")


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """The door through which commands run in the lab at *layout*."""

    layout: Layout

    def environment(self, user: str) -> dict[str, str]:
        """The whole environment of *user*'s commands."""
        home = self.layout.root if user == "root" else self.layout.home(user)
        return {
            "PATH": f"{self.layout.opt}/bin:{SYSTEM_PATH}",
            "HOME": str(home),
            "USER": user,
            "LOGNAME": user,
            "LANG": "C.UTF-8",
            "SLURM_CONF": str(self.layout.slurm_conf),
            "CLUSTER_DOCTOR_SETTINGS": str(self.layout.settings),
            "MYSQL_UNIX_PORT": str(self.layout.database_socket),
        }

    def argv(self, argv: Sequence[str], user: str = "root") -> list[str]:
        """*argv* as *user* inside the lab's namespace; each step replaces itself by the next."""
        if user == "root":
            return [*NAMED_LOCALHOST, *argv]
        who = account(user)
        become = ("setpriv", f"--reuid={who.uid}", f"--regid={who.gid}", "--init-groups", "--")
        return [*NAMED_LOCALHOST, *become, *argv]

    def run(
        self,
        argv: Sequence[str],
        *,
        user: str = "root",
        check: bool = True,
        timeout_s: float = 30.0,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        """Run *argv* as *user* to its end and return what it said; *env* adds variables.

        Raises:
            LabError: it took longer than *timeout_s*, or failed and *check* is true.
        """
        try:
            done = subprocess.run(
                self.argv(argv, user),
                env=self.environment(user) | dict(env or {}),
                cwd=self.environment(user)["HOME"],
                input=stdin,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            said = f"{error.stdout!r} {error.stderr!r}"
            raise LabError(f"no end after {timeout_s:g} s: {' '.join(argv)}: {said}") from error
        if check and done.returncode:
            said = done.stderr.strip() or done.stdout.strip() or "no message"
            raise LabError(f"{user}: {' '.join(argv)}: exit {done.returncode}: {said}")
        return done

    def start(
        self, argv: Sequence[str], *, user: str = SERVICE, env: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[str]":
        """Start *argv* as *user*, in a process group of its own; its pid is the command's own."""
        return subprocess.Popen(
            self.argv(argv, user),
            env=self.environment(user) | dict(env or {}),
            cwd=self.environment(user)["HOME"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
