"""How many nodes may still be taken from their users. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from slurm_hooks.journal import Book
from slurm_hooks.reaction import Kind


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
        pending = {item.entry.node for item in book.unfinished if item.entry.kind.takes}
        self._held = {item.entry.node for item in book.holds} | pending
        verified = {item.entry.node for item in book.unfinished if item.entry.kind is Kind.VERIFY}
        self._taken = book.taken(since=now - rails.window) | (pending - verified)
        self._held_in = Counter(self._names(self._held))

    def why_not(self, node: str) -> str:
        """Return which cap keeps *node* from being taken; empty where none does.

        A node that we hold needs room among those taken all the same: whatever holds it may
        be gone by the time it is taken again.
        """
        held, taken, rails = len(self._held), len(self._taken), self._rails
        if node not in self._held:
            if held >= rails.held:
                return f"{held} nodes are held, and no more than {rails.held} may be"
            for name in self._partitions.get(node, ()):
                here, most = self._held_in[name], rails.held_in.get(name)
                if most is not None and here >= most:
                    return f"{here} nodes of {name} are held, and no more than {most} may be"
        if node not in self._taken and taken >= rails.taken:
            return f"{taken} nodes were taken lately, and no more than {rails.taken} may be"
        return ""

    def take(self, node: str) -> None:
        """Count *node* as taken."""
        if node not in self._held:
            self._held.add(node)
            self._held_in.update(self._names([node]))
        self._taken.add(node)

    def _names(self, nodes: Iterable[str]) -> Iterable[str]:
        return (name for node in nodes for name in self._partitions.get(node, ()))
