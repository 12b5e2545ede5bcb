"""The numbered files and the views: what a server gets, and that it gets it whatever dies."""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from analytics import ddl, migration
from analytics.embedded import EmbeddedStore
from analytics.engine import NONE
from analytics.server import Server
from analytics.tables import TABLES, Table
from analytics.views import VIEWS
from slurm_hooks.errors import StoreError
from slurm_hooks.store_settings import StoreSettings
from tests.clickhouse import ClickHouse

HERE = Path(__file__).parent
PLAIN = StoreSettings(path=Path("/s"))
SPREAD = StoreSettings(path=Path("/s"), cluster="{cluster}", database="doctor")


@pytest.fixture(scope="module")
def store(clickhouse: ClickHouse) -> Iterator[StoreSettings]:
    with clickhouse.database() as made:
        yield made


@pytest.fixture(scope="module")
def server(clickhouse: ClickHouse, store: StoreSettings) -> Iterator[Server]:
    made = Server(store, environ=clickhouse.environ)
    yield made
    made.close()


def _plain(kind: object) -> str:
    """Return the type as tables.py writes it."""
    bare = re.sub(r"LowCardinality\(([^()]*)\)", r"\1", str(kind))
    return re.sub(r"\s+", " ", bare).replace("( ", "(")


def _columns(server: Server, name: str) -> dict[str, str]:
    return {
        str(column): _plain(kind)
        for column, kind, made in server.rows(
            "SELECT name, type, default_kind FROM system.columns WHERE table = {name:String} "
            "AND database = {database:String} ORDER BY position",
            {"name": name, "database": server.store.database},
        )
        if made != "MATERIALIZED"
    }


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_has_the_columns_of_its_rows_in_their_order(server: Server, table: Table) -> None:
    assert list(_columns(server, table.name).items()) == list(table.columns.items())


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_rows_of_one_thing_replace_each_other(server: Server, table: Table) -> None:
    [(engine, key)] = server.rows(
        "SELECT engine, sorting_key FROM system.tables WHERE name = {name:String} "
        "AND database = {database:String}",
        {"name": table.name, "database": server.store.database},
    )
    assert engine == "ReplacingMergeTree"
    assert sorted(str(key).split(", ")) == sorted(table.identity)


def test_the_status_that_is_kept_has_the_columns_of_the_one_that_is_made(server: Server) -> None:
    made = list(_columns(server, "status_of_history").items())
    kept = list(_columns(server, "status_latest").items())
    assert kept[: len(made)] == made
    assert [name for name, _ in kept[len(made) :]] == ["made_at", "version", "gone"]


@pytest.mark.parametrize("view", [*VIEWS, "latest_results"])
def test_a_view_has_the_columns_that_the_embedded_store_gives_it(
    server: Server, tmp_path: Path, view: str
) -> None:
    embedded = EmbeddedStore(tmp_path)
    found = {str(row[0]): _plain(row[1]) for row in embedded.rows(f"DESCRIBE {view}")}
    assert list(_columns(server, view).items()) == list(found.items())


def test_the_files_are_numbered_from_one_without_a_gap() -> None:
    numbers = [one.number for one in ddl.migrations(PLAIN)]
    assert numbers == list(range(1, ddl.newest() + 1))


@pytest.mark.parametrize(("store", "name"), [(PLAIN, "schema_alone"), (SPREAD, "schema_cluster")])
def test_what_is_sent_is_as_it_was(store: StoreSettings, name: str) -> None:
    """Golden: a change of a file that was ever released must be a new file instead."""
    statements = [
        ddl.database(store),
        *(text for one in ddl.migrations(store) for text in one.statements),
    ]
    golden = HERE / "data" / f"{name}.sql"
    assert golden.read_text() == ";\n\n".join(statements) + ";\n"


@pytest.mark.parametrize("store", [PLAIN, SPREAD], ids=["alone", "cluster"])
def test_everything_that_is_sent_is_sql(clickhouse: ClickHouse, store: StoreSettings) -> None:
    asked = clickhouse.server()
    for text in (
        ddl.database(store),
        *(text for one in ddl.migrations(store) for text in one.statements),
        *ddl.views(store),
        ddl.change_lifetime("results", "finished_at", store),
    ):
        [(found,)] = asked.rows("SELECT formatQuery({text:String})", {"text": text})
        assert ("ON CLUSTER" in str(found)) == bool(store.cluster), text


