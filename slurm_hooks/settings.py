"""The settings file: one TOML that commands, runner and hooks all read."""

import os
import pwd
import re
import tomllib
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

from slurm_hooks.decode import DecodeError, decode
from slurm_hooks.duration import format_duration
from slurm_hooks.errors import ConfigError
from slurm_hooks.lemon_settings import LemonSettings, RawLemon, lemon_settings
from slurm_hooks.setting import absolute as _absolute
from slurm_hooks.setting import duration as _duration
from slurm_hooks.setting import name as _name
from slurm_hooks.store_settings import RawStore, StoreSettings, store_settings
from slurm_hooks.target import Target, check_target

DEFAULT_PATH = Path("/etc/cluster-doctor/cluster-doctor.toml")
VARIABLE = "CLUSTER_DOCTOR_SETTINGS"


LONGEST_WINDOW = timedelta(days=30)
"""No limit on reactions looks back further; see ``KEPT`` in slurm_hooks.journal_file."""


class ReactionMode(StrEnum):
    """What the reactor may do at all."""

    ON = "on"
    SHADOW = "shadow"
    """Everything is decided and written down, and nothing is done."""
    OFF = "off"


@dataclass(kw_only=True, repr=False, eq=False)
class _Reactions:
    """The table ``[reactions]``, as written; bare, since every command makes this class."""

    mode: ReactionMode = ReactionMode.ON
    slurm_user: str = "slurm"
    max_held: int | str = "5%"
    max_held_in_partition: int | str = "10%"
    max_taken: int | str = "2%"
    window: str = "1h"
    suspect: int | str = 5
    suspect_window: str = "1h"
    probation: int = 20
    max_result_age: str = "24h"
    notify: Target | None = None
    react_command: tuple[str, ...] = ()
    verify_marker: str = "cluster-doctor:verify"
    verify_after: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReactionSettings:
    """The guard rails of reactions. A whole number counts nodes, a float is a share of them."""

    mode: ReactionMode
    slurm_user: str
    """Who slurmctld runs as, and the reactor with it."""
    max_held: int | float
    """Nodes held by us at once, in the cluster."""
    max_held_in_partition: int | float
    max_taken: int | float
    """Nodes newly held within ``window``."""
    window: timedelta
    suspect: int | float
    """A check that fails on more nodes within ``suspect_window`` is suspected itself."""
    suspect_window: timedelta
    probation: int
    """Until a check has so many judged results it may comment and no more."""
    max_result_age: timedelta
    """An older result is not acted upon."""
    react_command: tuple[str, ...]
    """What a sweep runs first, so that the reactor looks again; empty: nothing."""
    notify: Target | None
    """Who is told that a check's reactions wait for a person, besides whom the check tells."""
    verify_marker: str
    """A drained node with this in its reason is verified; empty means none is."""
    verify_after: timedelta
    """Nodes that we drained are verified after so long; 0 means never."""


