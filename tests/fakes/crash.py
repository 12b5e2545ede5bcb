"""Kills whoever performs a chosen effect, so that every crash point can be tried in turn."""

from collections.abc import Callable
from dataclasses import dataclass, field

SLURM_EFFECTS = frozenset({"submit", "pin", "release", "cancel"})
NODE_EFFECTS = frozenset({"drain", "undrain", "comment", "reserve", "unreserve"})
STATE_EFFECTS = frozenset(
    {"prepare", "write_batch", "write_submission", "write_record", "keep_interrupted",
     "forget_word", "close_batch", "mark_compared", "set_aside", "prune_archive"}
)  # fmt: skip


class Killed(BaseException):
    """The process is gone; nothing after this runs."""


@dataclass(slots=True)
class CrashPoint:
    """Counts effects and kills at number *at*, before it happens; None never kills."""

    at: int | None = None
    effects: list[str] = field(default_factory=list)

    def reach(self, effect: str) -> None:
        """Count *effect*, or die."""
        if self.at is not None and len(self.effects) == self.at:
            raise Killed(effect)
        self.effects.append(effect)


class Mortal:
    """A wall whose named methods pass a crash point first."""

    def __init__(self, wall: object, effects: frozenset[str], point: CrashPoint) -> None:
        self._wall, self._effects, self._point = wall, effects, point

    def __getattr__(self, name: str) -> object:
        found = getattr(self._wall, name)
        return self._guarded(name, found) if name in self._effects else found

    def _guarded(self, name: str, method: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object, **named: object) -> object:
            self._point.reach(name)
            return method(*arguments, **named)

        return call
