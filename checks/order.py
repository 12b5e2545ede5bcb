"""In which order checks run: what they depend on first, then the cheapest."""

import heapq
from collections.abc import Iterable
from graphlib import CycleError, TopologicalSorter

from checks.definition import CheckDefinition


def order(definitions: Iterable[CheckDefinition]) -> tuple[str, ...]:
    """Return the names of *definitions* in the order in which a visit runs them.

    Of the checks whose dependencies are done the one with the smallest time limit comes
    next; ties break by name. A dependency that is not among *definitions* is ignored.
    """
    known = {definition.name: definition for definition in definitions}
    sorter = TopologicalSorter(_graph(known.values()))
    sorter.prepare()
    ready: list[tuple[float, str]] = []
    found: list[str] = []
    while sorter.is_active():
        for name in sorter.get_ready():
            heapq.heappush(ready, (known[name].time_limit.total_seconds(), name))
        _, name = heapq.heappop(ready)
        found.append(name)
        sorter.done(name)
    return tuple(found)


def find_cycle(definitions: Iterable[CheckDefinition]) -> tuple[str, ...]:
    """Return the names along one circle of dependencies, its start at both ends, or nothing."""
    try:
        TopologicalSorter(_graph(definitions)).prepare()
    except CycleError as error:
        circle: list[str] = error.args[1]
        return tuple(reversed(circle))
    return ()


def _graph(definitions: Iterable[CheckDefinition]) -> dict[str, list[str]]:
    known = {definition.name: definition for definition in definitions}
    return {name: sorted(_waits_for(known[name]) & known.keys()) for name in sorted(known)}


def _waits_for(definition: CheckDefinition) -> set[str]:
    return {*definition.depends_on, *definition.depends_on_everywhere}
