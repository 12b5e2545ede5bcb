"""Which views and tables a question is made of, so that an engine makes no others first."""

import functools
import re
from collections.abc import Collection, Mapping
from pathlib import Path

VIEWS = ("history", "status", "visits", "runs", "reactions", "sweeps", "nodes", "coverage")
"""Each in sql/, and each made of the ones before it and of the tables."""

_SQL = Path(__file__).parent / "sql"
_WORD = re.compile(r"\w+")
_SOURCE = re.compile(r"\b(?:FROM|JOIN)\s+(\w+)")
"""What a view of ours is made of; `nodes` is a column, too."""

_ANY = re.compile(r"\b(?:show|exists|columns)\b", re.IGNORECASE)


@functools.cache
def view(name: str) -> str:
    """Return the statement that makes view *name*."""
    return (_SQL / f"{name}.sql").read_text(encoding="utf-8")


def mentioned(sql: str, tables: Collection[str], views: Mapping[str, str]) -> list[str]:
    """Return the *tables* and *views* that *sql* is made of, each after those it needs itself.

    A view is made of tables and of views before it. All of them where *sql* names none, or
    asks what there is.
    """
    wanted = {*tables, *views} & set(_WORD.findall(sql))
    if _ANY.search(sql) or not wanted:
        return [*tables, *views]
    for name in reversed([*views]):
        if name in wanted:
            wanted.update(_SOURCE.findall(views[name]))
    return [name for name in (*tables, *views) if name in wanted]
