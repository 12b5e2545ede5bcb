"""Writes the hooks that Slurm calls, with this site's paths and account filled in."""

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import click

from slurm_hooks.errors import ConfigError
from slurm_hooks.files import write_durably
from slurm_hooks.ownership import check_hooks
from slurm_hooks.settings import load_settings, settings_path

_ROOMS = Path(__file__).resolve().parents[1]
"""The directory of the packages; a wheel keeps prolog/ and epilog/ beside this one."""
_MODE = 0o755


@dataclass(frozen=True, slots=True, kw_only=True)
class Shim:
    """One executable for Slurm: where it lies, and the slurm.conf key that names it."""

    key: str
    name: str


SHIMS = (
    Shim(key="Prolog", name="prolog/50-cluster-doctor"),
    Shim(key="Epilog", name="epilog/50-cluster-doctor"),
    Shim(key="EpilogSlurmctld", name="epilog/slurmctld-cluster-doctor"),
)


def shim_text(name: str, *, python: Path, settings: Path, service_uid: int) -> str:
    """Return shim *name* with the three lines at its top filled in."""
    text = (_ROOMS / name).read_text(encoding="utf-8")
    values = {"python": str(python), "settings": str(settings), "service_uid": str(service_uid)}
    for variable, value in values.items():
        old = re.findall(rf"(?m)^{variable}=.*$", text)
        if len(old) != 1:
            raise ConfigError(f"{_ROOMS / name} does not set {variable} once; reinstall the bundle")
        text = text.replace(old[0], f"{variable}={shlex.quote(value)}", 1)
    return text


def slurm_conf_lines(directory: Path) -> str:
    """Return what to add to slurm.conf for hooks in *directory*."""
    return "".join(f"{shim.key}={directory / shim.name}\n" for shim in SHIMS)


def install_hooks(directory: Path, *, python: Path, settings: Path, service_uid: int) -> None:
    """Write the three shims below *directory*; replaces older ones, each in one step.

    Raises:
        ConfigError: the directory cannot be written.
    """
    for shim in SHIMS:
        path = directory / shim.name
        text = shim_text(shim.name, python=python, settings=settings, service_uid=service_uid)
        try:
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            write_durably(path, text.encode(), mode=_MODE)
        except OSError as error:
            raise ConfigError(
                f"{path}: cannot write it: {error.strerror}; run this as root"
            ) from error


@click.group()
def hooks() -> None:
    """Install what Slurm calls before and after each job."""


_python = click.option(
    "--python",
    type=click.Path(path_type=Path),
    help="The interpreter that the hooks start.  [default: node_python of the settings]",
)
_settings = click.option(
    "--settings",
    type=click.Path(path_type=Path),
    help="The settings file, as the nodes see it.  [default: the one in use here]",
)


@hooks.command()
@click.argument("directory", type=click.Path(path_type=Path, file_okay=False))
@_python
@_settings
def install(directory: Path, python: Path | None, settings: Path | None) -> None:
    """Write the hooks below DIRECTORY and say what to add to slurm.conf.

    Run it again after a change of node_python or service_user.
    """
    path = (settings or settings_path()).absolute()
    loaded = load_settings(path)
    directory, interpreter = directory.absolute(), python or loaded.node_python
    check_hooks(directory, loaded, interpreter)
    install_hooks(
        directory,
        python=interpreter,
        settings=path,
        service_uid=loaded.service_uid,
    )
    click.echo(f"Hooks written below {directory}. DIRECTORY must be there on every node, too.")
    click.echo("Add these lines to slurm.conf, then run: scontrol reconfigure")
    click.echo("(slurmctld looks for EpilogSlurmctld only when it starts: restart it once)\n")
    click.echo(slurm_conf_lines(directory), nl=False)
    click.echo("\nPrologEpilogTimeout, where set, should be 60 or more.")


@hooks.command()
@_python
@_settings
def show(python: Path | None, settings: Path | None) -> None:
    """Print the hooks as they would be written."""
    path = (settings or settings_path()).absolute()
    loaded = load_settings(path)
    for shim in SHIMS:
        click.echo(f"### {shim.key}: {shim.name}")
        text = shim_text(
            shim.name,
            python=python or loaded.node_python,
            settings=path,
            service_uid=loaded.service_uid,
        )
        click.echo(text)
