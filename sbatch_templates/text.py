"""Fills in templates whose placeholders are @name, so that they read like what they become."""

from pathlib import Path
from string import Template

_HERE = Path(__file__).parent


class _AtTemplate(Template):
    delimiter = "@"


def filled(name: str, **values: str) -> str:
    """Return template *name* of this room with *values* filled in."""
    text = (_HERE / name).read_text(encoding="utf-8")
    return _AtTemplate(text).substitute(values)
