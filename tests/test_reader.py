"""The user as whom Grafana asks may read one database, and nothing else; told by the engine itself.

The engine in this process has no network and one user, so that one gets the reader's profile and
grants. It asks without a password, and lacks the server's leave to free a setting: it says so of
both, and the rest is tried without them.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from analytics.views import VIEWS
from grafana import build
from tests.clickhouse import start
from tests.fleet_store import make

READER = build.HOME / "provisioning" / "clickhouse" / "reader.xml"
FREED = "<changeable_in_readonly/>"
PASSWORD = "CLUSTER_DOCTOR_READER_PASSWORD"
GUARDED = f'<password from_env="{PASSWORD}"/>'
ASK = """
import json, re, sys
import chdb
connection = chdb.connect(sys.argv[1])
said = {}
for sql in sys.argv[2:]:
    try:
        said[sql] = str(connection.query(sql)).strip()
    except RuntimeError as error:
        said[sql] = re.search(r"\\(([A-Z_]+)\\)$", str(error).strip())[1]
connection.close()
print(json.dumps(said))
"""


def ask(
    directory: Path, statements: Sequence[str], *, options: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ASK, f"{directory}/db{options}", *statements],
        env={**os.environ, PASSWORD: "look"}, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip


def as_reader(
    directory: Path, users: str, statements: Sequence[str]
) -> subprocess.CompletedProcess[str]:
    """Let the engine's only user be the one that *users* calls reader."""
    head, tail = users[users.index("<clickhouse>") :].split("<users>")
    renamed = tail.replace("<reader>", "<default>").replace("</reader>", "</default>")
    whole = f"{head}<users>{renamed}".replace("<profiles>", "<profiles><default/>")
    (directory / "users.xml").write_text(
        whole.replace("</users>", "</users><quotas><default/></quotas>")
    )
    path = directory / "users.xml"
    (directory / "config.xml").write_text(
        f"<clickhouse><users_config>{path}</users_config><user_directories><users_xml>"
        f"<path>{path}</path></users_xml></user_directories><default_profile>default"
        "</default_profile><default_database>default</default_database></clickhouse>"
    )
    return ask(directory, statements, options=f"?config-file={directory}/config.xml")


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where our database is, as `store init` makes it, and somebody else's; with a row in each."""
    directory = tmp_path_factory.mktemp("engine")
    with start(directory / "db") as clickhouse:
        make(clickhouse.settings("cluster_doctor"), clickhouse.environ)
    made = ["CREATE DATABASE other"]
    for database in ("cluster_doctor", "other"):
        made += [
            f"CREATE TABLE {database}.rows (x UInt8) ENGINE = MergeTree ORDER BY x",
            f"INSERT INTO {database}.rows VALUES (7)",
            f"CREATE VIEW {database}.seen AS SELECT * FROM {database}.rows",
        ]
    done = ask(directory, made)
    assert done.returncode == 0, done.stderr
    return directory


@pytest.fixture(scope="module")
def said(history: Path) -> Mapping[str, str]:
    """What the engine says to each of STATEMENTS."""
    users = READER.read_text().replace(FREED, "").replace(GUARDED, "<no_password/>")
    done = as_reader(history, users, [*STATEMENTS])
    assert done.returncode == 0, done.stderr
    found: dict[str, str] = json.loads(done.stdout)
    return found


STATEMENTS: Mapping[str, str] = {
    "SELECT x FROM cluster_doctor.rows": "7",
    "SELECT x FROM cluster_doctor.seen": "7",
    **{f"SELECT count() FROM cluster_doctor.{view}": "0" for view in VIEWS},
    "SELECT x FROM other.rows": "ACCESS_DENIED",
    "INSERT INTO cluster_doctor.rows VALUES (8)": "ACCESS_DENIED",
    "DROP TABLE cluster_doctor.rows": "ACCESS_DENIED",
    "CREATE TABLE cluster_doctor.mine (x UInt8) ENGINE = Memory": "ACCESS_DENIED",
    "SELECT * FROM url('http://127.0.0.1:1/', 'CSV', 'x String')": "ACCESS_DENIED",
    "SELECT * FROM file('/etc/passwd', 'LineAsString')": "ACCESS_DENIED",
    "SELECT getSetting('max_execution_time')": "60",
    "SET readonly = 0": "READONLY",
    "SET max_memory_usage = 0": "READONLY",
    "SET max_threads = 64": "READONLY",
    "SELECT count() FROM cluster_doctor.history SETTINGS max_threads = 64": "READONLY",
}


@pytest.mark.parametrize("sql", STATEMENTS)
def test_the_reader_may_read_the_history_and_do_nothing_else(
    said: Mapping[str, str], sql: str
) -> None:
    assert said[sql] == STATEMENTS[sql]


def test_the_reader_has_the_password_of_the_environment(history: Path) -> None:
    done = as_reader(history, READER.read_text().replace(FREED, ""), ["SELECT 1"])
    assert "AUTHENTICATION_FAILED" in done.stderr


def test_the_engine_understands_which_setting_the_reader_may_change(history: Path) -> None:
    done = as_reader(history, READER.read_text(), ["SELECT 1"])
    assert done.returncode != 0
    assert (
        "changeable_in_readonly for max_execution_time is not allowed unless "
        "settings_constraints_replace_previous is enabled"
    ) in done.stderr
    beside = (READER.parent / "constraints.xml").read_text()
    assert (
        "<settings_constraints_replace_previous>true</settings_constraints_replace_previous>"
    ) in beside
