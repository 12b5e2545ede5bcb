"""What a definition asks to be done about a node; read and checked here, acted on elsewhere."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from slurm_hooks.target import Target, check_command, check_template, check_webhook

STRICT = ConfigDict(frozen=True, extra="forbid", strict=True)
"""How every part of a definition is read: as written, and nothing that is not known."""

SPELLINGS = {
    "failureReactions": "failure_reactions",
    "successReactions": "success_reactions",
    "drainSlurmNode": "drain",
    "drainReasonPrefix": "prefix",
    "commentSlurmNode": "comment",
    "commentPrefix": "prefix",
    "addReservation": "reserve",
    "removeReservation": "unreserve",
    "maxNumberOfJobs": "max_jobs",
    "runAfterCreation": "run_after_creation",
}
"""Keys as ActiveCheck resources spell them, and the names they are read as."""


def _prefix(text: str) -> str:
    if not text.strip() or not text.isprintable() or not text.isascii() or len(text) > 64:
        raise ValueError(f"{text!r} is not one line of 1 to 64 ASCII characters")
    return text


def _reservation(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}", text):
        raise ValueError(
            f"{text!r} cannot start a reservation's name; use at most 32 letters, digits, _ . and -"
        )
    return text


class Note(BaseModel):
    """Text put on a node, or taken off it again if it is still ours."""

    model_config = STRICT

    prefix: Annotated[str, AfterValidator(_prefix)] = "cluster-doctor"
    """What the reason or comment starts with; the check, its detail and our token follow."""


class Reservation(BaseModel):
    """A reservation of the node, named PREFIX-NODE-TOKEN."""

    model_config = STRICT

    prefix: Annotated[str, AfterValidator(_reservation)] = "cluster-doctor"
    """What the reservation's name starts with."""


class Notice(BaseModel):
    """Somebody to tell: a command that is run, or an address that is posted to."""

    model_config = STRICT

    command: Annotated[tuple[str, ...], AfterValidator(check_command)] | None = None
    webhook: Annotated[str, AfterValidator(check_webhook)] | None = None
    template: Annotated[dict[str, object], AfterValidator(check_template)] | None = None
    """The JSON to send instead of our own; its texts may hold {node}, {check} and others."""

    @model_validator(mode="after")
    def _exactly_one(self) -> "Notice":
        if (self.command is None) == (self.webhook is None):
            raise ValueError("write exactly one of command and webhook")
        return self

    @property
    def target(self) -> Target:
        """The same, as what delivers it takes it."""
        return Target(command=self.command, webhook=self.webhook, template=self.template)


class Reactions(BaseModel):
    """What to do once a check has judged a node."""

    model_config = STRICT

    drain: Note | None = None
    undrain: Note | None = None
    comment: Note | None = None
    uncomment: Note | None = None
    reserve: Reservation | None = None
    unreserve: Reservation | None = None
    notify: Notice | None = None


def after_failure(reactions: Reactions) -> Reactions:
    """Return *reactions* if they make sense for a node that is bad.

    Raises:
        ValueError: one of them would return the node to service.
    """
    if reactions.undrain or reactions.unreserve or reactions.uncomment:
        raise ValueError(
            "a failed node must not return to service; "
            "undrain, uncomment and unreserve belong in success_reactions"
        )
    return reactions


def after_success(reactions: Reactions) -> Reactions:
    """Return *reactions* if they make sense for a node that is good.

    Raises:
        ValueError: one of them would take the node out of service.
    """
    if reactions.drain or reactions.reserve:
        raise ValueError(
            "a good node must stay in service; drain and reserve belong in failure_reactions"
        )
    return reactions
