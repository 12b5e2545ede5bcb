"""The settings file: what is accepted, what is refused and how it is told."""

import dataclasses
import re
from datetime import timedelta
from pathlib import Path

import pytest

from slurm_hooks import settings as module
from slurm_hooks.errors import ConfigError
from slurm_hooks.lemon_settings import RawLemon
from slurm_hooks.settings import Settings, load_settings, parse_settings
from slurm_hooks.store_settings import RawStore

PATH = Path("/etc/cluster-doctor/cluster-doctor.toml")
LEAST = 'cluster = "c"\nstate_dir = "/s"\nlog_dir = "/l"\n'
DOCS = Path(__file__).parents[1] / "docs" / "settings.md"


def parse(text: str = "") -> Settings:
    return parse_settings(LEAST + text, PATH)


def test_three_keys_are_enough() -> None:
    found = parse()
    assert found.max_concurrent_visits == 2
    assert found.visit_budget == timedelta(minutes=20)
    assert found.slurm_conf is None


def test_a_share_of_the_nodes_is_a_fraction() -> None:
    assert parse('max_concurrent_visits = "5%"').max_concurrent_visits == 0.05


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('paritition = "x"', "paritition: unknown key (did you mean 'partition'?)"),
        ('visit_budget = "2 hrs"', "visit_budget: '2 hrs' is not a duration; write it like 30m"),
        ('visit_budget = "10s"', "less than 1m"),
        ('local_dir = "var/lib"', "local_dir: 'var/lib' is not an absolute path"),
        ("max_concurrent_visits = 0", "max_concurrent_visits: 0 is too small"),
        ('max_concurrent_visits = "200%"', "neither a number like 2 nor a share like '5%'"),
        ("cluster = 3", "not TOML"),
        ('[environment]\n"a b" = "x"', "environment: 'a b' is not a variable's name"),
        ('definitions = ["a", 5]', "definitions[1]: expected text, got 5"),
        ("log_limit_bytes = 5", "log_limit_bytes: 5 is too small; write 10000 or more"),
    ],
)
def test_what_is_wrong_is_named_with_file_key_and_remedy(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text)
    assert str(caught.value).startswith(f"{PATH}: ")
    assert message in str(caught.value)


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ConfigError, match="log_dir: missing"):
        parse_settings('cluster = "c"\nstate_dir = "/s"\n', PATH)


def test_a_missing_file_says_where_to_write_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="write them there or set CLUSTER_DOCTOR_SETTINGS"):
        load_settings(tmp_path / "none.toml")


def test_bytes_that_are_no_text_are_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_settings(tmp_path / "s.toml")


def test_an_account_that_does_not_exist_comes_with_the_command_that_makes_it() -> None:
    with pytest.raises(ConfigError, match="useradd --system --user-group nobody-here"):
        _ = parse('service_user = "nobody-here"').service_uid


def test_every_key_and_its_default_is_documented() -> None:
    """The table in docs/settings.md is the reference; it names each key as the file has it."""
    rows = [line for line in DOCS.read_text().splitlines() if line.startswith("| `")]
    documented = {line.split("`")[1]: line for line in rows}
    keys = {field.name: field for field in dataclasses.fields(module._File)}
    keys |= {f"reactions.{one.name}": one for one in dataclasses.fields(module._Reactions)}
    keys |= {f"store.{one.name}": one for one in dataclasses.fields(RawStore)}
    keys |= {f"lemon.{one.name}": one for one in dataclasses.fields(RawLemon)}
    del keys["reactions"], keys["store"], keys["lemon"]
    assert set(documented) == set(keys)
    for name, field in keys.items():
        if isinstance(field.default, str | int | float):
            shown = f'"{field.default}"' if isinstance(field.default, str) else f"{field.default}"
            assert documented[name].endswith(f"`{shown}` |"), name


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("out = -1", "lemon.out: -1 is negative; write 0 to count nothing"),
        ("score = 0", "lemon.score: with 0 every node is a lemon; write more than 0"),
        (
            'window = "2 wks"',
            "lemon.window: '2 wks' is not a duration; write it like 30m",
        ),
        ('window = "3h"', "lemon.window: '3h' is less than 1d"),
        ("weight = 2", "lemon.weight: unknown key"),
        ('fail = "much"', "lemon.fail: expected a number"),
    ],
)
def test_a_wrong_weight_of_a_lemon_is_named(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(reason)):
        parse(f"[lemon]\n{text}")