def test_on_a_cluster_every_table_is_replicated_and_every_name_has_its_database() -> None:
    tables = [text for one in ddl.migrations(SPREAD) for text in one.statements]
    assert all("ENGINE = ReplicatedReplacingMergeTree('/clickhouse/" in text for text in tables)
    for view in ddl.views(SPREAD):
        code = re.sub(r"--.*", "", view)
        assert not re.search(r"\bFROM (?!`doctor`\.)\w", code), view


def test_a_place_that_means_nothing_is_refused() -> None:
    with pytest.raises(ddl.TemplateError, match=r"\{retention\} means nothing"):
        ddl._filled("TTL {retention}", PLAIN)
    with pytest.raises(ddl.TemplateError, match=r"'VIEW status AS' is there 0 times"):
        ddl.of_history("CREATE VIEW something AS SELECT 1")


def test_migrating_again_changes_nothing(server: Server) -> None:
    assert list(migration.migrate(server)) == ["made the views"]
    assert migration.behind(server) == ""
    assert not migration.views_differ(server)


class Died(BaseException):
    """The process is gone."""


class Mortal(Server):
    """A server that is asked so many commands, and then no more."""

    lives = 0

    def command(self, sql: str, parameters: Mapping[str, object] = NONE) -> None:
        """Do it, or die before."""
        if self.lives == 0:
            raise Died
        self.lives -= 1
        super().command(sql, parameters)


def _shape(server: Server) -> list[tuple[object, ...]]:
    """Return everything that a migration makes."""
    return server.rows(
        "SELECT name, engine, create_table_query FROM system.tables "
        "WHERE database = {database:String} ORDER BY name",
        {"database": server.store.database},
    )


def test_killed_between_any_two_statements_the_next_migration_ends_the_same(
    clickhouse: ClickHouse, server: Server
) -> None:
    def same(shape: list[tuple[object, ...]], database: str) -> list[tuple[object, ...]]:
        return [tuple(str(value).replace(database, "x") for value in row) for row in shape]

    expected = same(_shape(server), server.store.database)
    lives, ended = 0, False
    while not ended:
        with clickhouse.database(tables=False) as store:
            mortal = Mortal(store, environ=clickhouse.environ)
            mortal.lives = lives
            try:
                list(migration.migrate(mortal))
                ended = True
            except Died:
                assert migration.behind(mortal) or migration.views_differ(mortal)
            mortal.lives = 1000
            list(migration.migrate(mortal))
            assert same(_shape(mortal), store.database) == expected, f"died before {lives}"
            assert migration.behind(mortal) == ""
            lives += 3 if 0 < lives < 9 else 1
            mortal.close()
    assert lives > len(ddl.migrations(PLAIN)) + len(ddl.views(PLAIN))


def test_a_schema_from_the_future_is_refused_in_one_line(clickhouse: ClickHouse) -> None:
    with clickhouse.database() as store:
        server = Server(store, environ=clickhouse.environ)
        migration._note(server, ddl.newest() + 1, "099_later.sql")
        for act in (lambda: list(migration.migrate(server)), lambda: migration.behind(server)):
            with pytest.raises(StoreError, match="newer cluster-doctor made its schema") as caught:
                act()
            assert "update this installation" in str(caught.value)
            assert "\n" not in str(caught.value)


def test_what_is_behind_is_told_with_the_command_that_mends_it(clickhouse: ClickHouse) -> None:
    with clickhouse.database(tables=False) as store:
        server = Server(store, environ=clickhouse.environ)
        assert "run: cluster-doctor store init" in migration.behind(server)
        first = ddl.migrations(store)[0]
        for statement in first.statements:
            server.command(statement)
        migration._note(server, first.number, first.file)
        assert "run: cluster-doctor store migrate" in migration.behind(server)


def test_another_retention_reaches_the_tables(clickhouse: ClickHouse) -> None:
    with clickhouse.database() as store:
        longer = clickhouse.settings(store.database, retention=timedelta(days=900))
        server = Server(longer, environ=clickhouse.environ)
        told = list(migration.migrate(server))
        assert [f"{table.name}: rows live for 900 days now" for table in TABLES] == told[1:]
        assert list(migration.migrate(server)) == ["made the views"]