@dataclass(kw_only=True, repr=False, eq=False)
class _File:
    """The keys of the file, as written; the defaults of everything live here."""

    cluster: str
    state_dir: str
    log_dir: str
    service_user: str = "cluster-doctor"
    local_dir: str = "/var/lib/cluster-doctor"
    definitions: tuple[str, ...] = ("/etc/cluster-doctor/checks",)
    partition: str = "background"
    partition_single: str = "hidden"
    node_python: str = "/opt/cluster-doctor/bin/python"
    slurm_bin: str = "/usr/bin"
    slurm_conf: str = ""
    slurm_timeout: str = "60s"
    max_concurrent_visits: int | str = 2
    visit_budget: str = "20m"
    queue_limit: str = "30m"
    pending_limit: str = "5m"
    batch_limit: str = "4h"
    sweep_interval: str = "5m"
    record_grace: str = "60s"
    keep_batches: str = "30d"
    log_limit_bytes: int = 10_000_000
    include_nodes: str = ""
    exclude_nodes: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    reactions: _Reactions = field(default_factory=_Reactions)
    store: RawStore = field(default_factory=RawStore)
    lemon: RawLemon = field(default_factory=RawLemon)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings, checked. Every path is absolute."""

    path: Path
    cluster: str
    """A name for this cluster in the history; results of many clusters may share a store."""
    state_dir: Path
    """Owned by the service account, shared by the controller and all nodes."""
    log_dir: Path
    """Where programs' output is kept; shared, or collected by other means."""
    service_user: str
    local_dir: Path
    """On each node's own disk: scratch directories and what could not be written elsewhere."""
    definitions: tuple[Path, ...]
    partition: str
    partition_single: str
    """Where visits go that are jobs of their own."""
    node_python: Path
    slurm_bin: Path
    slurm_conf: Path | None
    """None leaves it to Slurm's own search."""
    slurm_timeout: timedelta
    """How long one of Slurm's commands may take."""
    max_concurrent_visits: int | float
    """A whole number of visits, or as a float the share of the cluster's nodes (0.05 = 5%)."""
    visit_budget: timedelta
    queue_limit: timedelta
    """How long a visit may wait in all; a check's definition may say otherwise."""
    pending_limit: timedelta
    """How long Slurm may take to start a visit that it could start; likewise."""
    batch_limit: timedelta
    """What is left of a batch older than this is cancelled, running or not."""
    sweep_interval: timedelta
    record_grace: timedelta
    """How long after a visit's end its records may still be on their way (NFS caches: 60 s)."""
    keep_batches: timedelta
    """How long the plans and raw records of finished batches are kept beside the history."""
    log_limit_bytes: int
    include_nodes: str
    """A hostlist; empty means all."""
    exclude_nodes: str
    environment: dict[str, str]
    """Added to the environment of every check program."""
    reactions: ReactionSettings
    store: StoreSettings
    lemon: LemonSettings

    @property
    def service_uid(self) -> int:
        """The service account's user id.

        Raises:
            ConfigError: there is no such account here.
        """
        try:
            return pwd.getpwnam(self.service_user).pw_uid
        except KeyError as error:
            raise ConfigError(
                f"{self.path}: service_user: there is no user {self.service_user!r} on this host; "
                f"create it with: useradd --system --user-group {self.service_user}"
            ) from error


def settings_path() -> Path:
    """Return the path that the environment names, or the default."""
    return Path(os.environ.get(VARIABLE) or DEFAULT_PATH)


