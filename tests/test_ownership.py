"""Who may write to what is trusted: every owner and mode that is wrong, with its remedy."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from slurm_hooks.errors import ClusterDoctorError, ConfigError, StateError
from slurm_hooks.ownership import check_hooks, check_reactor, check_sweep, pinned
from slurm_hooks.settings import Settings, parse_settings
from slurm_hooks.state import State

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to other accounts")

SERVICE, STRANGER = 61_234, 61_235


@dataclass(frozen=True)
class Place:
    """A state directory, settings, definitions and hooks as they are installed."""

    root: Path
    settings: Settings

    @property
    def state(self) -> State:
        return State(self.settings.state_dir)

    def react(self) -> None:
        check_reactor(self.settings, service_uid=SERVICE)

    def sweep(self) -> None:
        check_sweep(self.settings, [self.root / "etc/checks/a.yaml"])

    def install(self) -> None:
        check_hooks(self.root / "hooks", self.settings, self.root / "bin" / "python")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    root = tmp_path / "site"
    for name in ("etc/checks", "hooks", "bin", "shared/state"):
        (root / name).mkdir(parents=True)
    (root / "etc/checks/a.yaml").touch()
    (root / "bin/python").touch()
    path = root / "etc/settings.toml"
    text = (
        f"cluster = 'lab'\nstate_dir = '{root}/shared/state'\nlog_dir = '/var/log'\n"
        f"definitions = ['{root}/etc/checks']\n[reactions]\nslurm_user = 'nobody-here'\n"
    )
    path.write_text(text)
    made = Place(root, parse_settings(text, path))
    made.state.prepare()
    for name in ("controller", "reactions"):
        (made.state.root / name).mkdir()
    yield made
    shutil.rmtree(root)


def test_what_is_installed_as_the_readme_says_is_trusted(place: Place) -> None:
    for path in (place.state.root, *place.state.root.iterdir()):
        if path.name not in ("controller", "reactions"):
            os.chown(path, SERVICE, SERVICE)
    place.react()
    place.install()


def test_before_anything_was_made_nothing_is_wrong(place: Place) -> None:
    shutil.rmtree(place.state.root)
    place.react()
    place.sweep()


def owned_by(uid: int) -> Callable[[Path], None]:
    return lambda path: os.chown(path, uid, 0)


def mode(bits: int, *, group: int = 0) -> Callable[[Path], None]:
    def spoil(path: Path) -> None:
        os.chown(path, 0, group)
        path.chmod(bits)

    return spoil


def link(path: Path) -> None:
    path.rmdir()
    path.symlink_to("/etc")


WRONG: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "settings of somebody's": ("etc/settings.toml", owned_by(STRANGER), "chown root"),
    "settings of the service account's": ("etc/settings.toml", owned_by(SERVICE), "chown root"),
    "settings that a group may write": ("etc/settings.toml", mode(0o664, group=9), "chmod g-w"),
    "settings that anybody may write": ("etc/settings.toml", mode(0o646), "chmod o-w"),
    "settings in somebody's directory": ("etc", owned_by(STRANGER), "chown root"),
    "settings in an open directory": ("etc", mode(0o777), "chmod o-w"),
    "settings below an open directory": ("", mode(0o757), "chmod o-w"),
    "a state that anybody may write": ("shared/state", mode(0o777), "chmod o-w"),
    "a state of somebody's": ("shared/state", owned_by(STRANGER), "chown uid"),
    "a state below an open directory": ("shared", mode(0o777), "chmod o-w"),
    "a spool that a group may write": ("shared/state/spool", mode(0o770, group=9), "chmod g-w"),
    "batches of somebody's": ("shared/state/batches", owned_by(STRANGER), "chown"),
    "what sweeps told, of somebody's": ("shared/state/sweeps", owned_by(STRANGER), "chown"),
    "an archive that is a link": ("shared/state/archive", link, "symbolic link"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_others_could_write_stops_the_reactor_with_the_remedy(place: Place, what: str) -> None:
    name, spoil, remedy = WRONG[what]
    path = place.root / name if name else place.root
    spoil(path)
    with pytest.raises(ClusterDoctorError) as caught:
        place.react()
    assert isinstance(caught.value, StateError if "shared" in name else ConfigError)
    assert str(caught.value).startswith(f"{path}: ")
    assert remedy in str(caught.value)


def test_the_remedy_is_a_command_that_helps(place: Place) -> None:
    os.chown(place.settings.path, STRANGER, STRANGER)
    place.settings.path.chmod(0o666)
    for _ in range(3):
        try:
            place.react()
        except ConfigError as error:
            subprocess.run(["/bin/sh", "-c", str(error).split("; run: ")[1]], check=True)
    place.react()


def test_a_sticky_directory_above_is_as_good_as_its_owners_below(place: Place) -> None:
    (place.root / "shared").chmod(0o1777)
    place.react()
    os.chown(place.state.root, STRANGER, 0)
    with pytest.raises(StateError, match="belongs to uid"):
        place.react()


def test_settings_behind_a_link_are_as_good_as_both_ways_to_them(place: Place) -> None:
    there = place.root / "link"
    there.symlink_to(place.root / "etc")
    linked = replace(place, settings=replace(place.settings, path=there / "settings.toml"))
    linked.react()
    (place.root / "etc").chmod(0o777)
    with pytest.raises(ConfigError, match=r"etc: anybody may write"):
        linked.react()


@pytest.mark.parametrize("name", ["etc/checks", "etc/checks/a.yaml", "shared/state/notices"])
def test_a_sweep_trusts_no_definition_that_others_could_write(place: Place, name: str) -> None:
    place.sweep()
    (place.root / name).chmod(0o777)
    with pytest.raises(ClusterDoctorError, match="anybody may write there"):
        place.sweep()


def test_a_sweep_looks_at_what_is_slurmusers_too(place: Place) -> None:
    real = replace(place.settings.reactions, slurm_user="nobody")
    settings = replace(place.settings, reactions=real)
    check_sweep(settings)
    os.chown(place.state.reactions, STRANGER, 0)
    wrong = r"reactions: belongs to uid 61235, and must to root or nobody; run: chown nobody "
    with pytest.raises(StateError, match=wrong):
        check_sweep(settings)


@pytest.mark.parametrize("name", ["hooks", "bin", "bin/python", "etc/settings.toml"])
def test_no_hooks_are_installed_that_others_could_change(place: Place, name: str) -> None:
    place.install()
    (place.root / name).chmod(0o777)
    with pytest.raises(ConfigError, match="anybody may write there"):
        place.install()


def test_what_is_held_open_stays_what_it_was(place: Place) -> None:
    state = pinned(place.state, "reactions")
    elsewhere = place.root / "elsewhere"
    elsewhere.mkdir()
    place.state.reactions.rename(place.root / "moved")
    place.state.reactions.symlink_to(elsewhere)
    state.reactor_sign.write_bytes(b"x")
    assert [*elsewhere.iterdir()] == []
    assert (place.root / "moved" / "sign").read_bytes() == b"x"
    with pytest.raises(StateError, match=r"reactions: cannot open the directory"):
        pinned(place.state, "reactions")


@pytest.mark.parametrize("bits", [0o777, 0o2775])
def test_what_others_may_write_is_not_held_open(place: Place, bits: int) -> None:
    mode(bits, group=STRANGER)(place.state.reactions)
    with pytest.raises(StateError, match="may write there"):
        pinned(place.state, "reactions")


def test_only_the_service_accounts_group_may_write_beside_slurmuser(place: Place) -> None:
    os.chown(place.state.batches, SERVICE, SERVICE)
    mode(0o2770, group=SERVICE)(place.state.controller)
    pinned(place.state, "controller", shared=True)
    mode(0o2770, group=STRANGER)(place.state.controller)
    with pytest.raises(StateError, match="group gid 61235 may write there"):
        pinned(place.state, "controller", shared=True)


def test_an_error_names_a_directory_that_is_held_open_as_people_know_it(place: Place) -> None:
    state = pinned(place.state, "reactions")
    with pytest.raises(StateError, match=f"^{place.state.reactions}/sign: no$"), state.real_names():
        raise StateError(f"{state.reactor_sign}: no")
