"""The options that the tables share with sacct(1), read into values."""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import click

from analytics.output import Form
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which rows; an empty tuple means all."""

    nodes: tuple[str, ...]
    checks: tuple[str, ...]
    outcomes: tuple[str, ...]

    def takes(self, check: str, *ended: str) -> bool:
        """Whether it takes a row of *check* that any of *ended* says of how it went."""
        return (not self.checks or check in self.checks) and (
            not self.outcomes or any(outcome in self.outcomes for outcome in ended)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What is shown of the rows, and how."""

    fields: str | None
    helpformat: bool
    header: bool
    form: Form
    colour: str


AS_TABLE = Shown(fields=None, helpformat=False, header=True, form=Form.TABLE, colour="auto")
"""The usual."""


only_nodes = click.option(
    "-N", "--nodelist", type=NodeList(), default=(), help="Only these nodes: n1,n[3-5]."
)
"""The option that chooses nodes."""

only_checks = click.option(
    "-c",
    "--check",
    "checks",
    type=Names(),
    multiple=True,
    help="Only these checks; may be given again.",
)
"""The option that chooses checks."""


def in_order(starttime: datetime | None, endtime: datetime | None) -> None:
    """End the command where its window ends before it begins."""
    if starttime and endtime and starttime > endtime:
        raise click.UsageError("--starttime is after --endtime.")


def filters(command: Callable[..., object]) -> Callable[..., object]:
    """Add the options that choose rows; *command* gets them as ``only``."""

    @only_nodes
    @only_checks
    @click.option(
        "-s", "--state", type=Outcomes(), default=(), help="Only these outcomes: fail,warn."
    )
    @functools.wraps(command)
    def filtered(
        *args: object,
        nodelist: tuple[str, ...],
        checks: tuple[tuple[str, ...], ...],
        state: tuple[str, ...],
        **rest: object,
    ) -> object:
        only = Filter(
            nodes=nodelist, checks=tuple(name for part in checks for name in part), outcomes=state
        )
        return command(*args, only=only, **rest)

    return filtered


def presentation(command: Callable[..., object]) -> Callable[..., object]:
    """Add the options that choose what is shown; *command* gets them as ``shown``."""
    return _presentation(command, "-p", "--parsable")


def presentation_beside_p(command: Callable[..., object]) -> Callable[..., object]:
    """Add the same where -p is a partition, as in sinfo(1)."""
    return _presentation(command, "--parsable")


def _presentation(command: Callable[..., object], *names_of_parsable: str) -> Callable[..., object]:
    @click.option(
        "-o",
        "--format",
        "fields",
        metavar="FIELDS",
        help="Show these fields: node,outcome%12,detail%-40. %N is a width, %-N aligns left.",
    )
    @click.option("-e", "--helpformat", is_flag=True, help="List the fields and exit.")
    @click.option("-n", "--noheader", is_flag=True, help="Leave the titles out.")
    @click.option(*names_of_parsable, is_flag=True, help="Fields between |, and one at the end.")
    @click.option("-P", "--parsable2", is_flag=True, help="Fields between |, none at the end.")
    @click.option("--json", is_flag=True, help="An array of objects; times in UTC.")
    @click.option("--csv", is_flag=True, help="Comma-separated values; times in UTC.")
    @click.option(
        "--color",
        type=click.Choice(["auto", "always", "never"]),
        default="auto",
        show_default=True,
        help="auto: on a terminal, unless NO_COLOR is set.",
    )
    @functools.wraps(command)
    def presented(
        *args: object,
        fields: str | None,
        helpformat: bool,
        noheader: bool,
        parsable: bool,
        parsable2: bool,
        json: bool,
        csv: bool,
        color: str,
        **rest: object,
    ) -> object:
        wanted = _form(
            {Form.PARSABLE: parsable, Form.PARSABLE2: parsable2, Form.JSON: json, Form.CSV: csv}
        )
        shown = Shown(
            fields=fields,
            helpformat=helpformat,
            header=not noheader,
            form=wanted,
            colour=color,
        )
        return command(*args, shown=shown, **rest)

    return presented


def _form(asked: Mapping[Form, bool]) -> Form:
    found = [one for one, wanted in asked.items() if wanted]
    if len(found) > 1:
        raise click.UsageError("choose one of --parsable, --parsable2, --json and --csv.")
    return found[0] if found else Form.TABLE
