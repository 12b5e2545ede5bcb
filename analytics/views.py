"""Which views and tables a question is made of, so that an engine makes no others first."""

import functools
import re
from collections.abc import Collection
from pathlib import Path

VIEWS = ("history", "status", "visits", "runs", "reactions")
"""Each in sql/, and each made of the ones before it and of the tables."""

_SQL = Path(__file__).parent / "sql"
_ANY = re.compile(r"\b(?:system|information_schema|show|exists)\b", re.IGNORECASE)


@functools.cache
def view(name: str) -> str:
    """Return the statement that makes view *name*."""
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8")


def mentioned(sql: str, tables: Collection[str]) -> list[str]:
    """Return the *tables* and views that *sql* is made of, each after those it needs itself.

    All of them where it names none, or asks what there is.
    """
    words = set(re.findall(r"\w+", sql))
    if _ANY.search(sql) or words.isdisjoint({*tables, *VIEWS}):
        return [*tables, *VIEWS]
    for name in reversed(VIEWS):
        if name in words:
            words.update(re.findall(r"\w+", view(name)))
    return [name for name in (*tables, *VIEWS) if name in words]
