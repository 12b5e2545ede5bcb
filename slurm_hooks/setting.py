"""One value of the settings file: what every table of it checks alike."""

import re
from datetime import timedelta
from pathlib import Path

from slurm_hooks.duration import format_duration, parse_duration
from slurm_hooks.errors import ConfigError


def name(path: Path, key: str, text: str) -> str:
    """Return *text*, a plain name.

    Raises:
        ConfigError: it is none.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}", text):
        raise ConfigError(f"{path}: {key}: {text!r} is not a plain name of at most 64 characters")
    return text


def absolute(path: Path, key: str, text: str) -> Path:
    """Return *text* as an absolute path.

    Raises:
        ConfigError: it is none.
    """
    found = Path(text)
    if not found.is_absolute() or "\n" in text or "\0" in text:
        raise ConfigError(f"{path}: {key}: {text!r} is not an absolute path")
    return found


def duration(path: Path, key: str, text: str, least: timedelta = timedelta(minutes=1)) -> timedelta:
    """Return the length of time that *text* says, *least* or more.

    Raises:
        ConfigError: it says none, or too little.
    """
    try:
        length = parse_duration(text)
    except ValueError as error:
        raise ConfigError(f"{path}: {key}: {error}") from error
    if length < least:
        raise ConfigError(f"{path}: {key}: {text!r} is less than {format_duration(least)}")
    return length
