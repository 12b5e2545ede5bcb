"""The options that the tables share with sacct(1)."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import click

from analytics.option_types import Names, NodeList, Outcomes
from analytics.output import Form


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

    fields: str | None = None
    everything: bool = False
    helpformat: bool = False
    header: bool = True
    form: Form = Form.TABLE
    delimiter: str = "|"
    file: str = ""
    """Where Parquet goes; - is standard output."""
    colour: str = "auto"


AS_TABLE = Shown()
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


def of_clusters(alone: str = "") -> Callable[[Callable[..., object]], Callable[..., object]]:
    """Return what adds sacct's options that choose clusters; a command gets them as ``clusters``.

    None is the settings' own cluster, and an empty tuple all of them. Where there can be no
    other, *alone* says so in the help.
    """
    note = f"; {alone}" if alone else ""

    def add(command: Callable[..., object]) -> Callable[..., object]:
        @click.option(
            "-L", "--allclusters", is_flag=True, help=f"All clusters of the history{note}."
        )
        @click.option(
            "-M",
            "--clusters",
            "--cluster",
            "names",
            type=Names(),
            default=(),
            help=f"Only these clusters; all means each{note}.",
        )
        @functools.wraps(command)
        def chosen(
            *args: object, allclusters: bool, names: tuple[str, ...], **rest: object
        ) -> object:
            every = allclusters or "all" in names
            return command(*args, clusters=() if every else names or None, **rest)

        return chosen

    return add


def alone(wanted: tuple[str, ...] | None, cluster: str, remedy: str) -> None:
    """End the command where other clusters are *wanted* than *cluster*, which is all it knows."""
    others = [name for name in wanted or () if name != cluster]
    if others:
        raise click.UsageError(
            f"this is of cluster {cluster} alone, and not of {', '.join(others)}; {remedy}."
        )


fingers = click.option(
    "-X",
    "--allocations",
    is_flag=True,
    expose_value=False,
    help="As in sacct; there are no steps.",
)
"""What is typed out of habit, and changes nothing."""

nobodys = click.option(
    "-a",
    "--allusers",
    is_flag=True,
    expose_value=False,
    help="As in sacct; results are no user's.",
)
"""Another, where -a is free."""


def presentation(command: Callable[..., object]) -> Callable[..., object]:
    """Add the options that choose what is shown; *command* gets them as ``shown``."""
    return _fields(_forms(command, "-p", "--parsable"))


def presentation_beside_p(command: Callable[..., object]) -> Callable[..., object]:
    """Add the same where -p is a partition, as in sinfo(1)."""
    return _fields(_forms(command, "--parsable"))


def presentation_of_answers(command: Callable[..., object]) -> Callable[..., object]:
    """Add the same but for those that choose fields, where the question has done that."""
    return _forms(command, "-p", "--parsable")


def _fields(command: Callable[..., object]) -> Callable[..., object]:
    @click.option(
        "-o",
        "--format",
        "fields",
        metavar="FIELDS",
        help="Show these fields: node,outcome%12,detail%-40. %N is a width, %-N aligns left.",
    )
    @click.option("-l", "--long", "everything", is_flag=True, help="Show every field.")
    @click.option("-e", "--helpformat", is_flag=True, help="List the fields and exit.")
    @functools.wraps(command)
    def presented(
        *args: object,
        fields: str | None,
        everything: bool,
        helpformat: bool,
        **rest: object,
    ) -> object:
        shown = Shown(fields=fields, everything=everything, helpformat=helpformat)
        return command(*args, shown=shown, **rest)

    return presented


def _forms(command: Callable[..., object], *names_of_parsable: str) -> Callable[..., object]:
    @click.option("-n", "--noheader", is_flag=True, help="Leave the titles out.")
    @click.option(*names_of_parsable, is_flag=True, help="Fields between |, and one at the end.")
    @click.option("-P", "--parsable2", is_flag=True, help="Fields between |, none at the end.")
    @click.option(
        "--delimiter", default="|", metavar="TEXT", help="What stands there in place of |."
    )
    @click.option("--json", is_flag=True, help="An array of objects; times in UTC.")
    @click.option("--csv", is_flag=True, help="Comma-separated values; times in UTC.")
    @click.option(
        "--parquet",
        "file",
        metavar="FILE",
        default="",
        help="Write FILE, with a type to each column; times in UTC. - is standard output.",
    )
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
        shown: Shown = AS_TABLE,
        noheader: bool,
        parsable: bool,
        parsable2: bool,
        delimiter: str,
        json: bool,
        csv: bool,
        file: str,
        color: str,
        **rest: object,
    ) -> object:
        asked = {
            Form.PARSABLE: parsable,
            Form.PARSABLE2: parsable2,
            Form.JSON: json,
            Form.CSV: csv,
            Form.PARQUET: bool(file),
        }
        form, header = _form(asked), not noheader
        shown = replace(
            shown, header=header, form=form, delimiter=delimiter, file=file, colour=color
        )
        return command(*args, shown=shown, **rest)

    return presented


def _form(asked: Mapping[Form, bool]) -> Form:
    found = [one for one, wanted in asked.items() if wanted]
    if len(found) > 1:
        raise click.UsageError(
            "choose one of --parsable, --parsable2, --json, --csv and --parquet."
        )
    return found[0] if found else Form.TABLE
