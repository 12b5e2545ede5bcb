"""Makes one printable line of any text, whoever wrote it."""

LIMIT = 500


def one_line(text: str, limit: int = LIMIT) -> str:
    """Return *text* without control characters and line ends, cut to *limit* characters."""
    printable = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * limit])
    line = " ".join(printable.split())
    return line if len(line) <= limit else line[: limit - 3] + "..."
