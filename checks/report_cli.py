"""The command that sums a history up: the fleet, a node or a check, as text, JSON or HTML."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from analytics.ask import warn
from analytics.option_types import Moment
from analytics.options import in_order
from slurm_hooks.cli import App
from slurm_hooks.errors import StoreError

if TYPE_CHECKING:
    from analytics.report import Report
    from analytics.report_question import Scope

_LOOKS_BACK = timedelta(days=90)
FLEET, NODE, CHECK = "fleet", "node", "check"
_HTML_MODE = 0o644


@click.command(short_help="Sum up the fleet, a node or a check: proofs, failures, regressions.")
@click.argument("kind", type=click.Choice([FLEET, NODE, CHECK]), default=FLEET)
@click.argument("name", required=False)
@click.option(
    "-S",
    "--starttime",
    type=Moment(),
    help=f"From then on; the last {_LOOKS_BACK.days} days by default. All of sacct's forms.",
)
@click.option("-E", "--endtime", type=Moment(), help="Up to then; what holds only now is left out.")
@click.option("--json", is_flag=True, help="One object with all rows; times in UTC.")
@click.option(
    "--html",
    "page",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a page with plots to this file; nothing else is needed to read it.",
)
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="auto: on a terminal, unless NO_COLOR is set.",
)
@click.pass_obj
def report(
    app: App,
    *,
    kind: str,
    name: str | None,
    starttime: datetime | None,
    endtime: datetime | None,
    json: bool,
    page: Path | None,
    color: str,
) -> None:
    """Sum up the fleet, or one node, or one check.

    \b
    report               coverage, what fails, flaps, gets slower, costs
    report node n012     its checks, its metrics among its peers', reactions
    report check storage its runs, why it did not pass, nodes that deviate

    The numbers, where they come from and the form of --json are in docs/report.md. Times are
    local, but in JSON.
    """
    if (kind == FLEET) != (name is None):
        raise click.UsageError(
            f"report {kind} needs the {kind}'s name."
            if name is None
            else "report fleet takes no name; say report node NAME or report check NAME."
        )
    if json and page:
        raise click.UsageError("choose one of --json and --html.")
    now = datetime.now(UTC)
    until = endtime or now
    since = starttime or until - _LOOKS_BACK
    in_order(since, until)
    from analytics.report_question import Scope  # noqa: PLC0415 beside what loads Polars

    scope = Scope(cluster=app.settings.cluster, since=since, until=until)
    made = _made(app, kind, name or "", scope, now=now, is_current=endtime is None)
    _written(made, page, color, json=json)


def _made(
    app: App, kind: str, name: str, scope: "Scope", *, now: datetime, is_current: bool
) -> "Report":
    """Return the report; Polars and the engine are loaded here and not before."""
    from checks import wiring  # noqa: PLC0415 --help need not wait for half a second
    from checks.reporting import Source  # noqa: PLC0415

    source = Source(app, wiring.catalogue(app.settings), now=now)
    if kind == NODE:
        made = source.node(scope, name)
    elif kind == CHECK:
        made = source.check(scope, name)
    else:
        made = source.fleet(scope, is_current=is_current)
    for line in source.warnings:
        warn(line)
    return made


def _written(made: "Report", page: Path | None, color: str, *, json: bool) -> None:
    if json:
        from analytics.report_json import as_json  # noqa: PLC0415 loads Polars

        click.echo(as_json(made))
    elif page:
        from analytics.report_html import html  # noqa: PLC0415 loads Polars
        from slurm_hooks.files import write_durably  # noqa: PLC0415

        try:
            write_durably(page, html(made).encode(), mode=_HTML_MODE)
        except OSError as error:
            raise StoreError(f"{page}: cannot write the report: {error.strerror}") from error
        click.echo(f"{page}: written", err=True)
    else:
        from analytics.output import screen  # noqa: PLC0415
        from analytics.report_text import text  # noqa: PLC0415 loads Polars

        on = screen(color)
        click.echo("\n".join(text(made, on)), color=on.colour)
