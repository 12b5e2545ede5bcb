"""From rows to the terminal: what every command that lists something does."""

from collections.abc import Sequence

import click

from analytics.fields import Chosen, Field, T, choose, chosen
from analytics.options import Shown
from analytics.output import Form, lines, screen

_FOR_PROGRAMS = (Form.JSON, Form.CSV, Form.PARQUET)


def columns_for(fields: Sequence[Field[T]], usual: str, shown: Shown) -> list[Chosen[T]]:
    """Return what *shown* asks for: its own fields, else *usual*, to programs everything.

    Ends the command where the fields were to be listed.

    Raises:
        click.BadParameter: there is no such field.
    """
    if shown.helpformat:
        _list(fields)
    if shown.fields is None:
        every = " ".join(field.name for field in fields if not field.for_people)
        return chosen(every if shown.everything or shown.form in _FOR_PROGRAMS else usual, fields)
    try:
        return choose(shown.fields, fields)
    except ValueError as error:
        raise click.BadParameter(f"{error}.", param_hint="--format") from error


def _list(fields: Sequence[Field[T]]) -> None:
    width = max(len(field.name) for field in fields)
    for field in fields:
        known = f" (sacct: {', '.join(field.aliases)})" if field.aliases else ""
        click.echo(f"{field.name:<{width}}  {field.meaning}{known}")
    click.get_current_context().exit()


def show(columns: Sequence[Chosen[T]], rows: Sequence[T], shown: Shown) -> None:
    """Print *rows* as *shown* asks, at once; or write the file that it asks for.

    Raises:
        ClusterDoctorError: the file cannot be written.
    """
    if shown.form is Form.PARQUET:
        from analytics.parquet import write  # noqa: PLC0415 loads Polars

        write(columns, rows, shown.file)
        return
    on = screen(shown.colour)
    form, delimiter = shown.form, shown.delimiter
    found = [*lines(columns, rows, form, on, header=shown.header, delimiter=delimiter)]
    if found:
        click.echo("\n".join(found), color=on.colour)
