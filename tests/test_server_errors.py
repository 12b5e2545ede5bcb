"""Whatever is wrong with a server is one line: it names the server, the next step, no password."""

import socket
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from analytics.clickhouse import ClickHouseStore
from analytics.frame import frame
from analytics.server import Server
from slurm_hooks.errors import StoreError
from slurm_hooks.store_settings import PASSWORD, USER, StoreSettings
from tests.clickhouse import ClickHouse, start
from tests.clickhouse_front import READER, WRITER
from tests.history_examples import row


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouse]:
    """A front of these tests' own, since they spoil its answers."""
    with start(tmp_path_factory.mktemp("front")) as made:
        yield made


@pytest.fixture
def store(front: ClickHouse) -> Iterator[ClickHouseStore]:
    with front.database(timeout=timedelta(seconds=2)) as settings:
        made = ClickHouseStore(settings, environ=front.environ)
        made.rows("SELECT 1")
        yield made
        front.misbehave("", times=0)
        made.close()


def _line(act: Callable[[], object], *secrets: str) -> str:
    """Return the one line that *act* fails with."""
    with pytest.raises(StoreError) as caught:
        act()
    text = str(caught.value)
    assert "\n" not in text
    assert len(text) < 600
    for secret in (WRITER[1], READER[1], "guess", *secrets):
        if len(secret) > 4:
            assert secret not in text
    return text


def _asking(settings: StoreSettings, front: ClickHouse) -> Callable[[], object]:
    server = Server(settings, environ=front.environ)
    return lambda: server.rows("SELECT 1")


def test_nothing_listens(front: ClickHouse) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    said = _line(_asking(front.settings("x", port=port), front))
    assert said.startswith(f"http://127.0.0.1:{port}: nothing listens there")
    assert "store.url" in said


def test_no_such_host(front: ClickHouse) -> None:
    said = _line(_asking(front.settings("x", host="no-such-host.invalid"), front))
    assert said.startswith("http://no-such-host.invalid:")
    assert "there is no host of this name" in said


def test_a_host_that_never_answers_a_connection(front: ClickHouse) -> None:
    """A full queue of connections: the kernel answers no more."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        settings = front.settings("x", port=port, connect_timeout=timedelta(seconds=1))
        said = _line(_asking(settings, front))
        for one in waiting:
            one.close()
    assert "cannot be reached within 1s" in said


def test_a_wrong_password_and_a_wrong_user(front: ClickHouse) -> None:
    for user in (WRITER[0], "nobody"):
        server = Server(front.settings("default"), environ={USER: user, PASSWORD: "guess-guess"})
        said = _line(lambda server=server: server.rows("SELECT 1"))  # type: ignore[misc]
        assert f"does not let user '{user}' in" in said
        assert "store.password_file" in said


def test_no_such_database(front: ClickHouse) -> None:
    said = _line(_asking(front.settings("nowhere"), front))
    assert "there is no database 'nowhere'" in said
    assert "cluster-doctor store init" in said


def test_no_tables(front: ClickHouse) -> None:
    with front.database(tables=False) as settings:
        store = ClickHouseStore(settings, environ=front.environ)
        for act in (
            lambda: store.rows("SELECT 1 FROM history"),
            lambda: store.append(frame([row("a")])),
        ):
            assert "run: cluster-doctor store init" in _line(act)
        store.close()


def test_a_table_that_somebody_dropped(store: ClickHouseStore) -> None:
    server = store._server
    server.command("DROP TABLE batches")
    assert "run: cluster-doctor store init" in _line(lambda: store.rows("SELECT * FROM batches"))


def test_a_reader_who_writes(front: ClickHouse, store: ClickHouseStore) -> None:
    reader = ClickHouseStore(store._server.store, environ=front.reading)
    assert reader.rows("SELECT count() FROM history") == [(0,)]
    said = _line(lambda: reader.append(frame([row("a")])))
    assert "user 'reader' may not do this" in said
    assert "docs/store.md" in said
    assert "nothing is lost: the records stay in the spool" in said
    reader.close()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("drop", "closed the connection before its answer was whole"),
        ("late", "closed the connection before its answer was whole"),
        ("503", "HTTP status 503"),
        ("hang", "gave no answer within 2s"),
        ("garbage", "does not speak HTTP"),
        ("page", "its answer is not ClickHouse's"),
    ],
)
def test_an_answer_that_is_none(
    front: ClickHouse, store: ClickHouseStore, how: str, message: str
) -> None:
    store.append(frame([row("a")]))
    asked = "SELECT * FROM history"
    for act in (lambda: store.rows(asked), lambda: store.query(asked)):
        front.misbehave(how, times=9, matching="FROM history")
        said = _line(act)
        assert said.startswith(f"http://127.0.0.1:{front.port}: ")
        assert message in said
        front.misbehave("", times=0)
        act()


@pytest.mark.parametrize("how", ["late", "503", "garbage"])
def test_an_insert_whose_answer_is_lost_once_is_repeated_and_counts_once(
    front: ClickHouse, store: ClickHouseStore, how: str
) -> None:
    for what in ("INSERT INTO `cd", "INSERT INTO status_latest"):
        front.misbehave(how, matching=what)
        store.append(frame([row("a"), row("b")]))
        assert store.rows("SELECT count() FROM history") == [(2,)]
        assert store.rows("SELECT count() FROM status") == [(1,)]


@pytest.mark.parametrize("how", ["late", "503", "hang", "garbage", "page"])
def test_an_insert_that_is_never_answered_is_an_error_and_may_be_done_again(
    front: ClickHouse, store: ClickHouseStore, how: str
) -> None:
    front.misbehave(how, times=9, matching="INSERT")
    said = _line(lambda: store.append(frame([row("a")])))
    assert "nothing is lost" in said
    front.misbehave("", times=0)
    store.append(frame([row("a")]))
    assert store.rows("SELECT count() FROM history") == [(1,)]


def test_the_first_answer_of_all_may_be_spoiled_too(front: ClickHouse) -> None:
    for how in ("drop", "503", "hang", "garbage", "page"):
        front.misbehave(how, times=9)
        settings = front.settings("default", timeout=timedelta(seconds=1))
        assert _line(_asking(settings, front)).startswith(settings.url)
    front.misbehave("", times=0)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a key and a certificate that nobody else signed, in one file."""
    directory = tmp_path_factory.mktemp("tls")
    key, signed = directory / "key.pem", directory / "certificate.pem"
    command = (
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=front "
        f"-addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {signed}"
    )
    subprocess.run(command.split(), check=True, capture_output=True)
    both = directory / "both.pem"
    both.write_bytes(key.read_bytes() + signed.read_bytes())
    return both


def test_tls_with_a_certificate_that_nobody_here_knows(tmp_path: Path, certificate: Path) -> None:
    with start(tmp_path, certificate=certificate) as front:
        plain = front.settings("default")
        said = _line(_asking(plain, front))
        assert "its certificate is not trusted (self-signed certificate)" in said
        assert "store.ca_file" in said
        known = replace(plain, ca_file=certificate.with_name("certificate.pem"))
        assert Server(known, environ=front.environ).rows("SELECT 1") == [(1,)]
        missing = replace(plain, ca_file=tmp_path / "none.pem")
        assert "store.ca_file" in _line(_asking(missing, front))


def test_tls_where_there_is_none(front: ClickHouse) -> None:
    said = _line(_asking(front.settings("default", secure=True), front))
    assert "there is no TLS behind this port" in said
