"""What starts Grafana beside a simulated fleet is pinned, closed to the outside, and whole."""

import re
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from grafana import build
from grafana.clickhouse import PLUGIN, PLUGIN_VERSION, UID
from slurm_hooks.store_settings import StoreSettings
from tests.clickhouse import ClickHouse

FILE = build.HOME / "compose.yaml"
TEXT = FILE.read_text()
EXAMPLE = (build.HOME / ".env.example").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
JOBS = {"fill"}
EVERY = pytest.mark.parametrize("name", SERVICES)
DATA_SOURCE = build.HOME / "provisioning" / "datasources" / "cluster-doctor.yaml"
READER = build.HOME / "provisioning" / "clickhouse" / "reader.xml"


@EVERY
def test_a_service_is_pinned_restarted_and_healthy_or_a_job(name: str) -> None:
    one = SERVICES[name]
    assert re.search(r":\d+\.\d+[\w.-]*$", one["image"])
    assert one["restart"] == "unless-stopped"
    assert ("healthcheck" in one) != (name in JOBS)


@EVERY
def test_a_service_listens_on_this_host_alone(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@EVERY
def test_what_is_mounted_is_in_the_repository_and_read_only_or_a_volume(name: str) -> None:
    for mount in SERVICES[name]["volumes"]:
        source, _, rest = mount.partition(":")
        if source.startswith("."):
            assert (build.HOME / source).exists()
            assert rest.endswith(":ro")
        else:
            assert source in COMPOSE["volumes"]


@EVERY
def test_a_service_waits_until_what_it_needs_is_healthy(name: str) -> None:
    for other, how in SERVICES[name].get("depends_on", {}).items():
        assert "healthcheck" in SERVICES[other]
        assert how == {"condition": "service_healthy"}


def test_every_variable_is_in_the_example_and_every_one_there_is_used() -> None:
    used = set(re.findall(r"\$\{(\w+)", TEXT))
    assert used == set(re.findall(r"^(\w+)=", EXAMPLE, re.MULTILINE))


def test_no_password_is_in_a_file_and_none_may_be_left_out() -> None:
    for one in SERVICES.values():
        for name, value in one["environment"].items():
            if "PASSWORD" in name:
                assert re.fullmatch(r"\$\{\w+:\?copy \.env\.example to \.env [\w ]+\}", value)
    assert re.findall(r"^(\w+PASSWORD)=(.*)$", EXAMPLE, re.MULTILINE) == [
        ("DOCTOR_PASSWORD", ""), ("READER_PASSWORD", ""), ("GRAFANA_ADMIN_PASSWORD", "")
    ]  # fmt: skip
    ignored = (build.HOME.parent / ".gitignore").read_text().splitlines()
    assert ".env" in ignored


def test_grafana_gets_the_plugin_that_the_dashboards_were_written_for() -> None:
    wanted = f"{PLUGIN}@{PLUGIN_VERSION}"
    assert SERVICES["grafana"]["environment"]["GF_PLUGINS_PREINSTALL_SYNC"] == wanted


def test_grafana_lets_nobody_in_without_a_password() -> None:
    environment = SERVICES["grafana"]["environment"]
    assert environment["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    assert environment["GF_SECURITY_ADMIN_PASSWORD"].startswith("${GRAFANA_ADMIN_PASSWORD:?")


def test_the_data_source_is_the_one_that_rules_ask_and_knows_all_it_needs() -> None:
    (source,) = yaml.safe_load(DATA_SOURCE.read_text())["datasources"]
    assert (source["uid"], source["type"]) == (UID, PLUGIN)
    needed = set(re.findall(r"\$\{(\w+)\}", "\n".join(lines(DATA_SOURCE))))
    given = SERVICES["grafana"]["environment"]
    assert {name for name in given if name.startswith("CLUSTER_DOCTOR_")} == needed


def test_grafana_looks_for_dashboards_where_they_are_mounted() -> None:
    providers = build.HOME / "provisioning" / "dashboards" / "cluster-doctor.yaml"
    (one,) = yaml.safe_load(providers.read_text())["providers"]
    assert f"./generated:{one['options']['path']}:ro" in SERVICES["grafana"]["volumes"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    name = Path(home).relative_to(one["options"]["path"])
    assert (build.HOME / "generated" / name).exists()


def test_grafana_asks_as_one_who_may_only_read_and_another_writes() -> None:
    reader, writer = "reader", SERVICES["clickhouse"]["environment"]["CLICKHOUSE_USER"]
    assert SERVICES["grafana"]["environment"]["CLUSTER_DOCTOR_STORE_USER"] == reader
    assert SERVICES["fill"]["environment"]["CLUSTER_DOCTOR_STORE_USER"] == writer != reader
    users = ET.parse(READER).getroot()
    assert users.findtext(f"profiles/{reader}/readonly") == "1"
    (free,) = list(users.findall(f"profiles/{reader}/constraints/*"))
    assert free.tag == "max_execution_time"
    assert free.find("changeable_in_readonly") is not None
    (grant,) = users.findall(f"users/{reader}/grants/query")
    database = SERVICES["grafana"]["environment"]["CLUSTER_DOCTOR_STORE_DATABASE"]
    assert grant.text == f"GRANT SELECT ON {database}.*"
    password = users.find(f"users/{reader}/password")
    assert password is not None
    assert password.text is None
    assert password.get("from_env") in SERVICES["clickhouse"]["environment"]


def test_the_engine_knows_every_setting_of_the_readers_profile(clickhouse: ClickHouse) -> None:
    profile = ET.parse(READER).getroot().find("profiles/reader")
    assert profile is not None
    names = {one.tag for one in profile} - {"constraints"}
    known = clickhouse.server().rows("SELECT name FROM system.settings")
    assert names <= {str(row[0]) for row in known}


def test_the_pages_sql_for_a_site_of_its_own_is_clickhouses(clickhouse: ClickHouse) -> None:
    page = (build.HOME.parent / "docs" / "dashboards.md").read_text()
    (block,) = re.findall(r"```sql\n(.*?)```", page, re.DOTALL)
    statements = [one.strip() for one in block.split(";") if one.strip()]
    assert len(statements) == 3
    for statement in statements:
        said = clickhouse.server().rows(
            "SELECT formatQuerySingleLine({sql:String})", {"sql": statement}
        )
        assert said


def test_a_compose_that_is_there_takes_the_file(tmp_path: Path) -> None:
    command = compose()
    if command is None:
        pytest.skip("no docker compose here")
    filled = re.sub(r"^(\w+PASSWORD)=$", r"\1=secret", EXAMPLE, flags=re.MULTILINE)
    (tmp_path / "env").write_text(filled)
    done = subprocess.run(
        [*command, "--env-file", str(tmp_path / "env"), "-f", str(FILE), "config"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "secret" in done.stdout


def test_an_installed_bundle_has_all_that_grafana_is_given(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as made:
        names = set(made.namelist())
    there = (*build.made(), "compose.yaml", ".env.example")
    assert {f"grafana/{name}" for name in there} <= names


def test_the_database_is_the_one_of_the_settings() -> None:
    database = SERVICES["grafana"]["environment"]["CLUSTER_DOCTOR_STORE_DATABASE"]
    assert database == StoreSettings(path=Path(), host="").database
    assert f"--database {database} " in SERVICES["fill"]["command"][-1]


def lines(path: Path) -> list[str]:
    """The lines of a file that are no comments."""
    return [line for line in path.read_text().splitlines() if not line.startswith("#")]


def compose() -> list[str] | None:
    """How compose is called here, if it is."""
    if shutil.which("docker"):
        asked = subprocess.run(
            ["docker", "compose", "version"], capture_output=True, timeout=60, check=False
        )
        if asked.returncode == 0:
            return ["docker", "compose"]
    return None