def load_settings(path: Path) -> Settings:
    """Read and check the settings file at *path*.

    Raises:
        ConfigError: missing, unreadable, not TOML, or a key is unknown or wrong; the
            message names file, key and remedy.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ConfigError(
            f"{path}: cannot read the settings: {reason}; write them there or set {VARIABLE}"
        ) from error
    return parse_settings(text, path)


def parse_settings(text: str, path: Path) -> Settings:
    """Return the settings that *text* holds; *path* only names it in messages.

    Raises:
        ConfigError: as `load_settings`.
    """
    try:
        raw = decode(_File, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    except DecodeError as error:
        raise ConfigError(f"{path}: {error}") from error
    settings = Settings(
        path=path,
        cluster=_name(path, "cluster", raw.cluster),
        state_dir=_absolute(path, "state_dir", raw.state_dir),
        log_dir=_absolute(path, "log_dir", raw.log_dir),
        service_user=raw.service_user,
        local_dir=_absolute(path, "local_dir", raw.local_dir),
        definitions=tuple(_absolute(path, "definitions", item) for item in raw.definitions),
        partition=_name(path, "partition", raw.partition),
        partition_single=_name(path, "partition_single", raw.partition_single),
        node_python=_absolute(path, "node_python", raw.node_python),
        slurm_bin=_absolute(path, "slurm_bin", raw.slurm_bin),
        slurm_conf=_absolute(path, "slurm_conf", raw.slurm_conf) if raw.slurm_conf else None,
        slurm_timeout=_duration(path, "slurm_timeout", raw.slurm_timeout, timedelta(seconds=1)),
        max_concurrent_visits=_number_or_share(
            path, "max_concurrent_visits", raw.max_concurrent_visits, least=1
        ),
        visit_budget=_duration(path, "visit_budget", raw.visit_budget),
        queue_limit=_duration(path, "queue_limit", raw.queue_limit),
        pending_limit=_duration(path, "pending_limit", raw.pending_limit),
        batch_limit=_duration(path, "batch_limit", raw.batch_limit),
        sweep_interval=_duration(path, "sweep_interval", raw.sweep_interval),
        record_grace=_duration(path, "record_grace", raw.record_grace, timedelta(0)),
        keep_batches=_duration(path, "keep_batches", raw.keep_batches),
        log_limit_bytes=_at_least(path, "log_limit_bytes", raw.log_limit_bytes, 10_000),
        include_nodes=raw.include_nodes,
        exclude_nodes=raw.exclude_nodes,
        environment=_environment(path, raw.environment),
        reactions=_reactions(path, raw.reactions),
        store=store_settings(path, raw.store),
        lemon=lemon_settings(raw.lemon, path),
    )
    least = settings.queue_limit + settings.visit_budget
    if settings.batch_limit <= least:
        raise ConfigError(
            f"{path}: batch_limit: {raw.batch_limit!r} is not longer than queue_limit and "
            f"visit_budget together ({format_duration(least)}): visits would be cancelled "
            "while they run"
        )
    return settings


def _window(path: Path, key: str, text: str) -> timedelta:
    length = _duration(path, key, text)
    if length > LONGEST_WINDOW:
        raise ConfigError(
            f"{path}: {key}: {text!r} is longer than the journal of reactions looks back; "
            f"write at most {format_duration(LONGEST_WINDOW)}"
        )
    return length


def _at_least(path: Path, key: str, number: int, least: int) -> int:
    if number < least:
        raise ConfigError(f"{path}: {key}: {number} is too small; write {least} or more")
    return number


def _number_or_share(path: Path, key: str, value: int | str, *, least: int) -> int | float:
    if isinstance(value, int):
        return _at_least(path, key, value, least)
    found = re.fullmatch(r"(\d{1,3}(?:\.\d+)?)%", value)
    if not found or not 0 < float(found[1]) <= 100:
        raise ConfigError(
            f"{path}: {key}: {value!r} is neither a number like 2 nor a share like '5%'"
        )
    return float(found[1]) / 100


def _reactions(path: Path, raw: _Reactions) -> ReactionSettings:
    def key(name: str) -> str:
        return f"reactions.{name}"

    def nodes(name: str, value: int | str) -> int | float:
        return _number_or_share(path, key(name), value, least=0)

    return ReactionSettings(
        mode=raw.mode,
        slurm_user=_name(path, key("slurm_user"), raw.slurm_user),
        max_held=nodes("max_held", raw.max_held),
        max_held_in_partition=nodes("max_held_in_partition", raw.max_held_in_partition),
        max_taken=nodes("max_taken", raw.max_taken),
        window=_window(path, key("window"), raw.window),
        suspect=nodes("suspect", raw.suspect),
        suspect_window=_window(path, key("suspect_window"), raw.suspect_window),
        probation=_at_least(path, key("probation"), raw.probation, 0),
        max_result_age=_window(path, key("max_result_age"), raw.max_result_age),
        react_command=raw.react_command,
        notify=_target(path, key("notify"), raw.notify),
        verify_marker=_marker(path, key("verify_marker"), raw.verify_marker),
        verify_after=(
            _duration(path, key("verify_after"), raw.verify_after)
            if raw.verify_after
            else timedelta(0)
        ),
    )


def _target(path: Path, key: str, target: Target | None) -> Target | None:
    if target is not None:
        try:
            check_target(target)
        except ValueError as error:
            raise ConfigError(f"{path}: {key}: {error}") from error
    return target


def _marker(path: Path, key: str, text: str) -> str:
    """Return *text*, which a reason must be able to hold as it is and no word to hold by chance."""
    if text and not re.fullmatch(r"[!-~]{8,64}", text):
        raise ConfigError(
            f"{path}: {key}: {text!r} is not one word of 8 to 64 ASCII characters, nor empty"
        )
    return text


def _environment(path: Path, variables: dict[str, str]) -> dict[str, str]:
    for name, value in variables.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or "\0" in value:
            raise ConfigError(f"{path}: environment: {name!r} is not a variable's name")
    return variables
