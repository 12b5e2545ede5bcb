"""python -m tests.lab: a lab by hand. up, down, install, shell, faults, and its users."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.lab import users, watchdog
from tests.lab.cluster import Lab
from tests.lab.errors import LabError
from tests.lab.faults import EXIT, VERBS
from tests.lab.lifecycle import labs
from tests.lab.processes import alive
from tests.lab.requirements import check_requirements
from tests.lab.spec import Spec

NODE_VERBS = (
    "kill", "pause", "resume", "start", "drain", "undrain", "occupy", "read-only", "read-write",
)  # fmt: skip
DAEMONS = ("slurmctld", "slurmdbd", "mariadbd")
DAEMON_VERBS = ("stop", "kill", "pause", "resume", "start")


def main(argv: Sequence[str]) -> int:
    options = parser().parse_args(argv)
    try:
        options.act(options)
    except LabError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m tests.lab", description=__doc__)
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    _add_life(commands)
    _add_faults(commands)
    accounts = commands.add_parser("users", help="make or remove the lab's users")
    accounts.add_argument("verb", choices=("create", "remove"))
    accounts.set_defaults(act=_users)
    watch = commands.add_parser("watch")  # for the lab itself: tests/lab/watchdog.py
    watch.add_argument("dir", type=Path)
    watch.add_argument("owner", type=int)
    watch.set_defaults(act=lambda options: watchdog.watch(options.dir, options.owner))
    return top


def _add_life(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    up = commands.add_parser("up", help="start a cluster; it stays until down")
    up.add_argument("--nodes", type=int, default=8, help="real nodes (default 8)")
    up.add_argument("--idle-nodes", type=int, default=0, help="further nodes that look idle")
    up.add_argument("--no-accounting", action="store_true", help="no MariaDB, no slurmdbd")
    up.add_argument("--install", action="store_true", help="install the product and its hooks")
    up.add_argument("--dir", type=Path, help="the cluster's directory, to be made")
    up.set_defaults(act=_up)
    for name, act, text in (
        ("down", _down, "end one cluster, or all that were started by hand"),
        ("install", _install, "install the product and its hooks"),
        ("shell", _shell, "a shell with the cluster's environment; a command after --"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--dir", type=Path)
        command.set_defaults(act=act)
        if name == "shell":
            command.add_argument("--user", default="root")
            command.add_argument("command", nargs="*", metavar="COMMAND")


def _add_faults(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    fault = commands.add_parser("fault", help="break something")
    fault.add_argument("--dir", type=Path)
    kinds = fault.add_subparsers(required=True, metavar="KIND")
    check = kinds.add_parser("check", help="make a check misbehave on a node")
    check.add_argument("node")
    check.add_argument("check")
    check.add_argument("verb", help=f"{', '.join(VERBS)}, {EXIT}N, or none")
    check.set_defaults(act=_fault_check)
    node = kinds.add_parser("node", help="do something to a node")
    node.add_argument("node")
    node.add_argument("verb", choices=NODE_VERBS)
    node.set_defaults(act=_fault_node)
    daemon = kinds.add_parser("daemon", help="do something to a daemon")
    daemon.add_argument("name", choices=DAEMONS)
    daemon.add_argument("verb", choices=DAEMON_VERBS)
    daemon.set_defaults(act=_fault_daemon)


def _up(options: argparse.Namespace) -> None:
    lab = Lab.create(
        nodes=options.nodes,
        idle_nodes=options.idle_nodes,
        accounting=not options.no_accounting,
        directory=options.dir,
        keep=True,
    )
    try:
        if options.install:
            lab.install()
        lab.up()
    except BaseException:
        lab.down()
        raise
    print(f"{lab.root}\nexport SLURM_CONF={lab.slurm_conf}")
    print(f"The users {', '.join((users.SERVICE, *users.ORDINARY))} stay after `down`; "
          "`users remove` removes them.")  # fmt: skip


def _down(options: argparse.Namespace) -> None:
    check_requirements(accounting=False)
    for root in [options.dir] if options.dir else filter(_without_owner, labs()):
        Lab.open(root).down()
        print(f"{root}: ended")


def _without_owner(root: Path) -> bool:
    owner = Spec.read(root / "lab.json").owner
    return owner is None or not alive(owner)


def _install(options: argparse.Namespace) -> None:
    _lab(options).install()


def _shell(options: argparse.Namespace) -> None:
    commands = _lab(options).commands
    env = commands.environment(options.user) | {"TERM": os.environ.get("TERM", "dumb")}
    os.chdir(env["HOME"])
    argv = commands.argv(options.command or ["/bin/bash", "-i"], options.user)
    os.execvpe(argv[0], argv, env)


def _fault_check(options: argparse.Namespace) -> None:
    lab = _lab(options)
    if options.verb == "none":
        lab.clear_fault(options.node, options.check)
    else:
        lab.fault(options.node, options.check, options.verb)


def _fault_node(options: argparse.Namespace) -> None:
    lab, node = _lab(options), options.node
    match options.verb:
        case "drain":
            lab.drain(node, "drained by hand")
        case "undrain":
            lab.resume(node)
        case "occupy":
            print(lab.occupy(node))
        case "read-only":
            lab.read_only(node)
        case "read-write":
            lab.read_write(node)
        case verb:
            getattr(lab.slurmd(node), verb)()


def _fault_daemon(options: argparse.Namespace) -> None:
    getattr(getattr(_lab(options), options.name), options.verb)()


def _users(options: argparse.Namespace) -> None:
    if options.verb == "create":
        users.create()
    else:
        print(f"removed: {' '.join(users.remove()) or 'nobody'}")


def _lab(options: argparse.Namespace) -> Lab:
    """The lab at --dir, or the only one that was started by hand, or the only one there is."""
    roots = [options.dir] if options.dir else labs()
    if len(roots) > 1:
        roots = [root for root in roots if Lab.open(root).spec.owner is None] or roots
    if len(roots) != 1:
        found = ", ".join(map(str, roots)) or "none; start one with up"
        raise LabError(f"say which lab with --dir; there is: {found}")
    return Lab.open(roots[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
