"""How many nodes may still be taken from their users. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from slurm_hooks.journal import Book
from slurm_hooks.reaction import Kind

AT_MOST = "and no more than {most} may be"
"""How every sentence ends that names a cap; alert rules know them by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rails:
    """How much may be done; numbers of nodes, shares already resolved."""

    shadow: bool = False
    """Whether everything is decided and nothing done."""
    held: int
    """Nodes held by us at once, in the cluster."""
    held_in: Mapping[str, int] = field(default_factory=dict)
    """The same for each partition."""
    taken: int
    """Nodes newly held within ``window``."""
    window: timedelta
    suspect: int
    """A check that fails on more nodes than this within ``suspect_window`` is suspected itself."""
    suspect_window: timedelta
    oldest: timedelta = timedelta(days=1)
    """A result older than this says nothing of its node any more."""


class Room:
    """Counts what is held and was taken; what is to be taken, or is taken here, counts at once."""

    def __init__(
        self, book: Book, partitions: Mapping[str, Sequence[str]], rails: Rails, *, now: datetime
    ) -> None:
        self._partitions, self._rails = partitions, rails
        pending = [item.entry for item in book.unfinished if item.entry.kind.takes]
        anew = {entry.node for entry in pending if entry.kind is not Kind.VERIFY}
        self._held = {item.entry.node for item in book.holds} | {entry.node for entry in pending}
        self._taken = book.taken(since=now - rails.window) | anew
        self._held_in = Counter(self._names(self._held))

    def why_not(self, node: str) -> str:
        """Return which cap keeps *node* from being taken; empty where none does.

        A node that we hold needs room among those taken all the same: whatever holds it may
        be gone by the time it is taken again.
        """
        held, taken, rails = len(self._held), len(self._taken), self._rails
        if node not in self._held:
            if held >= rails.held:
                return f"{held} nodes are held, {_at_most(rails.held)}"
            for name in self._partitions.get(node, ()):
                here, most = self._held_in[name], rails.held_in.get(name)
                if most is not None and here >= most:
                    return f"{here} nodes of {name} are held, {_at_most(most)}"
        if node not in self._taken and taken >= rails.taken:
            return f"{taken} nodes were taken lately, {_at_most(rails.taken)}"
        return ""

    def take(self, node: str) -> None:
        """Count *node* as taken."""
        if node not in self._held:
            self._held.add(node)
            self._held_in.update(self._names([node]))
        self._taken.add(node)

    def _names(self, nodes: Iterable[str]) -> Iterable[str]:
        return (name for node in nodes for name in self._partitions.get(node, ()))


def _at_most(most: int) -> str:
    return AT_MOST.format(most=most)
