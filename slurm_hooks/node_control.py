"""The wall through which reactions change nodes and reservations, as SlurmUser or root."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from slurm_hooks.command_line import Answer, CommandLine
from slurm_hooks.errors import SlurmError
from slurm_hooks.slurm_text import (
    Node,
    Reservation,
    parse_config,
    parse_nodes,
    parse_reservations,
    parse_time,
)

_IN_ONE_CALL = 2000
"""Nodes whose names fit one argument (131,071 bytes on Linux), with room to spare."""
_AT_ONCE = 4
"""How many scontrol set comments at once: each waits for slurmctld most of its time."""
_REFUSALS = ("Invalid user id", "Access/permission denied")
_REMEDY = "run this as SlurmUser or root"


class NodeControl(Protocol):
    """What the reactor asks of Slurm about nodes. Every call may raise SlurmError.

    After an error some of the call's nodes may have changed and others not: read them back.
    A name that Slurm does not know is one: slurmctld goes through the names sorted, and stops
    there (22.05). So ask `some_nodes` first which there are.
    To drain, undrain or comment no nodes does nothing; to reserve none is an error.
    """

    def nodes(self) -> list[Node]:
        """Return every node."""

    def some_nodes(self, names: Sequence[str]) -> list[Node]:
        """Return the nodes named *names*, read now; names that Slurm does not know are left out."""

    def reservations(self) -> list[Reservation]:
        """Return every reservation."""

    def started_at(self) -> datetime | None:
        """Return since when slurmctld runs; None where it does not tell."""

    def drain(self, nodes: Sequence[str], reason: str) -> None:
        """Stop new jobs on *nodes*; running jobs go on.

        Replaces the reason, the user and the time of whoever drained a node before, so look
        first; the same reason again leaves user and time as they are. Slurm refuses an empty
        reason, and keeps `safe_text` alone unchanged.
        """

    def undrain(self, nodes: Sequence[str]) -> None:
        """Let jobs on *nodes* again, and clear their reasons; on others it changes nothing.

        A node that is DOWN stays DOWN, with the reason it has, even if that is ours: only
        its drain is taken back. FAIL goes as DRAIN does.
        """

    def comment(self, comments: Mapping[str, str]) -> None:
        """Set each node's whole comment; an empty one clears it. Drains leave comments alone."""

    def reserve(self, name: str, nodes: Sequence[str], users: Sequence[str]) -> None:
        """Keep *nodes* for *users* from now on, jobs that run there excepted, until `unreserve`.

        A name that is there already is an error, and changes nothing. Other reservations of
        the same nodes are none.
        """

    def unreserve(self, name: str) -> None:
        """Remove the reservation *name*. One that is gone is no error; one in use is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCommands:
    """Slurm's scontrol; every text is an argument of its own, as `safe_text` explains."""

    bin_dir: Path
    conf: Path | None = None
    timeout_s: float = 60.0

    def nodes(self) -> list[Node]:
        """As `NodeControl.nodes`; 0.2 s for 10,000 nodes."""
        return parse_nodes(_checked(self._scontrol("show", "nodes", "--all")).printed)

    def some_nodes(self, names: Sequence[str]) -> list[Node]:
        """As `NodeControl.some_nodes`; 0.1 s for 500 of 10,000 nodes."""
        found = []
        for few in _portions(names):
            shown = f"scontrol show node {_listed(few)}"
            answer = self._scontrol("show", "node", ",".join(few), "--all", shown=shown)
            # An unknown name is said on standard output, and is all that may be wrong.
            if answer.status and (answer.said or " not found" not in answer.printed):
                raise _error(answer)
            found += parse_nodes(answer.printed)
        return found

    def reservations(self) -> list[Reservation]:
        """As `NodeControl.reservations`; all of them are few."""
        answer = _checked(self._scontrol("show", "reservations", "-o", "--all"))
        try:
            return parse_reservations(answer.printed)
        except ValueError as error:
            raise SlurmError(
                f"{answer.shown}: cannot read the nodes it printed: {error}"
            ) from error

    def started_at(self) -> datetime | None:
        """As `NodeControl.started_at`; scontrol(1), SHOW CONFIG, BOOT_TIME."""
        config = parse_config(_checked(self._scontrol("show", "config")).printed)
        return parse_time(config.get("BOOT_TIME", ""))

    def drain(self, nodes: Sequence[str], reason: str) -> None:
        """As `NodeControl.drain`; scontrol(1), UPDATE NODE. 500 nodes are one call of 25 ms."""
        self._update([(few, ("State=DRAIN", f"Reason={reason}")) for few in _portions(nodes)])

    def undrain(self, nodes: Sequence[str]) -> None:
        """As `NodeControl.undrain`; scontrol(1), UPDATE NODE.

        UNDRAIN, not RESUME: that one would give back a node which somebody, or slurmctld,
        set DOWN meanwhile, and is refused where nothing is to be resumed. A node that comes back
        shows NOT_RESPONDING for up to a second.
        """
        self._update([(few, ("State=UNDRAIN",)) for few in _portions(nodes)])

    def comment(self, comments: Mapping[str, str]) -> None:
        """As `NodeControl.comment`; one call for all nodes that get the same text.

        Other texts take a call each, four at once: 200 take 2 s. Standard input would
        take one call, but cannot quote a blank there without quotes that stay.
        """
        nodes: dict[str, list[str]] = {}
        for node, text in comments.items():
            nodes.setdefault(text, []).append(node)
        self._update(
            [(few, (f"Comment={text}",)) for text in nodes for few in _portions(nodes[text])]
        )

    def reserve(self, name: str, nodes: Sequence[str], users: Sequence[str]) -> None:
        """As `NodeControl.reserve`; scontrol(1), RESERVATIONS. UNLIMITED is a year.

        MAINT may overlap any other reservation; IGNORE_JOBS takes a node that is busy.
        """
        if not name:
            raise SlurmError("a reservation needs a name: Slurm would make one up")
        answer = self._scontrol(
            "create", "reservation", f"ReservationName={name}", f"Nodes={','.join(nodes)}",
            f"Users={','.join(users)}", "StartTime=now", "Duration=UNLIMITED",
            "Flags=MAINT,IGNORE_JOBS",
            shown=f"scontrol create reservation {name} for {','.join(users)} on {_listed(nodes)}",
        )  # fmt: skip
        _checked(answer)

    def unreserve(self, name: str) -> None:
        """As `NodeControl.unreserve`; scontrol(1), DELETE."""
        answer = self._scontrol("delete", f"ReservationName={name}")
        if answer.status and "Requested reservation is invalid" not in answer.said:
            raise _error(answer)

    def _update(self, updates: Sequence[tuple[Sequence[str], tuple[str, ...]]]) -> None:
        """Make every update, whatever becomes of the others, then raise the first error."""

        def update(one: tuple[Sequence[str], tuple[str, ...]]) -> SlurmError | None:
            nodes, changes = one
            shown = f"scontrol update {changes[0][:60]} on {_listed(nodes)}"
            try:
                names = f"NodeName={','.join(nodes)}"
                _checked(self._scontrol("update", names, *changes, shown=shown))
            except SlurmError as error:
                return error
            return None

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            errors = [error for error in pool.map(update, updates) if error]
        if errors:
            raise errors[0]

    def _scontrol(self, *arguments: str, shown: str = "") -> Answer:
        line = CommandLine(bin_dir=self.bin_dir, conf=self.conf, timeout_s=self.timeout_s)
        return line.ask("scontrol", *arguments, shown=shown)


def _checked(answer: Answer) -> Answer:
    if answer.status:
        raise _error(answer)
    return answer


def _error(answer: Answer) -> SlurmError:
    refused = any(refusal in answer.said for refusal in _REFUSALS)
    return answer.error(_REMEDY if refused else "")


def _portions(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[at : at + _IN_ONE_CALL] for at in range(0, len(names), _IN_ONE_CALL)]


def _listed(names: Sequence[str]) -> str:
    few = ",".join(names[:3])
    return few if len(names) <= 3 else f"{few} and {len(names) - 3} more"
