"""The command for the store of the history: store init, migrate, check, export, import."""

import shutil
import sys
from datetime import UTC, datetime

import click

from analytics.ask import warn
from slurm_hooks.account import as_service
from slurm_hooks.cli import App
from slurm_hooks.errors import ConfigError
from slurm_hooks.settings import Settings


@click.group(short_help="Keep the history in a ClickHouse server, or look at where it is.")
def store() -> None:
    """Make the tables of a ClickHouse server, look at the store, copy the history.

    Without store.url in the settings the history is in the state directory, and needs none of it.
    """


@store.command()
@click.pass_obj
def init(app: App) -> None:
    """Make database, tables and views in the server that the settings name."""
    from analytics import migration  # noqa: PLC0415 a server is rare
    from analytics.server import Server  # noqa: PLC0415 as above

    settings = app.settings
    if _needs_nothing(settings):
        return
    outside = Server(settings.store, database="")
    migration.make_database(outside)
    outside.close()
    _migrate(settings)


@store.command()
@click.pass_obj
def migrate(app: App) -> None:
    """Bring tables and views to what this cluster-doctor knows; run it after each update."""
    if not _needs_nothing(app.settings):
        _migrate(app.settings)


@store.command()
@click.pass_obj
def check(app: App) -> None:
    """Say which store it is, what is in it, and what is wrong with it.

    Exit status 1 where something is, with what to do about it.
    """
    from analytics import store_facts  # noqa: PLC0415 loads the engine
    from analytics.server import Server  # noqa: PLC0415 a server is rare
    from analytics.store import embedded, open_store  # noqa: PLC0415 as above

    settings = app.settings
    if settings.store.embedded:
        facts = store_facts.embedded_facts(embedded(settings), app.state.history)
    else:
        facts = store_facts.server_facts(Server(settings.store), open_store(settings))
    wrong = 0
    for fact in facts:
        click.echo(f"{fact.name:<18}{fact.text}")
        wrong += fact.wrong
    if wrong:
        warn(f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong with the store")
        raise click.exceptions.Exit(1)


@store.command()
@click.pass_obj
def export(app: App) -> None:
    """Copy the history of the state directory to the server that the settings name.

    Killed or repeated, it goes on where it was, and doubles nothing. Sweeps may go on.
    """
    settings = _with_server(app.settings)
    as_service(settings, "store export")
    from analytics.clickhouse import ClickHouseStore  # noqa: PLC0415 a server is rare
    from analytics.store import embedded  # noqa: PLC0415 as above
    from analytics.transfer_out import export as work  # noqa: PLC0415 loads Polars

    refused = work(
        app.state,
        embedded(settings),
        ClickHouseStore(settings.store),
        retention=settings.store.retention,
        now=datetime.now(UTC),
        tell=_tell,
    )
    for line in refused:
        warn(line)
    click.echo(f"the history of {settings.state_dir} is in {settings.store.url}")


@store.command("import")
@click.pass_obj
def import_(app: App) -> None:
    """Copy the history of this cluster from the server into the state directory.

    Killed or repeated, it goes on where it was, and doubles nothing. Suspend sweeps meanwhile, or
    import again after the settings no longer name the server's url.
    """
    settings = _with_server(app.settings)
    as_service(settings, "store import")
    from analytics.clickhouse import ClickHouseStore  # noqa: PLC0415 a server is rare
    from analytics.store import embedded  # noqa: PLC0415 as above
    from analytics.transfer_in import import_ as work  # noqa: PLC0415 loads Polars

    work(
        settings,
        embedded(settings),
        ClickHouseStore(settings.store),
        now=datetime.now(UTC),
        tell=_tell,
    )
    click.echo(f"the history of {settings.cluster} is in {settings.state_dir}")


def _needs_nothing(settings: Settings) -> bool:
    """Say that there is nothing to make, where the history is in the state directory."""
    if settings.store.embedded:
        click.echo(f"the history is in {settings.state_dir}, and needs no tables made")
    return settings.store.embedded


def _with_server(settings: Settings) -> Settings:
    """Refuse to do what needs a server where the settings name none."""
    if settings.store.embedded:
        raise ConfigError(
            f"{settings.path}: store.url is empty: the history is in the state directory; "
            'for a server write url = "https://host:8443" in [store]'
        )
    return settings


def _migrate(settings: Settings) -> None:
    from analytics import migration  # noqa: PLC0415 a server is rare
    from analytics.server import Server  # noqa: PLC0415 as above

    server = Server(settings.store)
    for line in migration.migrate(server):
        click.echo(line)
    server.close()
    click.echo(f"{settings.store.url}: database {settings.store.database!r} is ready")


def _tell(table: str, done: int, total: int) -> None:
    """Say how far a copy is: a bar on a terminal, a line a table elsewhere."""
    if not sys.stderr.isatty():
        if done == total:
            click.echo(f"{table}: {total:,} rows", err=True)
        return
    filled = round(20 * done / max(1, total))
    bar = f"\r[{'#' * filled}{'.' * (20 - filled)}] {table}: {done:,} of {total:,} rows"
    width = shutil.get_terminal_size().columns
    click.echo(bar[:width].ljust(min(width, 60)), err=True, nl=done == total)
