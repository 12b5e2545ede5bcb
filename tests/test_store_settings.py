"""[store] of the settings: one key switches, and no password is ever shown."""

import re
from pathlib import Path

import pytest

from slurm_hooks.errors import ConfigError
from slurm_hooks.settings import Settings, parse_settings
from slurm_hooks.store_settings import PASSWORD, USER, StoreSettings, credentials

PATH = Path("/etc/cluster-doctor/cluster-doctor.toml")


def _parse(text: str) -> Settings:
    least = 'cluster = "c"\nstate_dir = "/s"\nlog_dir = "/l"\n'
    return parse_settings(f"{least}[store]\n{text}", PATH)


def _store(text: str) -> StoreSettings:
    return _parse(text).store


def test_without_a_url_the_store_is_embedded() -> None:
    assert _store("").embedded
    assert not _store('url = "https://ch.example"').embedded


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("https://ch.example", "https://ch.example:8443"),
        ("http://ch.example/", "http://ch.example:8123"),
        ("http://10.0.0.1:9", "http://10.0.0.1:9"),
        ("https://[fd00::1]:8443", "https://[fd00::1]:8443"),
    ],
)
def test_a_url_says_protocol_host_and_port(url: str, whole: str) -> None:
    assert _store(f'url = "{url}"').url == whole


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('url = "ch.example:8443"', "store.url: 'ch.example:8443' is not like https://host:8443"),
        ('url = "https://ch/path"', "is not like https://host:8443"),
        ('url = "https://ch:99999"', "is not like https://host:8443"),
        ('database = "a-b"', "store.database: 'a-b' is not a plain name"),
        ('cluster = "a b"', "store.cluster: 'a b' is not the name of a ClickHouse cluster"),
        ('password_file = "secret"', "store.password_file: 'secret' is not an absolute path"),
        ('retention = "1h"', "store.retention: '1h' is less than 1d"),
        ('timeout = "0s"', "store.timeout"),
        ('pasword_file = "/x"', "store.pasword_file: unknown key (did you mean 'password_file'?)"),
    ],
)
def test_what_is_wrong_is_named_with_its_key(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=f"^{re.escape(str(PATH))}: .*{re.escape(message)}"):
        _store(text)


@pytest.mark.parametrize("url", ["https://me:hunter2@ch", "ftp://me:hunter2@ch/"])
def test_a_password_in_the_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError, match=r"write store.user and store.password_file") as caught:
        _store(f'url = "{url}"')
    assert "hunter2" not in str(caught.value)


def _secret(directory: Path, mode: int = 0o600) -> StoreSettings:
    file = directory / "password"
    file.write_text("hunter2\n")
    file.chmod(mode)
    return _store(f'user = "doctor"\npassword_file = "{file}"')


def test_the_password_comes_from_its_file_without_the_last_line_end(tmp_path: Path) -> None:
    found = credentials(_secret(tmp_path), {})
    assert (found.user, found.password) == ("doctor", "hunter2")


def test_the_environment_wins_and_its_user_never_gets_the_files_password(tmp_path: Path) -> None:
    store = _secret(tmp_path)
    both = credentials(store, {USER: "reader", PASSWORD: "look"})
    assert (both.user, both.password) == ("reader", "look")
    assert credentials(store, {USER: "reader"}).password == ""
    alone = credentials(store, {PASSWORD: "other"})
    assert (alone.user, alone.password) == ("doctor", "other")


@pytest.mark.parametrize("mode", [0o644, 0o602, 0o601])
def test_a_password_that_everybody_may_read_comes_with_the_chmod_that_mends_it(
    tmp_path: Path, mode: int
) -> None:
    with pytest.raises(ConfigError, match=f"chmod o= {tmp_path}/password") as caught:
        credentials(_secret(tmp_path, mode), {})
    assert "hunter2" not in str(caught.value)


def test_a_group_may_share_it(tmp_path: Path) -> None:
    assert credentials(_secret(tmp_path, 0o640), {}).password == "hunter2"


def test_a_missing_password_file_names_the_other_way(tmp_path: Path) -> None:
    store = _store(f'password_file = "{tmp_path}/none"')
    with pytest.raises(ConfigError, match=rf"none: cannot read it: No such.*or set {USER}"):
        credentials(store, {})


def test_a_fifo_in_its_place_does_not_hang(tmp_path: Path) -> None:
    import os  # noqa: PLC0415 this test alone

    os.mkfifo(tmp_path / "password", 0o600)
    with pytest.raises(ConfigError, match="not a plain file"):
        credentials(_store(f'password_file = "{tmp_path}/password"'), {})


def test_no_password_is_in_the_text_of_credentials(tmp_path: Path) -> None:
    assert "hunter2" not in f"{credentials(_secret(tmp_path), {})!r}"
