"""What a lab is asked to be: its size, its ports and its options, kept in its lab.json."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.lab.errors import LabError

MOST_NODES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """The options of one lab.

    *nodes* are real: a slurmd each. *idle_nodes* only look idle; no job may start on them.
    *extra* overrides lines of slurm.conf. *owner* is the process the lab dies with, if any.
    """

    nodes: int = 8
    idle_nodes: int = 0
    accounting: bool = True
    hooks: bool = True
    extra: Mapping[str, str] = field(default_factory=dict)
    first_port: int = 0
    owner: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.nodes <= MOST_NODES:
            raise LabError(f"nodes: {self.nodes} is not between 1 and {MOST_NODES}")

    @property
    def node_names(self) -> list[str]:
        return [f"n{number:03d}" for number in range(self.nodes)]

    @property
    def idle_node_names(self) -> list[str]:
        return [f"idle{number:05d}" for number in range(self.idle_nodes)]

    @property
    def node_list(self) -> str:
        """The real nodes as a hostlist."""
        return bracket("n", 3, self.nodes)

    @property
    def idle_node_list(self) -> str:
        """The nodes that only look idle, as a hostlist."""
        return bracket("idle", 5, self.idle_nodes)

    @property
    def sink(self) -> str | None:
        """The one slurmd that answers for every node that only looks idle."""
        return self.idle_node_names[0] if self.idle_nodes else None

    @property
    def controller_port(self) -> int:
        return self.first_port

    @property
    def database_port(self) -> int:
        return self.first_port + 1

    @property
    def sink_port(self) -> int:
        return self.first_port + 2

    @property
    def first_node_port(self) -> int:
        return self.first_port + 3

    @property
    def port_count(self) -> int:
        return 3 + self.nodes

    @property
    def ports(self) -> range:
        return range(self.first_port, self.first_port + self.port_count)

    def write(self, path: Path) -> None:
        """Write the options down in one step, so that no reader sees half of them."""
        draft = path.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n")
        draft.rename(path)

    @classmethod
    def read(cls, path: Path) -> "Spec":
        """The options in *path*.

        Raises:
            LabError: there is no lab there.
        """
        try:
            return cls(**json.loads(path.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise LabError(f"{path.parent}: this is not a lab's directory ({error})") from error


def bracket(prefix: str, width: int, count: int) -> str:
    """The hostlist of *count* names from 0 on: ``n[000-007]``, or ``n000`` for one."""
    if count == 1:
        return f"{prefix}{0:0{width}d}"
    return f"{prefix}[{0:0{width}d}-{count - 1:0{width}d}]"
