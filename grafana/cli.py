"""The command for Grafana's files: dashboards build."""

from pathlib import Path

import click


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
    help="Below which proven share of a cluster an alert rings.",
)  # fmt: skip
@click.pass_context
def build(context: click.Context, *, check: bool, into: Path | None, coverage_goal: float) -> None:
    """Write dashboards and alert rules as files; those that are as they should be stay."""
    from grafana import build as builder  # noqa: PLC0415 loads Grafana's SDK

    directory, texts = into or builder.HOME, builder.made(coverage_goal=coverage_goal)
    said = builder.problems(directory, texts) if check else builder.build(directory, texts)
    for line in said:
        click.echo(line)
    if check and any(builder.differences(directory, texts)):
        click.echo("cluster-doctor dashboards build writes them anew", err=True)
    if check and said:
        context.exit(1)
    click.echo(f"{len(texts)} files, {len(said)} written" if not check else "all as built")
