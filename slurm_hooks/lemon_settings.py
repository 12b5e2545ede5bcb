"""The table ``[lemon]`` of the settings: what makes a node one that fails again and again."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from slurm_hooks.duration import parse_duration
from slurm_hooks.errors import ConfigError

SHORTEST_WINDOW = timedelta(days=1)


@dataclass(kw_only=True, repr=False, eq=False)
class RawLemon:
    """The table, as written; bare, since every command makes this class."""

    node_fail: float = 3.0
    node_fail_rate: float = 10.0
    out: float = 2.0
    fail: float = 1.0
    score: float = 6.0
    window: str = "28d"


@dataclass(frozen=True, slots=True, kw_only=True)
class LemonSettings:
    """How many points each thing that happened to a node counts."""

    node_fail: float
    """Each visit during which the node died."""
    node_fail_rate: float
    """The share of visits during which it died, as far as that share is certain."""
    out: float
    """Each time that the node was taken from users."""
    fail: float
    """Each time that a check began to fail."""
    score: float
    """A node with so many points is a lemon."""
    window: timedelta
    """How far back things count."""


def lemon_settings(raw: RawLemon, path: Path) -> LemonSettings:
    """Return *raw* checked; *path* only names the file in messages.

    Raises:
        ConfigError: a weight is negative, the score not above zero, or the window too short.
    """
    for key in ("node_fail", "node_fail_rate", "out", "fail"):
        if getattr(raw, key) < 0:
            raise ConfigError(
                f"{path}: lemon.{key}: {getattr(raw, key):g} is negative; write 0 to count nothing"
            )
    if raw.score <= 0:
        raise ConfigError(
            f"{path}: lemon.score: with {raw.score:g} every node is a lemon; write more than 0"
        )
    return LemonSettings(
        node_fail=raw.node_fail,
        node_fail_rate=raw.node_fail_rate,
        out=raw.out,
        fail=raw.fail,
        score=raw.score,
        window=_window(raw.window, path),
    )


def _window(text: str, path: Path) -> timedelta:
    try:
        length = parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"{path}: lemon.window: {error}") from error
    if length < SHORTEST_WINDOW:
        raise ConfigError(f"{path}: lemon.window: {text!r} is less than 1d")
    return length
