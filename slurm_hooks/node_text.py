"""Makes text that Slurm keeps unchanged as a node's reason or comment."""

from slurm_hooks.oneline import one_line

ACCOUNTING_LIMIT = 255
"""Characters of a reason that slurmdbd keeps; slurmctld itself kept 100,000 (22.05)."""


def safe_text(text: str, limit: int) -> str:
    """Return *text* on one line of at most *limit* characters, as scontrol gives it back.

    Whatever a program printed: control characters, line ends, bytes that were no text and
    runs of blanks become one blank each, since a line end tears Slurm's output, and a byte
    that is no UTF-8 cannot be compared again. A double quote becomes a single one: scontrol
    takes one from either end of a reason, and leaves those of a comment (22.05). Everything
    else came back byte for byte as an argument of scontrol, brackets, equal signs, backslashes,
    ``#``, ``;``, ``%s`` and UTF-8 among it. Not so through its standard input: blanks need
    quotes there, and in a comment these stay.

    Safe text stays as it is when it is made safe again. It may be empty, which no reason may be.
    """
    quoted = text.replace('"', "'")
    return one_line(quoted, limit) if limit >= 3 else one_line(quoted)[:limit].rstrip()
