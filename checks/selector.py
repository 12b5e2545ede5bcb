"""Which nodes a check applies to, and why it does not apply to another. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from analytics.hostlist import members
from checks.definition import CheckDefinition, Resources, Selector
from checks.gres import Gres, amount, parse_gres, parse_request


class Node(Protocol):
    """What must be known of a node; `slurm_hooks.slurm_text.Node` has it."""

    @property
    def name(self) -> str:
        """As Slurm names it."""

    @property
    def cpus(self) -> int:
        """How many it has."""

    @property
    def real_memory_mb(self) -> int:
        """In MiB; 0 if not known."""

    @property
    def features(self) -> tuple[str, ...]:
        """The active ones."""

    @property
    def gres(self) -> str:
        """As Slurm writes them, with their counts."""

    @property
    def partitions(self) -> tuple[str, ...]:
        """All that it is in."""


@dataclass(frozen=True, slots=True)
class _Make:
    """What is the same for all nodes of one make, whatever their names."""

    unfit: str
    """Why the check cannot apply to any of them; empty where it can."""
    excludable: bool
    """Whether `nodes.exclude` describes them, but for their names."""


def matching(definition: CheckDefinition, nodes: Iterable[Node]) -> frozenset[str]:
    """Return the names of those of *nodes* that *definition* applies to.

    Nodes of one make (features, gres, partitions, size) are looked at once, so that
    10,000 nodes cost little more than one.
    """
    makes: dict[object, _Make] = {}
    found = []
    for node in nodes:
        key = (node.features, node.gres, node.partitions, node.cpus, node.real_memory_mb)
        make = makes.get(key)
        if make is None:
            make = makes[key] = _make(definition, node)
        if not make.unfit and not _name_mismatch(definition, make, node.name):
            found.append(node.name)
    return frozenset(found)


def mismatch(definition: CheckDefinition, node: Node) -> str:
    """Return why *definition* does not apply to *node*, or nothing where it does."""
    make = _make(definition, node)
    return make.unfit or _name_mismatch(definition, make, node.name)


def _make(definition: CheckDefinition, node: Node) -> _Make:
    gres = parse_gres(node.gres)
    include, exclude = definition.nodes.include, definition.nodes.exclude
    unfit = _too_small(definition.resources, node, gres)
    if not unfit and include is not None:
        unfit = _unlike(include, node, gres)
    return _Make(unfit, exclude is not None and not _unlike(exclude, node, gres))


def _too_small(resources: Resources, node: Node, gres: tuple[Gres, ...]) -> str:
    gpus = amount(gres, "gpu")
    if resources.gpus > gpus:
        return f"has {gpus} GPUs, not {resources.gpus}"
    if resources.cpus > node.cpus:
        return f"has {node.cpus} CPUs, not {resources.cpus}"
    if resources.mem > node.real_memory_mb > 0:
        return f"has {node.real_memory_mb} MiB of memory, not {resources.mem}"
    return ""


def _unlike(selector: Selector, node: Node, gres: tuple[Gres, ...]) -> str:
    """Return in what *node* differs from *selector*, its name aside."""
    missing = [feature for feature in selector.features if feature not in node.features]
    if missing:
        return f"has no feature {', '.join(missing)}"
    if selector.gres is not None:
        wanted = parse_request(selector.gres)
        if amount(gres, wanted.name, wanted.kind) < wanted.count:
            return f"has no gres {selector.gres}"
    if selector.partitions and not set(selector.partitions) & set(node.partitions):
        return f"is not in partition {' or '.join(selector.partitions)}"
    return ""


def _name_mismatch(definition: CheckDefinition, make: _Make, name: str) -> str:
    include, exclude = definition.nodes.include, definition.nodes.exclude
    if include and include.hostlist is not None and name not in members(include.hostlist):
        return "is not in nodes.include"
    if not make.excludable or exclude is None:
        return ""
    if exclude.hostlist is None or name in members(exclude.hostlist):
        return "is in nodes.exclude"
    return ""
