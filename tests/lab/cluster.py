"""Lab: a real Slurm cluster on this machine, from its making to its end."""

import atexit
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.lab import config, install, lifecycle, users, watchdog
from tests.lab.commands import Commands
from tests.lab.daemons import Daemon
from tests.lab.errors import LabError
from tests.lab.faults import Faults, write_definition
from tests.lab.layout import PREFIX, Layout, new_root
from tests.lab.nodes import Nodes
from tests.lab.requirements import check_requirements
from tests.lab.roster import Roster
from tests.lab.spec import Spec
from tests.lab.teardown import end_processes, tear_down
from tests.lab.users import ORDINARY, SERVICE
from tests.lab.waiting import wait_for


class Lab:
    """One cluster: ``with Lab.create() as lab: lab.install(); lab.up()``.

    A lab dies with the process that created it, however that one ends, unless *keep* was asked
    for. Everything of it is below `root`, but for the users, who stay.
    """

    def __init__(self, layout: Layout, spec: Spec) -> None:
        self.layout = layout
        self.spec = spec
        self._watchdog: subprocess.Popen[bytes] | None = None

    @classmethod
    def create(
        cls,
        *,
        nodes: int = 8,
        idle_nodes: int = 0,
        accounting: bool = True,
        hooks: bool = True,
        extra: Mapping[str, str] | None = None,
        directory: Path | None = None,
        keep: bool = False,
    ) -> Self:
        """Make a lab's directory, users and configuration; `up` starts its daemons.

        Raises:
            LabError: one line that says what this machine lacks.
        """
        check_requirements(accounting=accounting)
        users.create()
        owner = None if keep else os.getpid()
        spec = Spec(
            nodes=nodes,
            idle_nodes=idle_nodes,
            accounting=accounting,
            hooks=hooks,
            extra=dict(extra or {}),
            owner=owner,
        )
        lab = cls(Layout(root=new_root(directory)), spec)
        if owner is not None:
            lab._watchdog = watchdog.start(lab.root)
            atexit.register(lab._down_at_exit)
        try:
            lab._prepare()
        except BaseException:
            lab.down()
            raise
        return lab

    @classmethod
    def open(cls, root: Path) -> Self:
        """The lab that already is at *root*; this process does not own it."""
        layout = Layout(root=root.resolve())
        return cls(layout, Spec.read(layout.record))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.down()

    # Where things are.

    @property
    def root(self) -> Path:
        return self.layout.root

    @property
    def slurm_conf(self) -> Path:
        return self.layout.slurm_conf

    @property
    def opt(self) -> Path:
        return self.layout.opt

    @property
    def settings_path(self) -> Path:
        return self.layout.settings

    @property
    def definitions(self) -> Path:
        return self.layout.definitions

    @property
    def state_dir(self) -> Path:
        return self.layout.state

    @property
    def log_dir(self) -> Path:
        return self.layout.logs

    @property
    def local_dir(self) -> Path:
        return self.layout.local

    @property
    def nodes(self) -> list[str]:
        """The names of the real nodes."""
        return self.spec.node_names

    def data_dir(self, node: str) -> Path:
        """The directory of *node* that `read_only` is about; the service account's."""
        return self.layout.data(node)

    # Beginning and end.

    def up(self) -> None:
        """Start every daemon that does not run and return when every node is idle.

        Raises:
            LabError: a daemon did not start; the message has the tail of its log.
        """
        if self.spec.first_port:
            lifecycle.start(self._roster)
            return
        for last_try in (False, False, True):
            self.spec = lifecycle.choose_ports(self.layout, self.spec)
            self._write_configuration()
            try:
                lifecycle.start(self._roster)
            except LabError:
                end_processes(self.root)
                if last_try or lifecycle.ports_are_free(self.spec):
                    raise
            else:
                return

    def down(self) -> None:
        """End everything of this lab and remove its directory; harmless when it is gone."""
        tear_down(self.root)
        if self._watchdog is not None:  # until here: this process may die while it tears down
            watchdog.end(self._watchdog)
            self._watchdog = None
            atexit.unregister(self._down_at_exit)

    def _down_at_exit(self) -> None:
        if os.getpid() == self.spec.owner:  # and not a fork of it
            self.down()

    def install(self, wheel: Path | None = None) -> None:
        """Install the product from *wheel*, or from one built now, with its hooks."""
        if wheel is None:
            with tempfile.TemporaryDirectory(prefix=f"{PREFIX}wheel-") as directory:
                install.install(self.commands, install.build_wheel(Path(directory)))
        else:
            install.install(self.commands, wheel)
        if self.spec.first_port:
            self._write_configuration()
            # slurmctld looks once, when it starts, whether there is an EpilogSlurmctld.
            self.slurmctld.stop()
            self.slurmctld.start()
            self.commands.run(["scontrol", "reconfigure"])  # the nodes' Prolog and Epilog
            self.wait_until_idle()

    def reset(self) -> None:
        """Make the lab as good as new: no jobs, faults, records or checks; every node idle."""
        lifecycle.revive(self._roster)
        self.faults.clear_all()
        lifecycle.end_jobs(self._nodes)
        lifecycle.return_nodes(self._nodes)
        lifecycle.empty_product(self.layout)
        self.configure()

    def configure(self, **changes: config.Setting) -> None:
        """Write the product's settings, with *changes* to what the lab makes of them."""
        self.layout.settings.write_text(config.settings_toml(self.layout, self.spec, changes))

    # Commands.

    @property
    def commands(self) -> Commands:
        return Commands(layout=self.layout)

    @property
    def bin_env(self) -> dict[str, str]:
        """The environment of root's commands in this lab."""
        return self.commands.environment("root")

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
        """Run *argv* as *user* to its end (`Commands.run`)."""
        return self.commands.run(
            argv, user=user, check=check, timeout_s=timeout_s, stdin=stdin, env=env
        )

    def run_as_service(
        self,
        argv: Sequence[str],
        *,
        check: bool = True,
        timeout_s: float = 60.0,
        stdin: str = "",
        env: Mapping[str, str] | None = None,
    ) -> "subprocess.CompletedProcess[str]":
        """Run *argv*, say ``["cluster-doctor", "sweep"]``, as the service account to its end."""
        return self.commands.run(
            argv, user=SERVICE, check=check, timeout_s=timeout_s, stdin=stdin, env=env
        )

    def start_as_service(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None
    ) -> "subprocess.Popen[str]":
        """Start *argv* as the service account and return at once, for a test to kill."""
        return self.commands.start(argv, user=SERVICE, env=env)

    # Daemons: each has start, stop, kill, pause, resume and pid.

    @property
    def slurmctld(self) -> Daemon:
        return self._roster.slurmctld()

    @property
    def slurmdbd(self) -> Daemon:
        return self._roster.slurmdbd()

    @property
    def mariadbd(self) -> Daemon:
        return self._roster.mariadbd()

    def slurmd(self, node: str) -> Daemon:
        """The slurmd of *node*."""
        return self._roster.slurmd(node)

    # Nodes and jobs.

    def states(self) -> dict[str, str]:
        """Each node's whole state, like ``idle`` or ``idle+drain``."""
        return self._nodes.states()

    def responds(self, node: str) -> bool:
        """Whether *node* would take a job; one that was just resumed does so after a moment."""
        return self._nodes.responds(node)

    def drained(self) -> dict[str, tuple[str, str]]:
        """Why each drained node is, and who says so."""
        return self._nodes.drained()

    def drain(self, node: str, reason: str) -> None:
        """Stop new jobs on *node*, as an administrator does."""
        self._nodes.drain(node, reason)

    def resume(self, node: str) -> None:
        """Give a drained or down *node* back to jobs; return when it responds."""
        self._nodes.resume(node)

    def wait_until_idle(self, deadline_s: float = 60.0) -> None:
        """Return when every real node is idle, as a restarted slurmctld finds them in a second."""
        self.wait_for(self._nodes.real_are_idle, deadline_s, "every node to be idle")

    def occupy(self, node: str, user: str = ORDINARY[0]) -> int:
        """Fill *node* with a job of *user* in main; return its id once it runs."""
        if node not in self.nodes:
            raise LabError(f"{node!r} is not a real node of this lab: {self.spec.node_list}")
        where = ("--partition=main", f"--nodelist={node}", "--nodes=1", "--exclusive")
        return self._nodes.run_endless_job(*where, "--time=60", user=user)

    def release(self, job: int) -> None:
        """Cancel *job* and return when its nodes are free of it."""
        self.commands.run(["scancel", str(job)])
        self._nodes.wait_for_job(job, ["CANCELLED", ""])

    def wait_for(self, condition: Callable[[], bool], deadline_s: float, what: str) -> None:
        """Return when *condition* holds; else a LabError with the tails of Slurm's logs."""
        logs = sorted(self.layout.daemon_logs.glob("*.log"))
        wait_for(condition, deadline_s, what, logs=[log for log in logs if "slurm" in log.name])

    # Checks and their faults.

    @property
    def faults(self) -> Faults:
        return Faults(layout=self.layout, spec=self.spec)

    def add_check(self, name: str, *, command: Sequence[str] = ("true",), **fields: object) -> None:
        """Define the check *name* in this lab; `fault` can replace its *command*."""
        defaults = {"description": f"The lab's check {name}.", "max_age": "1h", "time_limit": "1m"}
        wrapped = {"name": name, "command": self.faults.wrap(command)}
        write_definition(self.definitions / f"{name}.yaml", defaults | wrapped | fields)

    def fault(self, node: str, check: str, verb: str) -> None:
        """Make *check* on *node* misbehave: fail, hang, deaf-hang, crash, flood, exit:N, ..."""
        self.faults.set(node, check, verb)

    def clear_fault(self, node: str, check: str) -> None:
        """Let *check* on *node* do its real work again."""
        self.faults.clear(node, check)

    def read_only(self, node: str) -> None:
        """Make the data directory of *node* read-only, until `read_write` or `down`."""
        self.faults.read_only(node)

    def read_write(self, node: str) -> None:
        """Make the data directory of *node* writable again."""
        self.faults.read_write(node)

    # How it is done.

    @property
    def _nodes(self) -> Nodes:
        return Nodes(commands=self.commands, spec=self.spec)

    @property
    def _roster(self) -> Roster:
        return Roster(layout=self.layout, spec=self.spec, commands=self.commands, nodes=self._nodes)

    def _prepare(self) -> None:
        lifecycle.prepare(self.layout, self.spec)
        self.faults.install()
        self.configure()

    def _write_configuration(self) -> None:
        with_hooks = self.spec.hooks and install.installed(self.layout)
        lifecycle.write_configuration(self.layout, self.spec, with_hooks=with_hooks)
