"""`cluster-doctor store`: makes tables, says what is wrong, and copies the history both ways."""

import random
import signal
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from analytics.clickhouse import ClickHouseStore
from analytics.embedded import EmbeddedStore
from analytics.frame import frame, plan_frame, reaction_frame
from analytics.history import standings
from analytics.server import Server
from analytics.snapshot import Snapshot
from analytics.store import Store
from analytics.tables import BATCHES, REACTIONS
from analytics.views import VIEWS
from slurm_hooks.record import Evidence
from slurm_hooks.settings import load_settings
from tests.clickhouse import ClickHouse
from tests.command_line import Site, new_site
from tests.store_examples import made, plan, reaction


class Shop:
    """A site whose settings name a database of the server that is not there yet."""

    def __init__(self, root: Path, clickhouse: ClickHouse) -> None:
        self.site: Site = new_site(root)
        self.clickhouse = clickhouse
        self.database = f"cd_{uuid.uuid4().hex[:12]}"
        with self.site.settings.open("a") as file:
            protocol = "https" if clickhouse.secure else "http"
            file.write(
                f'[store]\nurl = "{protocol}://{clickhouse.host}:{clickhouse.port}"\n'
                f'database = "{self.database}"\nconnect_timeout = "2s"\n'
            )

    def run(self, *arguments: str) -> str:
        """Return what a command that must work says."""
        done = self.site.run(*arguments, **self.clickhouse.environ)
        assert done.exit_code == 0, done.output
        return done.output

    def fail(self, *arguments: str, **environment: str) -> str:
        """Return what a command that must not work says."""
        done = self.site.run(*arguments, **{**self.clickhouse.environ, **environment})
        assert done.exit_code == 1, done.output
        assert "Traceback" not in done.output
        return done.output

    @property
    def embedded(self) -> EmbeddedStore:
        return EmbeddedStore(self.site.state.history)

    @property
    def server(self) -> ClickHouseStore:
        store = load_settings(self.site.settings).store
        return ClickHouseStore(store, environ=self.clickhouse.environ)


@pytest.fixture
def shop(tmp_path: Path, clickhouse: ClickHouse) -> Iterator[Shop]:
    made_shop = Shop(tmp_path, clickhouse)
    yield made_shop
    outside = clickhouse.server()
    outside.command(f"DROP DATABASE IF EXISTS `{made_shop.database}`")
    outside.close()


def _fill(store: Store, *, segments: int = 4, each: int = 40) -> None:
    dice = random.Random(1)
    for _ in range(segments):
        words = [(dice.randrange(200), dice.choice([*Evidence])) for _ in range(each)]
        store.append(frame([made(visit, evidence) for visit, evidence in words]))
    store.append(plan_frame([plan(number, taken=number > 1) for number in range(6)]), BATCHES)
    store.append(reaction_frame([reaction(n % 7, n % 3) for n in range(12)]), REACTIONS)


def _views(store: Store, cluster: str | None = None) -> dict[str, list[tuple[object, ...]]]:
    chosen = "" if cluster is None else " WHERE cluster = {cluster:String}"
    bound = {} if cluster is None else {"cluster": cluster}
    return {
        view: sorted(store.rows(f"SELECT * FROM {view}{chosen}", bound), key=repr) for view in VIEWS
    }


def test_init_makes_everything_and_again_changes_nothing(shop: Shop) -> None:
    said = shop.run("store", "init")
    assert "applied 001_schema_version.sql" in said
    assert f"database '{shop.database}' is ready" in said
    assert "applied" not in shop.run("store", "init")
    assert "applied" not in shop.run("store", "migrate")


def test_without_a_server_in_the_settings_there_is_nothing_to_make(tmp_path: Path) -> None:
    site = new_site(tmp_path)
    for command in ("init", "migrate"):
        done = site.run("store", command)
        assert (done.exit_code, done.output) == (
            0, f"the history is in {site.state.root}, and needs no tables made\n"
        )  # fmt: skip
    for command in ("export", "import"):
        done = site.run("store", command)
        assert done.exit_code == 1
        assert "store.url is empty" in done.output


def test_check_of_a_good_server_says_what_is_there(shop: Shop) -> None:
    shop.run("store", "init")
    _fill(shop.server)
    said = shop.run("store", "check")
    for part in ("database", "ClickHouse 2", "schema", "results", "rows in", "checks on nodes"):
        assert part in said


