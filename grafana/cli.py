"""The command for Grafana's files: dashboards build."""

import math
from pathlib import Path

import click


def _number(_context: click.Context, _option: click.Parameter, value: float) -> float:
    if math.isnan(value):  # which is outside of no range
        raise click.BadParameter("nan is not in the range 0<x<=1.")
    return value


@click.group(short_help="Build the Grafana dashboards and alert rules.")
def dashboards() -> None:
    """Build what Grafana is given: dashboards and alert rules, from the code that describes them.

    What is built already lies beside this program; `docs/dashboards.md` says how Grafana gets it.
    """


@dashboards.command()
@click.option(
    "--check",
    is_flag=True,
    help="Write nothing; exit 1 where a file differs, or a dashboard has a fault.",
)
@click.option(
    "--into", type=click.Path(file_okay=False, path_type=Path),
    help="The directory; as built, the one where this program has them.",
)  # fmt: skip
@click.option(
    "--coverage-goal", type=click.FloatRange(0, 1, min_open=True), default=0.9, show_default=True,
    callback=_number, help="Below which proven share of a cluster an alert rings.",
)  # fmt: skip
@click.pass_context
def build(context: click.Context, *, check: bool, into: Path | None, coverage_goal: float) -> None:
    """Write dashboards and alert rules as files; those that are as they should be stay.

    What else is in the directory stays too, but for other dashboards in its `generated`.
    """
    from grafana import build as builder  # noqa: PLC0415 loads Grafana's SDK

    directory, texts = into or builder.HOME, builder.made(coverage_goal=coverage_goal)
    said = builder.problems(directory, texts) if check else builder.build(directory, texts)
    for line in said:
        click.echo(line)
    if check and any(builder.differences(directory, texts)):
        click.echo("the same without --check puts that right", err=True)
    if check and said:
        context.exit(1)
    click.echo(f"{len(texts)} files, {len(said)} written" if not check else "all as built")
