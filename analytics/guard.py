"""What of somebody else's SQL is run: one statement that reads the history and nothing else. Pure.

It judges a statement as ClickHouse itself writes it (formatQuerySingleLine), where no comment, no
escape and no second statement can hide anything. Behind it stands the engine's read-only mode,
which by itself would let a statement write a file (INTO OUTFILE) and read one (the function
`file`).
"""

import itertools
import re
from collections.abc import Collection, Sequence

_TOKEN = re.compile(
    r"'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\"|\w+|[^\w\s]", re.DOTALL
)

_VERBS = ("SELECT", "WITH", "EXPLAIN", "DESCRIBE", "SHOW", "EXISTS")
_SHOWN = ("TABLES", "COLUMNS", "CREATE")
_ELSEWHERE = ("system", "information_schema")

_HARMLESS = {
    "format", "generate_series", "generaterandom", "generateseries", "null", "numbers",
    "numbers_mt", "primes", "values", "view", "zeros", "zeros_mt",
}  # fmt: skip
"""Table functions that reach nothing outside of the statement."""

_REACHING = {"catboostevaluate", "file", "showcertificate"}
"""Functions that read files; those called ai... ask a service."""


def why_not(statement: str, table_functions: Collection[str]) -> str | None:
    """Return why *statement* is not run; None where it only reads the history.

    Of the engine's *table_functions* only those known to be harmless may be called, so that
    one that a later ClickHouse brings is refused until somebody has looked at it.
    """
    tokens = _TOKEN.findall(statement)
    words = [token.upper() for token in tokens]
    return (
        _not_a_question(words)
        or _written_elsewhere(words)
        or _in_a_form_of_its_own(words)
        or _reaching_out(tokens, {name.lower() for name in table_functions} - _HARMLESS)
    )


def _not_a_question(words: Sequence[str]) -> str | None:
    if not words or words[0] not in _VERBS:
        return "only SELECT, WITH, EXPLAIN, DESCRIBE, EXISTS and SHOW can be asked"
    if words[0] == "SHOW" and words[1] not in _SHOWN:
        return "of SHOW there are TABLES, COLUMNS and CREATE"
    return None


def _written_elsewhere(words: Sequence[str]) -> str | None:
    if ("INTO", "OUTFILE") in itertools.pairwise(words):
        return "INTO OUTFILE would write a file; use --csv, --parquet FILE or your shell's >"
    return None


def _in_a_form_of_its_own(words: Sequence[str]) -> str | None:
    for word, name, equals in zip(words, words[1:], words[2:], strict=False):
        if word == "SETTINGS" and equals == "=":
            return f"no settings can be changed; leave SETTINGS {name.lower()} out"
    if len(words) > 2 and words[-2] == "FORMAT":
        return "FORMAT is not for here; use -P, --json, --csv or --parquet FILE"
    return None


def _reaching_out(tokens: Sequence[str], sources: Collection[str]) -> str | None:
    for token, following in itertools.pairwise(tokens):
        name = token.strip('`"')
        low = name.lower()
        if following == "." and low in _ELSEWHERE:
            return f"{name} is not the history; --tables lists what is"
        if following == "(" and (low in sources or low in _REACHING or low.startswith("ai")):
            return f"the function {name} would reach outside of the history"
    return None
