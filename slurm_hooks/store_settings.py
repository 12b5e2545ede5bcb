"""The table ``[store]`` of the settings: where the history is kept, and who asks for it there."""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from slurm_hooks.errors import ConfigError
from slurm_hooks.files import read_handle
from slurm_hooks.setting import absolute, duration

USER = "CLUSTER_DOCTOR_STORE_USER"
PASSWORD = "CLUSTER_DOCTOR_STORE_PASSWORD"

_URL = re.compile(r"(https?)://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?/?")
_DATABASE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_CLUSTER = re.compile(r"[A-Za-z0-9_.-]{1,64}|\{[A-Za-z0-9_]{1,64}\}")
_LONGEST_PASSWORD = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class RawStore:
    """The table, as written."""

    url: str = ""
    database: str = "cluster_doctor"
    user: str = "default"
    password_file: str = ""
    ca_file: str = ""
    cluster: str = ""
    connect_timeout: str = "10s"
    timeout: str = "5m"
    retention: str = "400d"


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Where the history is kept."""

    path: Path
    """The settings file, for messages."""
    host: str = ""
    """The ClickHouse server's; empty means the embedded store in the state directory."""
    port: int = 0
    secure: bool = False
    database: str = "cluster_doctor"
    user: str = "default"
    password_file: Path | None = None
    ca_file: Path | None = None
    """Who vouches for the server's certificate; None: whom this host trusts."""
    cluster: str = ""
    """ClickHouse's own: where tables are replicated. Empty: on this server alone."""
    connect_timeout: timedelta = timedelta(seconds=10)
    timeout: timedelta = timedelta(minutes=5)
    """How long one question may take."""
    retention: timedelta = timedelta(days=400)

    @property
    def embedded(self) -> bool:
        """Whether the history is in the state directory."""
        return not self.host

    @property
    def url(self) -> str:
        """The server, as messages name it; it holds no secret."""
        return f"{'https' if self.secure else 'http'}://{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """Who asks. The password is in no text that is made of it."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Credentials(user={self.user!r})"


def store_settings(path: Path, raw: RawStore) -> StoreSettings:
    """Return the table as checked; *path* only names the file in messages.

    Raises:
        ConfigError: a key is wrong.
    """
    host, port, secure = _address(path, raw.url)
    return StoreSettings(
        path=path,
        host=host,
        port=port,
        secure=secure,
        database=_matching(path, "database", raw.database, _DATABASE, "a plain name"),
        user=raw.user,
        password_file=_file(path, "password_file", raw.password_file),
        ca_file=_file(path, "ca_file", raw.ca_file),
        cluster=_cluster(path, raw.cluster),
        connect_timeout=_time(path, "connect_timeout", raw.connect_timeout),
        timeout=_time(path, "timeout", raw.timeout),
        retention=duration(path, "store.retention", raw.retention, timedelta(days=1)),
    )


def credentials(store: StoreSettings, environ: Mapping[str, str]) -> Credentials:
    """Return who asks: the environment's word before the file's.

    A user from there does not get the file's password, which is another's.

    Raises:
        ConfigError: the password's file cannot be read, or everybody can.
    """
    if environ.get(USER):
        return Credentials(user=environ[USER], password=environ.get(PASSWORD, ""))
    if PASSWORD in environ:
        return Credentials(user=store.user, password=environ[PASSWORD])
    secret = _secret(store.path, store.password_file) if store.password_file else ""
    return Credentials(user=store.user, password=secret)


def _secret(path: Path, file: Path) -> str:
    key = f"{path}: store.password_file"
    try:
        handle = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        mode = os.fstat(handle).st_mode
        data = read_handle(handle, file, limit=_LONGEST_PASSWORD)
        text = data.decode()
    except OSError as error:
        raise ConfigError(
            f"{key}: {file}: cannot read it: {error.strerror or error}; "
            f"or set {USER} and {PASSWORD} in the environment"
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{key}: {file}: it is not UTF-8") from error
    if stat.S_IMODE(mode) & stat.S_IRWXO:
        raise ConfigError(f"{key}: everybody may read or write it; chmod o= {file}")
    if len(data) > _LONGEST_PASSWORD:
        raise ConfigError(f"{key}: {file}: longer than any password")
    return text.removesuffix("\n")


def _address(path: Path, url: str) -> tuple[str, int, bool]:
    if not url:
        return "", 0, False
    found = _URL.fullmatch(url)
    if found:
        secure = found[1] == "https"
        port = int(found[3] or (8443 if secure else 8123))
        if 0 < port < 65536:
            return found[2], port, secure
    if "@" in url:  # it may hold a password, so it is not shown
        raise ConfigError(
            f"{path}: store.url: no user or password goes there; write store.user and "
            "store.password_file"
        )
    raise ConfigError(f"{path}: store.url: {url!r} is not like https://host:8443, nor empty")


def _matching(path: Path, key: str, text: str, wanted: re.Pattern[str], kind: str) -> str:
    if not wanted.fullmatch(text):
        raise ConfigError(f"{path}: store.{key}: {text!r} is not {kind}")
    return text


def _cluster(path: Path, text: str) -> str:
    kind = "the name of a ClickHouse cluster, nor a macro like '{cluster}'"
    return _matching(path, "cluster", text, _CLUSTER, kind) if text else ""


def _file(path: Path, key: str, text: str) -> Path | None:
    return absolute(path, f"store.{key}", text) if text else None


def _time(path: Path, key: str, text: str) -> timedelta:
    return duration(path, f"store.{key}", text, timedelta(seconds=1))
