"""A lab for what changes nodes: two real ones, 500 that look idle, and scontrol as any user."""

from dataclasses import dataclass
from pathlib import Path

from slurm_hooks.node_control import NodeCommands
from tests.lab import Lab
from tests.lab.users import account

STAYS_DOWN = {"ReturnToService": "0"}
"""For a lab where a node that is set DOWN stays so, whatever its slurmd says."""
WRAPPER = """#!/bin/sh
echo called >>{log}
exec setpriv --reuid={uid} --regid={gid} --init-groups -- /usr/bin/$(basename $0) "$@"
"""


@dataclass
class NodeLab:
    """A lab, and the wall to its nodes as each user has it."""

    lab: Lab
    directory: Path

    @property
    def idle(self) -> list[str]:
        """Names of the nodes that only look idle; the first is the one that answers for them."""
        return self.lab.spec.idle_node_names[1:]

    def wall(self, user: str = "slurm") -> NodeCommands:
        """The wall as *user*, SlurmUser unless another is named; it counts its commands."""
        programs = self.directory / user
        programs.mkdir(exist_ok=True)
        who = account(user)
        text = WRAPPER.format(log=self._log(user), uid=who.uid, gid=who.gid)
        wrapper = programs / "scontrol"
        wrapper.write_text(text)
        wrapper.chmod(0o755)
        return NodeCommands(bin_dir=programs, conf=self.lab.slurm_conf)

    def count(self, user: str = "slurm") -> int:
        """How many commands *user* ran."""
        log = self._log(user)
        return len(log.read_text().splitlines()) if log.exists() else 0

    def _log(self, user: str) -> Path:
        return self.directory / f"{user}.log"
