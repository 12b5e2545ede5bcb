"""Expands the variables in a panel's SQL, as the front end of Grafana's ClickHouse plugin does.

`$__conditionalAll` first (`CHDatasource.applyConditionalAll`), then variables (@grafana/scenes).
What it would leave as it stands, and ClickHouse then refuses, is a MacroError here.
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

ALL = "$__all"
"""The value of a variable for which All is chosen."""

Value = str | Sequence[str]

_CONDITIONAL = "$__conditionalAll("
_BARE = re.compile(r"(?<=\$\{)\w+(?=\})|(?<=\$)\w+")
_VARIABLE = re.compile(
    r"\$(?P<bare>\w+)|\[\[(?P<square>\w+?)(?::(?P<square_form>\w+))?\]\]"
    r"|\$\{(?P<curly>\w+)(?:\.(?P<path>[^:^\}]+))?(?::(?P<form>[^\}]+))?\}"
)
_JS_PATTERN = re.compile(r"\$[$&`']")


class MacroError(ValueError):
    """A text that Grafana would not expand, or not as it was meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a reader looks at: the time, and what is chosen in each variable."""

    since: datetime
    until: datetime
    interval_ms: int
    chosen: Mapping[str, Value]
    """By the variable's name: one value, several, or ALL."""
    offered: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """What each variable lists: what ALL stands for."""
    scoped: Mapping[str, str] = field(default_factory=dict)
    """Of a panel that is repeated: the variable's value for this one of them."""


def substitute(sql: str, shown: Shown, macros: Collection[str]) -> str:
    """Return *sql* with all but the back end's *macros* in their place. Raises MacroError."""
    conditions = _conditional(sql, shown)
    _refuse_unknown(conditions, shown, macros)
    return _VARIABLE.sub(lambda found: _value(found, shown), conditions)


def _conditional(sql: str, shown: Shown) -> str:
    """Return *sql* with each condition, or 1=1 where everything is chosen.

    What is chosen is the dashboard's word: that of a repeated panel does not count.
    """
    while (start := sql.rfind(_CONDITIONAL)) >= 0:
        found = _front_arguments(sql, start + len(_CONDITIONAL) - 1)
        if found is None or len(found[0]) != 2:
            raise MacroError(f"$__conditionalAll takes a condition and a variable: {sql[start:]}")
        (condition, of), end = found
        name = _BARE.search(of)
        if name is None or name[0] not in shown.chosen:
            raise MacroError(f"$__conditionalAll knows no variable{of}")
        if _JS_PATTERN.search(condition):
            raise MacroError(f"JavaScript reads a $ in {condition} as something else")
        value = shown.chosen[name[0]]
        everything = (value if isinstance(value, str) else ",".join(value)) in {"", ALL}
        sql = sql[:start] + ("1=1" if everything else condition) + sql[end:]
    return sql


def _front_arguments(sql: str, opening: int) -> tuple[list[str], int] | None:
    """Return what is between the bracket at *opening* and its own, by commas, and where it ends.

    Brackets and commas count within quotes, too: so the plugin has it.
    """
    found, depth, begin = [], 0, opening + 1
    for place in range(opening, len(sql)):
        mark = sql[place]
        depth += {"(": 1, ")": -1}.get(mark, 0)
        if depth == 0 or (mark == "," and depth == 1):
            found.append(sql[begin:place])
            begin = place + 1
        if depth == 0:
            return found, begin
    return None


def _refuse_unknown(sql: str, shown: Shown, macros: Collection[str]) -> None:
    """Raise MacroError where *sql* has a variable or a macro that nobody knows."""
    for found in _VARIABLE.finditer(sql):
        name = found["bare"] or found["square"] or found["curly"]
        known = name in shown.chosen or name in shown.scoped or name in _GLOBALS
        macro = found["bare"] and name.removeprefix("__") in macros and name.startswith("__")
        if found["path"] or not (known or macro):
            raise MacroError(f"nothing is known as {found[0]}")


def _value(found: re.Match[str], shown: Shown) -> str:
    name = found["bare"] or found["square"] or found["curly"]
    form = found["form"] or found["square_form"] or ""
    if name in _GLOBALS:
        return _GLOBALS[name](shown, form)
    if name in shown.scoped:
        return formatted(name, shown.scoped[name], form)
    if name not in shown.chosen:
        return found[0]
    value = shown.chosen[name]
    if form != "queryparam" and value in (ALL, [ALL], (ALL,)):
        value = tuple(shown.offered.get(name, ()))
    return formatted(name, value, form)


def formatted(name: str, value: Value, form: str) -> str:
    """Return *value* of variable *name* as ``${name:form}`` gives it. Raises MacroError."""
    several = [value] if isinstance(value, str) else list(value)
    match form:
        case "singlequote":
            return ",".join("'" + one.replace("'", "\\'") + "'" for one in several)
        case "queryparam":
            return "&".join(f"var-{name}={quote(one, safe='$-_.~')}" for one in several)
        case "sqlstring":
            pairs = {"'": "''", '"': '\\"'}
            return ",".join("'" + re.sub("['\"]", lambda m: pairs[m[0]], one) + "'"
                            for one in several)  # fmt: skip
        case "raw" | "csv":
            return ",".join(several)
        case "":
            return value if isinstance(value, str) else "'" + "','".join(value) + "'"
        case _:
            raise MacroError(f"the form {form} of {name} is not known here")


def _time(time: datetime, form: str) -> str:
    match form:
        case "":
            return str(milliseconds(time))
        case "date" | "date:iso":
            return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case "date:seconds":
            return str(round(milliseconds(time) / 1000))
        case _:
            raise MacroError(f"the form {form} of a time is not known here")


def milliseconds(time: datetime) -> int:
    """Return *time* as JavaScript has it."""
    return round(time.timestamp() * 1000)


_GLOBALS: Mapping[str, Callable[[Shown, str], str]] = {
    "__from": lambda shown, form: _time(shown.since, form),
    "__to": lambda shown, form: _time(shown.until, form),
}
