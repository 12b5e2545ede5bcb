"""Who may write to what is trusted: looked at before anything is done, with the remedy."""

import grp
import os
import pwd
import shlex
import stat
from collections.abc import Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from slurm_hooks.errors import ConfigError, StateError
from slurm_hooks.settings import Settings
from slurm_hooks.state import State

_ROOT = 0
_SERVICES = ("batches", "spool", "archive", "aside", "notices", "sweeps")
"""Directories of the state that are the service account's alone to write to."""


def check_reactor(settings: Settings, *, service_uid: int) -> None:
    """Refuse to react where somebody else could say what is done, or in whose name.

    A constant number of looks at files; a name server is asked only for a message.

    Raises:
        ConfigError: the settings are not root's or our own to write alone.
        StateError: the state directory is not the service account's alone.
    """
    own = os.geteuid()
    _settings(settings.path, {_ROOT, own})
    _raise(_state(settings, {_ROOT, own, service_uid}))


def check_sweep(settings: Settings, definition_files: Iterable[Path] = ()) -> None:
    """Refuse to sweep where somebody else could say what is run, or what was found.

    Raises:
        ConfigError: settings or definitions are others' to write.
        StateError: the state directory is.
    """
    slurm = _uid(settings.reactions.slurm_user)
    own = {_ROOT, os.geteuid()} | ({slurm} if slurm is not None else set())
    _settings(settings.path, own)
    for directory in settings.definitions:
        _refuse(_way_to(directory, own), ConfigError)
    for path in definition_files:
        _refuse(_fault(path, own), ConfigError)
    _raise(_state(settings, own))
    if slurm is not None:
        state = State(settings.state_dir)
        _raise(_slurms(state.controller, {_ROOT, slurm}, shared_with=_groups(state)))
        _raise(_slurms(state.reactions, {_ROOT, slurm}))


def check_hooks(directory: Path, settings: Settings, python: Path) -> None:
    """Refuse hooks, which Slurm runs as root, that somebody else could change.

    Raises:
        ConfigError: the hooks' directory, the settings or the interpreter are others' to write.
    """
    slurm = _uid(settings.reactions.slurm_user)
    own = {_ROOT, os.geteuid()}
    _settings(settings.path, own | ({slurm} if slurm is not None else set()))
    for path in (directory, python):
        _refuse(_way_to(path, own), ConfigError)


def pinned(state: State, name: str, *, shared: bool = False) -> State:
    """Return *state* with its directory *name*, SlurmUser's own, held open from now on.

    The state directory is the service account's, which could put something else in that
    place at any moment; what is held open stays what was looked at. With *shared* the
    service account's group may write there.

    Raises:
        StateError: it is missing, a link, or somebody else's to write.
    """
    path = state.root / name
    try:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        handle = os.open(path, flags)
    except OSError as error:
        raise StateError(
            f"{path}: cannot open the directory: {error.strerror}; it is SlurmUser's, as "
            "README's installation makes it"
        ) from error
    found = os.fstat(handle)
    groups = _groups(state) if shared else frozenset()
    fault = _of_directory(path, found, {_ROOT, os.geteuid()}, shared_with=groups)
    if fault:
        os.close(handle)
        raise StateError(fault)
    return replace(state, pins={**state.pins, name: Path(f"/proc/self/fd/{handle}")})


def _settings(path: Path, owners: Collection[int]) -> None:
    _refuse(_way_to(path, owners), ConfigError)


def _state(settings: Settings, owners: Collection[int]) -> Iterator[str]:
    """Yield what is wrong with the state directory, the way to it, and what is in it."""
    state = State(settings.state_dir)
    yield from _way_to(state.root, owners)
    for name in _SERVICES:
        path = state.root / name
        found = _look(path)
        if found is not None and stat.S_ISLNK(found.st_mode):
            yield f"{path}: is a symbolic link; put the directory itself there"
        yield from _fault(path, owners)


def _slurms(
    path: Path, owners: Collection[int], *, shared_with: Collection[int] = ()
) -> Iterator[str]:
    """Yield what is wrong with a directory that is SlurmUser's; it may be missing."""
    found = _look(path)
    if found is not None:
        fault = _of_directory(path, found, owners, shared_with=shared_with)
        if fault:
            yield fault


def _way_to(path: Path, owners: Collection[int]) -> Iterator[str]:
    """Yield what is wrong with *path* and every directory above it, links' targets too."""
    real = Path(os.path.realpath(path))
    for step in dict.fromkeys((*reversed(real.parents), *reversed(path.parents))):
        yield from _fault(step, owners, sticky=True)
    yield from _fault(path, owners)
    yield from _fault(real, owners)


def _fault(path: Path, owners: Collection[int], *, sticky: bool = False) -> Iterator[str]:
    """Yield what is wrong with *path*: whose it is, or who may write to it.

    Where it is *sticky*, as /tmp is, nobody can replace what is others'. A link is as good
    as the directory that it is in, but for its owner where that one is sticky.
    """
    found = _look(path)
    if found is None:
        return
    if found.st_uid not in owners:
        yield _not_owned(path, found, owners)
    elif not stat.S_ISLNK(found.st_mode) and not (sticky and found.st_mode & stat.S_ISVTX):
        yield from _too_open(path, found)


def _of_directory(
    path: Path, found: os.stat_result, owners: Collection[int], *, shared_with: Collection[int]
) -> str:
    if not stat.S_ISDIR(found.st_mode):
        return f"{path}: is not a directory; remove it, and make it as README's installation does"
    if found.st_uid not in owners:
        return _not_owned(path, found, owners)
    return next(_too_open(path, found, shared_with=shared_with), "")


def _too_open(
    path: Path, found: os.stat_result, *, shared_with: Collection[int] = ()
) -> Iterator[str]:
    shown, mode = shlex.quote(str(path)), stat.S_IMODE(found.st_mode)
    if mode & stat.S_IWOTH:
        yield f"{path}: anybody may write there (mode {mode:04o}); run: chmod o-w {shown}"
    elif mode & stat.S_IWGRP and found.st_gid not in (_ROOT, *shared_with):
        group = _group(found.st_gid)
        yield f"{path}: group {group} may write there (mode {mode:04o}); run: chmod g-w {shown}"


def _not_owned(path: Path, found: os.stat_result, owners: Collection[int]) -> str:
    names = [_name(uid) for uid in sorted(owners)]
    wanted = names[-1]  # root is the lowest of several
    return (
        f"{path}: belongs to {_name(found.st_uid)}, and must to {' or '.join(names)}; "
        f"run: chown {wanted} {shlex.quote(str(path))}"
    )


def _groups(state: State) -> frozenset[int]:
    """Return the groups of what the service account makes; no name server is asked."""
    found = [_look(path) for path in (state.root, state.batches)]
    return frozenset(one.st_gid for one in found if one is not None)


def _look(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError:
        return None  # whoever needs it says so


def _raise(faults: Iterable[str]) -> None:
    _refuse(faults, StateError)


def _refuse(faults: Iterable[str], kind: type[ConfigError | StateError]) -> None:
    for fault in faults:
        raise kind(fault)


def _uid(name: str) -> int | None:
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return f"gid {gid}"
