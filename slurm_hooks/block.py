"""One marked block in a table that belongs to a person: found, put in, taken out. Pure."""

from slurm_hooks.errors import ScheduleError

DISABLED = "#DISABLED: "
"""What Slurm puts before the lines of an entry whose job was cancelled (scrontab(1))."""


def begin(name: str) -> str:
    """Return the line before the block of cluster *name*."""
    return f"# BEGIN cluster-doctor {name}"


def end(name: str) -> str:
    """Return the line after it."""
    return f"# END cluster-doctor {name}"


def block(table: str, name: str) -> str | None:
    """Return what stands in the block, or None where there is none.

    Raises:
        ScheduleError: its marks are not one pair.
    """
    lines = table.splitlines(keepends=True)
    found = _find(lines, name)
    return None if found is None else "".join(lines[found[0] + 1 : found[1]])


def with_block(table: str, name: str, body: str) -> str:
    """Return *table* with *body* in its block, which is added at the end where there is none.

    Raises:
        ScheduleError: as `block`.
    """
    made = f"{begin(name)}\n{body.rstrip()}\n{end(name)}\n"
    lines = table.splitlines(keepends=True)
    found = _find(lines, name)
    if found is not None:
        return "".join([*lines[: found[0]], made, *lines[found[1] + 1 :]])
    return f"{table}\n{made}" if table and not table.endswith("\n") else table + made


def without_block(table: str, name: str) -> str:
    """Return *table* without the block; every other line stays as it is.

    Raises:
        ScheduleError: as `block`.
    """
    lines = table.splitlines(keepends=True)
    found = _find(lines, name)
    return table if found is None else "".join([*lines[: found[0]], *lines[found[1] + 1 :]])


def _find(lines: list[str], name: str) -> tuple[int, int] | None:
    """Return the indices of the block's two marks."""
    marks = [
        (number, text)
        for number, line in enumerate(lines)
        if (text := line.strip().removeprefix(DISABLED)) in {begin(name), end(name)}
    ]
    if not marks:
        return None
    if [text for _, text in marks] != [begin(name), end(name)]:
        numbers = ", ".join(str(number + 1) for number, _ in marks)
        raise ScheduleError(
            f"the marks of cluster-doctor's block are not one pair (lines {numbers}): "
            f"leave one {begin(name)!r} and one {end(name)!r} after it, or none"
        )
    return marks[0][0], marks[1][0]
