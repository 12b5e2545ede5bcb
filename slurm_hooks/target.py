"""Whom to tell about a reaction, and how the text is made: a template's placeholders. Pure."""

import string
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from slurm_hooks.decode import nearest

PLACEHOLDERS = (
    "event", "cluster", "node", "check", "outcome", "detail", "text", "why", "reactions",
    "result", "batch", "notice", "at",
)  # fmt: skip
"""What a template may name; each is a key of the body that goes out without one, too."""

_DEEPEST = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A command that is run, or an address that is posted to: exactly one of them."""

    command: tuple[str, ...] | None = None
    webhook: str | None = None
    template: dict[str, object] | None = None
    """The JSON to send; its texts may hold {node}, {check} and the other placeholders."""

    @property
    def shown(self) -> str:
        """How messages name it: an address's path may be a secret, and stays out of them."""
        if self.command:
            return self.command[0]
        parts = urlsplit(self.webhook or "")
        return f"{parts.scheme}://{parts.hostname}"


def check_target(target: Target) -> None:
    """Refuse a target that cannot be told anything.

    Raises:
        ValueError: what is wrong, and how it is written.
    """
    if (target.command is None) == (target.webhook is None):
        raise ValueError("write exactly one of command and webhook")
    if target.command is not None:
        check_command(target.command)
    if target.webhook is not None:
        check_webhook(target.webhook)
    if target.template is not None:
        check_template(target.template)


def check_command(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Return *argv*, or raise ValueError where it names no program."""
    if not argv or not argv[0]:
        raise ValueError("names no program; write it like [/usr/local/bin/page, ops]")
    if any("\0" in one for one in argv):
        raise ValueError("holds a NUL, which no argument can")
    return argv


def check_webhook(text: str) -> str:
    """Return *text*, or raise ValueError where nothing can be posted there."""
    try:
        parts = urlsplit(text)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable, parts = False, urlsplit("")
    if not usable or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(f"{text!r} is not a web address; write it like https://host/path")
    if parts.username is not None:
        raise ValueError("an address with a user and password; let a command send those")
    return text


def check_template(template: Mapping[str, object]) -> Mapping[str, object]:
    """Return *template*, or raise ValueError where a placeholder in it is none."""
    _each(template, _DEEPEST)
    return template


def filled(template: Mapping[str, object], values: Mapping[str, str]) -> object:
    """Return *template* with every placeholder replaced; what stands in *values* stays text."""
    return _filled(template, values)


def _each(value: object, depth: int) -> None:
    if depth == 0:
        raise ValueError(f"is nested more than {_DEEPEST} times")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, Mapping):
        for one in value.values():
            _each(one, depth - 1)
    elif isinstance(value, list | tuple):
        for one in value:
            _each(one, depth - 1)
    elif not (value is None or isinstance(value, bool | int | float)):
        raise ValueError(f"{value!r} is not something that JSON can say; put it in quotes")


def _check_text(text: str) -> None:
    remedy = "write {{ and }} for braces that mean themselves"
    try:
        fields = list(string.Formatter().parse(text))
    except ValueError:
        raise ValueError(f"{text!r} has a brace without its partner; {remedy}") from None
    for _, name, form, conversion in fields:
        if name is not None and (name not in PLACEHOLDERS or form or conversion):
            known = nearest(name, PLACEHOLDERS) or f"; known are {', '.join(PLACEHOLDERS)}"
            raise ValueError(f"unknown placeholder {'{' + name + '}'}{known}; {remedy}")


def _filled(value: object, values: Mapping[str, str]) -> object:
    if isinstance(value, str):
        parts = string.Formatter().parse(value)
        return "".join(
            text + (values[name] if name is not None else "") for text, name, *_ in parts
        )
    if isinstance(value, Mapping):
        return {str(key): _filled(one, values) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_filled(one, values) for one in value]
    return value
