"""What a result may do to its node: as data, in a batch's programs and in the journal."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """What is done to a node, or undone."""

    DRAIN = "drain"
    UNDRAIN = "undrain"
    COMMENT = "comment"
    UNCOMMENT = "uncomment"
    RESERVE = "reserve"
    UNRESERVE = "unreserve"
    NOTIFY = "notify"
    VERIFY = "verify"
    """Nothing that a definition asks for: somebody wants the node tested, and back if it passes."""

    @property
    def takes(self) -> bool:
        """Whether it takes the node from its users, or keeps it; only these have a cap."""
        return self in (Kind.DRAIN, Kind.RESERVE, Kind.VERIFY)

    @property
    def undoes(self) -> "Kind | None":
        """What it undoes; None where it does something itself."""
        return _UNDOES.get(self)


_UNDOES = {
    Kind.UNDRAIN: Kind.DRAIN,
    Kind.UNCOMMENT: Kind.COMMENT,
    Kind.UNRESERVE: Kind.RESERVE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """One thing to do about a result."""

    kind: Kind
    prefix: str = ""
    """What the reason, the comment or the reservation's name starts with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reacting:
    """How one check reacts; fixed when its batch is written."""

    on_fail: tuple[Reaction, ...] = ()
    on_pass: tuple[Reaction, ...] = ()
    confirm_fails: int = 1
    confirm_of: int = 1
    """So many fails among so many of the last judged results make a fail."""
    hang_condemns: bool = False
    """Whether a timeout is a fail here."""
    shadow: bool = False
    """Whether everything is decided and nothing done."""
    probation: bool = False
    """Whether the check is new: it may comment and no more."""
