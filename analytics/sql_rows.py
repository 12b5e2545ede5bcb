"""The answer to SQL as fields and rows that can be shown, and its errors for people. Pure."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from operator import itemgetter

from analytics.answer import Answer, plain_kind
from analytics.fields import Chosen, Field, local_time, pairs
from slurm_hooks.decode import nearest

Row = tuple[object, ...]


def columns(answer: Answer) -> list[Chosen[Row]]:
    """Return how each column of *answer* is shown; numbers are aligned to the right."""
    return [_chosen(n, *one) for n, one in enumerate(zip(answer.names, answer.kinds, strict=True))]


def _chosen(number: int, name: str, kind: str) -> Chosen[Row]:
    found = _kind(kind)
    value: Callable[[Row], object] = itemgetter(number)
    field = Field(
        name=name,
        meaning=kind,
        value=value,
        text=_TEXTS.get(found, _text),
        kind=found,
        flexible=found is str,
        right=found in (int, float),
    )
    return Chosen(field=field, right=field.right)


def _kind(kind: str) -> type:
    """Return which Python type the values of a column of ClickHouse's type *kind* have."""
    name = plain_kind(kind)
    if name.startswith(("Int", "UInt")) and "Interval" not in name:
        return int
    if name.startswith("Map"):
        return dict if re.search(r", (?:Nullable\()?(?:Float|U?Int|Decimal)", kind) else str
    if name == "Array":
        return list if re.search(r"Array\((?:LowCardinality\()?String", kind) else str
    return _KINDS.get(name, str)


_KINDS: Mapping[str, type] = {
    "Float32": float,
    "Float64": float,
    "Decimal": float,
    "Bool": bool,
    "Date": date,
    "Date32": date,
    "DateTime": datetime,
    "DateTime64": datetime,
}


def _text(value: object) -> str:
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def _boolean(value: object) -> str:
    return "true" if value else "false"


_TEXTS: Mapping[type, Callable[[object], str]] = {
    datetime: local_time,
    dict: pairs,
    bool: _boolean,
}


def hint(message: str, known: Sequence[str]) -> str:
    """Return ClickHouse's *message*, with the nearest of *known* where it suggests nothing.

    What it was asked to format and in which database is not the asker's concern, and what
    could stand at the place of a mistake is too much for a line.
    """
    short = re.sub(r":? In scope SELECT formatQuerySingleLine.*", "", message)
    short = re.sub(r"\bstore_[0-9a-f]+\.", "", short)
    short = re.sub(r"Expected one of: .*", "", short).strip(" .:")
    found = re.search(r"Unknown table expression identifier '([^']*)'", short)
    if found and "Maybe you meant" not in short:
        short += nearest(found[1], known) or f"; there are {', '.join(known)}"
    return short
