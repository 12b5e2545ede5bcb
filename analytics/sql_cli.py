"""The command that answers SQL: one statement, which can only read the history."""

import sys
from pathlib import Path

import click

from analytics.answer import Answer, quoted
from analytics.ask import interruptible, nothing_yet, warn
from analytics.guard import why_not
from analytics.options import Shown, presentation_of_answers
from analytics.present import show
from analytics.sql_rows import columns, hint
from analytics.store import Store, open_store
from analytics.views import VIEWS
from slurm_hooks.cli import App
from slurm_hooks.errors import StoreError

_MOST = 1_000_000


@click.command(short_help="Ask the history in SQL; nothing can be changed.")
@click.argument("statement", required=False, metavar="[SQL]")
@click.option(
    "-f",
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Read the statement from there.",
)
@click.option("--tables", is_flag=True, help="List what can be asked: each view and its columns.")
@presentation_of_answers
@click.pass_obj
def sql(app: App, *, statement: str | None, path: Path | None, tables: bool, shown: Shown) -> None:
    """Answer one statement of ClickHouse's SQL about the history's views: SELECT, WITH, EXPLAIN,
    DESCRIBE, SHOW, EXISTS. - reads it from standard input.

    It is run in a read-only mode, and refused where it would write a file or reach anything
    but the history. The views hold every cluster of the history. Times are local in tables.
    """
    if sum((statement is not None, path is not None, tables)) != 1:
        raise click.UsageError("give SQL, or - to read it from standard input, --file or --tables.")
    asked = _tables() if tables else _read(statement, path)
    if nothing_yet(app):
        warn("nothing was ever recorded, so there is nothing to ask; sweeps do that")
        return
    store = open_store(app.settings)
    with interruptible():
        found = _answer(store, asked) if tables else ask_read_only(store, asked)
    for line in store.refused:
        warn(line)
    show(columns(found), found.rows, shown)


def _tables() -> str:
    views = ", ".join(map(quoted, VIEWS))
    return (
        "SELECT table AS view, name AS column, type FROM system.columns "  # noqa: S608 ours
        f"WHERE database = currentDatabase() AND table IN ({views}) "
        f"ORDER BY indexOf([{views}], table), position"
    )


def ask_read_only(store: Store, statement: str) -> Answer:
    """Return the answer to a *statement* of anybody's.

    Raises:
        click.UsageError: it is more than one, or would do more than read the history.
        StoreError: it is wrong, or the history does not answer.
    """
    written = f"SELECT formatQuerySingleLine({quoted(statement)}), "
    functions = "(SELECT groupArray(name) FROM system.table_functions)"
    ((normal, known),) = _answer(store, written + functions).rows
    reason = why_not(str(normal), known if isinstance(known, list) else ())
    if reason:
        raise click.UsageError(f"{reason}.")
    return _answer(store, str(normal))


def _answer(store: Store, statement: str) -> Answer:
    try:
        return store.answer(statement)
    except StoreError as error:
        raise StoreError(hint(str(error), VIEWS)) from error


def _read(statement: str | None, path: Path | None) -> str:
    """Return the statement; from standard input and files, UTF-8."""
    try:
        if path is not None:
            with path.open("rb") as file:
                data = file.read(_MOST + 1)
        elif statement == "-":
            data = sys.stdin.buffer.read(_MOST + 1)
        else:
            data = (statement or "").encode(errors="surrogateescape")
        if len(data) > _MOST:
            raise click.UsageError(f"a statement has at most {_MOST:,} bytes.")
        text = data.decode().strip()
    except OSError as error:
        raise click.UsageError(f"{path}: cannot read it: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise click.UsageError("the statement is not UTF-8.") from error
    if not text:
        raise click.UsageError("the statement is empty.")
    return text
