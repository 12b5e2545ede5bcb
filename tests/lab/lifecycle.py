"""The steps of a lab's life: its directory, its ports, its daemons, and a clean slate."""

import os
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

from tests.lab import config, database, ports, processes
from tests.lab.errors import LabError
from tests.lab.layout import PREFIX, Layout, make_directories, make_state
from tests.lab.nodes import Nodes
from tests.lab.roster import Roster
from tests.lab.spec import Spec
from tests.lab.users import SLURM, account, locked
from tests.lab.waiting import wait_for

IDLE_S = 60.0


def labs() -> list[Path]:
    """The directories of the labs on this machine, root's own only."""
    found = sorted(Path(tempfile.gettempdir()).resolve().glob(f"{PREFIX}*/lab.json"))
    return [record.parent for record in found if record.lstat().st_uid == 0]


def prepare(layout: Layout, spec: Spec) -> None:
    """Fill a lab's new directory with all that is known before its ports are."""
    spec.write(layout.record)  # first of all: by it the directory is known as a lab's
    sinks = [spec.sink] if spec.sink else []
    make_directories(layout, spec.node_names, [*spec.node_names, *sinks])
    key = layout.munge / "key"
    key.touch(mode=0o600)
    key.write_bytes(os.urandom(128))
    if spec.accounting:
        database.fill(layout)


def choose_ports(layout: Layout, spec: Spec) -> Spec:
    """*spec* with free ports, written down before another lab can choose the same."""
    with locked("ports"):
        taken = [_recorded_ports(root) for root in labs()]
        chosen = replace(spec, first_port=ports.free_block(spec.port_count, taken))
        chosen.write(layout.record)
    return chosen


def ports_are_free(spec: Spec) -> bool:
    """Whether nobody has taken the ports of *spec*, asked once its own daemons have ended."""
    return ports.all_free(spec.ports)


def _recorded_ports(root: Path) -> range:
    try:
        return Spec.read(root / "lab.json").ports
    except LabError:  # it is being made or taken away
        return range(0)


def write_configuration(layout: Layout, spec: Spec, *, with_hooks: bool) -> None:
    """Write slurm.conf, and slurmdbd.conf as slurmdbd wants it: Slurm's own and secret."""
    layout.slurm_conf.write_text(config.slurm_conf(layout, spec, with_hooks=with_hooks))
    layout.slurmdbd_conf.touch(mode=0o600)
    layout.slurmdbd_conf.write_text(config.slurmdbd_conf(layout, spec))
    slurm = account(SLURM)
    os.chown(layout.slurmdbd_conf, slurm.uid, slurm.gid)


def start(roster: Roster) -> None:
    """Start every daemon that does not run and return when every node is idle."""
    for daemon in roster.controllers():
        daemon.start()
    launched = [daemon for daemon in roster.slurmds() if daemon.pid() is None]
    for daemon in launched:
        daemon.launch()
    logs = [roster.slurmctld().log, *(daemon.log for daemon in launched[:3])]
    wait_for(roster.nodes.real_are_idle, IDLE_S, "every node to be idle", logs=logs)


def revive(roster: Roster) -> None:
    """Let paused daemons go on and start those that died; their nodes may be in any state."""
    for daemon in [*roster.controllers(), *roster.slurmds()]:
        if daemon.pid() is not None:
            daemon.resume()
        else:
            daemon.start()


def end_jobs(nodes: Nodes) -> None:
    """Cancel every job and return when none is left, not even what its hooks do afterwards."""

    def none_left() -> bool:
        nodes.cancel_all()
        return not nodes.jobs()

    wait_for(none_left, IDLE_S, "every job to end")
    opt = nodes.commands.layout.opt
    wait_for(lambda: not processes.hooks(opt), IDLE_S, "what the hooks do afterwards")


def return_nodes(nodes: Nodes) -> None:
    """Give every drained or down node back, delete reservations, and wait for idle nodes."""
    log = nodes.commands.layout.log_file("slurmctld")
    nodes.clear_marks()
    wait_for(nodes.real_are_idle, IDLE_S, "every node to be idle again", logs=[log])


def empty_product(layout: Layout) -> None:
    """Remove all that the product wrote, its definitions included; keep its directories."""
    for directory in (layout.state, layout.logs, layout.local, layout.definitions):
        for path in directory.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    make_state(layout)