def test_check_names_what_is_wrong_with_its_remedy(shop: Shop) -> None:
    assert "run: cluster-doctor store init" in shop.fail("store", "check")
    shop.run("store", "init")
    server = Server(load_settings(shop.site.settings).store, environ=shop.clickhouse.environ)
    server.command("INSERT INTO schema_version SELECT 0, 'views of old', now64(3), 'x'")
    server.close()
    assert "run: cluster-doctor store migrate" in shop.fail("store", "check")
    shop.run("store", "migrate")
    shop.run("store", "check")


def test_check_of_an_embedded_store(tmp_path: Path) -> None:
    site = new_site(tmp_path)
    assert site.run("store", "check").exit_code == 0
    store = EmbeddedStore(site.state.history)
    _fill(store)
    done = site.run("store", "check")
    assert done.exit_code == 0
    assert "4 contested, 0 retired, 0 refused" in done.output
    segment = next((site.state.history / "results").glob("*.parquet"))
    segment.write_bytes(segment.read_bytes()[:-9])
    done = site.run("store", "check")
    assert done.exit_code == 1
    assert "put it back from a backup" in done.output


def test_export_copies_everything_and_again_adds_only_what_is_new(shop: Shop) -> None:
    _fill(shop.embedded)
    shop.run("store", "init")
    said = shop.run("store", "export")
    assert "reaction_states: 7 rows" in said or "reaction_states: 12 rows" in said
    assert _views(shop.server) == _views(shop.embedded)
    shop.embedded.append(frame([made(300, Evidence.RUNNER)]))
    shop.run("store", "export")
    assert _views(shop.server) == _views(shop.embedded)


def test_import_gives_the_state_directory_this_clusters_history_and_its_snapshot(
    shop: Shop,
) -> None:
    shop.run("store", "init")
    _fill(shop.server)
    shop.run("store", "import")
    assert _views(shop.embedded) == _views(shop.server, "alpha")
    assert _views(shop.server, "alpha")["history"]
    known = dict(Snapshot(shop.site.state.snapshot).standings())
    assert known == dict(standings(shop.server, "alpha"))
    shop.run("store", "import")
    assert _views(shop.embedded) == _views(shop.server, "alpha")


def test_a_damaged_segment_is_named_and_the_others_are_copied(shop: Shop) -> None:
    _fill(shop.embedded)
    segment = max((shop.site.state.history / "results").glob("*.parquet"))
    segment.write_bytes(b"PAR1 nothing PAR1")
    shop.run("store", "init")
    said = shop.run("store", "export")
    assert f"warning: {segment}: not copied" in said
    assert _views(shop.server)["history"] == _views(shop.embedded)["history"]


def test_a_server_that_lost_rows_is_found_out_and_the_next_export_begins_anew(shop: Shop) -> None:
    _fill(shop.embedded)
    shop.run("store", "init")
    shop.run("store", "export")
    server = Server(load_settings(shop.site.settings).store, environ=shop.clickhouse.environ)
    server.command("TRUNCATE TABLE results")
    server.close()
    assert "0 are there; export again" in shop.fail("store", "export")
    shop.run("store", "export")
    assert _views(shop.server) == _views(shop.embedded)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return ""


@pytest.mark.parametrize("way", ["export", "import"])
def test_killed_again_and_again_a_copy_goes_on_and_doubles_nothing(shop: Shop, way: str) -> None:
    shop.run("store", "init")
    source, target = shop.embedded, shop.server
    if way == "import":
        source, target = target, source  # type: ignore[assignment]  # both are stores
    _fill(source, segments=12)
    noted, dice, killed = shop.site.state.transfer(way), random.Random(5), 0
    for _ in range(4):
        command = shop.site.argv("store", way)
        environment = {**shop.site.environment, **shop.clickhouse.environ}
        before = _text(noted)
        with subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            while process.poll() is None and _text(noted) == before:
                time.sleep(0.002)
            time.sleep(dice.random() * 0.05)
            process.send_signal(signal.SIGKILL)
            killed += process.wait(timeout=60) == -signal.SIGKILL
    assert killed
    shop.run("store", way)
    cluster = "alpha" if way == "import" else None
    assert _views(target, cluster) == _views(source, cluster)


def test_rebuild_makes_the_servers_status_anew_too(shop: Shop) -> None:
    shop.run("store", "init")
    _fill(shop.server)
    before = _views(shop.server)["status"]
    server = Server(load_settings(shop.site.settings).store, environ=shop.clickhouse.environ)
    server.command("TRUNCATE TABLE status_latest")
    server.close()
    assert _views(shop.server)["status"] == []
    shop.run("ingest", "--rebuild")
    assert _views(shop.server)["status"] == before
