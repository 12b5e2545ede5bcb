"""The daemons of a lab: which there are, how each is started, and when it serves."""

import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.lab import database
from tests.lab.commands import Commands
from tests.lab.daemons import Daemon
from tests.lab.errors import LabError
from tests.lab.layout import Layout
from tests.lab.nodes import Nodes
from tests.lab.spec import Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Roster:
    """The daemons of one lab."""

    layout: Layout
    spec: Spec
    commands: Commands
    nodes: Nodes

    def munged(self) -> Daemon:
        munge = self.layout.munge
        argv = (
            "munged",
            f"--key-file={munge}/key",
            f"--socket={self.layout.munge_socket}",
            f"--seed-file={munge}/seed",
            f"--log-file={self.layout.log_file('munged')}",
            f"--pid-file={self.layout.pid_file('munged')}",
            "--num-threads=10",
        )
        return self._daemon("munged", argv, self._answers(self.layout.munge_socket))

    def mariadbd(self) -> Daemon:
        listens = self.layout.database_socket
        pid_file, log = self.layout.pid_file("mariadbd"), self.layout.log_file("mariadbd")
        server = database.server(self.layout.database, listens, pid_file, log)
        # It has no way of its own into the background.
        return self._daemon("mariadbd", ("setsid", "--fork", *server), self._answers(listens))

    def slurmdbd(self) -> Daemon:
        return self._daemon(
            "slurmdbd", ("slurmdbd",), self._says("sacctmgr", "-n", "list", "cluster")
        )

    def slurmctld(self) -> Daemon:
        return self._daemon(
            "slurmctld", ("slurmctld",), self._says("scontrol", "ping"), self._show_nodes
        )

    def slurmd(self, node: str) -> Daemon:
        if node not in (*self.spec.node_names, self.spec.sink):
            raise LabError(f"{node!r} is not a real node of this lab: {self.spec.node_list}")
        name = f"slurmd-{node}"

        def registered() -> bool:
            return self.nodes.responds(node)

        return self._daemon(name, ("slurmd", "-N", node), registered)

    def controllers(self) -> list[Daemon]:
        """Every daemon but the nodes', in the order in which they start."""
        accounting = [self.mariadbd(), self.slurmdbd()] if self.spec.accounting else []
        return [self.munged(), *accounting, self.slurmctld()]

    def slurmds(self) -> list[Daemon]:
        """The daemons of the nodes; one of them answers for all that only look idle."""
        sink = [self.spec.sink] if self.spec.sink else []
        return [self.slurmd(node) for node in [*sink, *self.spec.node_names]]

    def _show_nodes(self) -> None:
        """Let a restarted slurmctld know its nodes at once; it gives them 3 s to come forward."""
        self.nodes.show_idle()
        if not self.spec.idle_nodes and any(daemon.pid() for daemon in self.slurmds()):
            self.commands.run(["scontrol", "reconfigure"])

    def _daemon(
        self,
        name: str,
        argv: tuple[str, ...],
        ready: Callable[[], bool],
        after_start: Callable[[], None] | None = None,
    ) -> Daemon:
        return Daemon(
            name=name,
            argv=argv,
            layout=self.layout,
            commands=self.commands,
            ready=ready,
            after_start=after_start or _nothing,
        )

    def _says(self, *argv: str) -> Callable[[], bool]:
        """Whether the command *argv* succeeds; `scontrol ping` fails while slurmctld is down."""
        return lambda: self.commands.run(argv, check=False).returncode == 0

    def _answers(self, path: Path) -> Callable[[], bool]:
        """Whether somebody accepts connections at the socket *path*."""

        def connects() -> bool:
            with socket.socket(socket.AF_UNIX) as probe:
                return probe.connect_ex(str(path)) == 0

        return connects


def _nothing() -> None:
    return
