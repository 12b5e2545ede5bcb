"""Fields that several tables have: the same name, sacct's name for it, and look in each."""

from collections.abc import Callable
from datetime import datetime

from analytics.fields import Field, T, local_time, short_seconds, style_of_outcome


def node(value: Callable[[T], object]) -> Field[T]:
    """Return the field that names the node."""
    return Field(name="node", meaning="the node", value=value, aliases=("nodelist",))


def check(value: Callable[[T], object]) -> Field[T]:
    """Return the field that names the check."""
    return Field(name="check", meaning="the check's name", value=value)


def outcome(meaning: str, value: Callable[[T], object], *, absent: str = "") -> Field[T]:
    """Return the field that says how it ended."""
    return Field(
        name="outcome", meaning=meaning, value=value, absent=absent, aliases=("state",),
        style=style_of_outcome,
    )  # fmt: skip


def when(
    name: str,
    meaning: str,
    value: Callable[[T], object],
    *,
    sacct: str | None = None,
    absent: str = "",
) -> Field[T]:
    """Return a field that holds a time, which people read in their own zone."""
    aliases = (sacct,) if sacct else ()
    return Field(
        name=name, meaning=meaning, value=value, text=local_time, absent=absent, aliases=aliases,
        kind=datetime,
    )  # fmt: skip


def duration(meaning: str, value: Callable[[T], object]) -> Field[T]:
    """Return the field that says how long it took, in seconds."""
    return Field(
        name="duration", meaning=meaning, value=value, text=short_seconds, aliases=("elapsed",),
        kind=float, right=True,
    )  # fmt: skip


def job(meaning: str, value: Callable[[T], int]) -> Field[T]:
    """Return the field that holds a Slurm job's id; 0 is none."""

    def known(row: T) -> int | None:
        return value(row) or None

    return Field(name="job", meaning=meaning, value=known, aliases=("jobid",), kind=int, right=True)


def log(value: Callable[[T], object]) -> Field[T]:
    """Return the field that names the log file."""
    return Field(name="log", meaning="the file with the check's whole output", value=value)


def partition(value: Callable[[T], object]) -> Field[T]:
    """Return the field that names the partition."""
    return Field(name="partition", meaning="the partition", value=value)


def cluster(value: Callable[[T], object]) -> Field[T]:
    """Return the field that names the cluster."""
    return Field(name="cluster", meaning="the cluster", value=value)
