"""What is typed after an option, read into values, or the mistake named."""

from collections.abc import Sequence
from datetime import UTC, datetime

import click

from slurm_hooks.decode import nearest
from slurm_hooks.outcome import Outcome


class NodeList(click.ParamType[tuple[str, ...]]):
    """Nodes as Slurm writes them: n1,n[3-5]."""

    name = "nodes"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the nodes' names in natural order."""
        if isinstance(value, tuple):
            return value
        text = str(value)
        if not set(text) & set("[]@!&^ "):
            return tuple(name for name in text.split(",") if name)
        from analytics.hostlist import expand  # noqa: PLC0415 takes 50 ms; few need it

        try:
            return tuple(expand(text))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


class Names(click.ParamType[tuple[str, ...]]):
    """Names with commas between them."""

    name = "names"

    def convert(
        self, value: object, _param: click.Parameter | None, _ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the names in *value*."""
        if isinstance(value, tuple):
            return value
        return tuple(part.strip() for part in str(value).split(",") if part.strip())


class Words(Names):
    """Some of a few known words with commas between them, in any case."""

    def __init__(self, noun: str, known: Sequence[str], shown: Sequence[str] = ()) -> None:
        """Take the words *known*; where one is wrong, *shown* or all of them are listed."""
        self.name = f"{noun}s"
        self._noun, self._known, self._shown = noun, known, shown or known

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the words in *value*, or say which there are."""
        found = tuple(name.lower() for name in super().convert(value, param, ctx))
        for name in found:
            if name not in self._known:
                hint = nearest(name, self._known)
                there = ", ".join(self._shown)
                self.fail(f"{name!r} is no {self._noun}{hint}; there are {there}.", param, ctx)
        return found


class JobIds(Names):
    """Ids of Slurm jobs with commas between them."""

    name = "jobs"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """Return the ids in digits."""
        found = super().convert(value, param, ctx)
        for name in found:
            if not name.isascii() or not name.isdigit():
                self.fail(f"{name!r} is no job's id; write it like 4711.", param, ctx)
        return tuple(str(int(name)) for name in found)


class Outcomes(Words):
    """Outcomes with commas between them, in any case."""

    def __init__(self) -> None:
        super().__init__("outcome", [outcome.value for outcome in Outcome])


class Moment(click.ParamType[datetime]):
    """A time in one of sacct's forms."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the moment in UTC."""
        if isinstance(value, datetime):
            return value
        from analytics.timeform import parse_time  # noqa: PLC0415 many patterns; few need it

        try:
            return parse_time(str(value), now=datetime.now(UTC))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)
