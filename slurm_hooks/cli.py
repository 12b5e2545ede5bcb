"""The root command: finds each room's subcommands and loads only the one that is asked for."""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from slurm_hooks.decode import nearest
from slurm_hooks.errors import ClusterDoctorError, ConfigError
from slurm_hooks.oneline import one_line
from slurm_hooks.places import Places
from slurm_hooks.settings import DEFAULT_PATH, VARIABLE, Settings, load_settings, settings_path

if TYPE_CHECKING:
    from slurm_hooks.state import State

_GROUP = "cluster_doctor.commands"
_DEBUG = "CLUSTER_DOCTOR_DEBUG"


class App:
    """What every subcommand gets (``@click.pass_obj``): the settings, read on first use."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @cached_property
    def settings(self) -> Settings:
        """The settings file, checked; raises ConfigError."""
        return load_settings(self._path)

    @property
    def places(self) -> Places:
        """Where everything is kept in the state directory that the settings name."""
        return Places(self.settings.state_dir)

    @property
    def state(self) -> "State":
        """That state directory, for those who write in it or read more than one file of it."""
        from slurm_hooks.state import State  # noqa: PLC0415 `status` is over before that is loaded

        return State(self.settings.state_dir)


def installed_commands(search: list[str] | None = None) -> dict[str, str]:
    """Return the subcommands that this distribution installed: name to ``module:attribute``.

    Reads one file. importlib.metadata would do the same in 50 ms, half of what
    `cluster-doctor status` takes.
    """
    places = sys.path if search is None else search
    for directory in sorted(places, key=lambda place: not place.endswith("-packages")):
        for name in _names(directory or "."):
            if name.startswith("cluster_doctor-") and name.endswith(".dist-info"):
                path = Path(directory, name, "entry_points.txt")
                return _section(path.read_text(encoding="utf-8"), _GROUP)
    return {}


def _names(directory: str) -> list[str]:
    """Return what is in *directory*; nothing where it is none, as parts of sys.path may be."""
    try:
        return os.listdir(directory)  # noqa: PTH208 a Path each would take longer than the rest
    except OSError:
        return []


def _section(text: str, wanted: str) -> dict[str, str]:
    found, section = {}, ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            section = line.strip("[]")
        elif section == wanted and "=" in line:
            name, _, target = line.partition("=")
            found[name.strip()] = target.strip()
    return found


class Commands(click.Group):
    """A group whose subcommands are modules' attributes, imported when they are used.

    Ends every failure with one line on stderr: 1 for our errors, 2 for wrong usage,
    130 for Ctrl-C. CLUSTER_DOCTOR_DEBUG=1 shows tracebacks instead.
    """

    find: Callable[[], Mapping[str, str]] = staticmethod(installed_commands)

    @cached_property
    def _targets(self) -> Mapping[str, str]:
        return self.find()

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all subcommands."""
        return sorted({*super().list_commands(ctx), *self._targets})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one subcommand; None where there is none of that name."""
        target = self._targets.get(cmd_name)
        if target is None:
            return super().get_command(ctx, cmd_name)
        module, _, attribute = target.partition(":")
        try:
            found = getattr(import_module(module), attribute)
        except (ImportError, AttributeError) as error:
            return _broken(cmd_name, error)
        return found if isinstance(found, click.Command) else _broken(cmd_name, TypeError(target))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the subcommand, or say which one may be meant."""
        known = self.list_commands(ctx)
        if not known:
            raise ConfigError("no subcommands: cluster-doctor is not installed; pip install it")
        if args[0] not in known and not args[0].startswith("-"):
            hint = nearest(args[0], known) or f"; there are {', '.join(known)}"
            raise click.UsageError(f"there is no command {args[0]!r}{hint}", ctx)
        return super().resolve_command(ctx, args)

    def main(  # type: ignore[override]  # click spells out overloads that end in this
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        *,
        standalone_mode: bool = True,
        **extra: Any,  # noqa: ANN401 click's own
    ) -> Any:  # noqa: ANN401 click's own
        """Run, and end every failure with one line; no traceback ever reaches a person."""
        if os.environ.get(_DEBUG):
            return super().main(args, prog_name, **extra)
        if not standalone_mode:
            return super().main(args, prog_name, standalone_mode=False, **extra)
        try:
            code = super().main(args, prog_name, standalone_mode=False, **extra)
        except click.exceptions.NoArgsIsHelpError as error:
            error.show()
            sys.exit(error.exit_code)
        except click.ClickException as error:
            _stop(_usage(error), code=error.exit_code)
        except ConfigError as error:
            _stop(*str(error).splitlines(), code=1)  # a line for each fault
        except ClusterDoctorError as error:
            _stop(str(error), code=1)
        except (click.Abort, KeyboardInterrupt):
            _stop("interrupted", code=130)
        except Exception as error:  # noqa: BLE001 the last door; a bug of ours still reads well
            what = f"{type(error).__name__}: {error}"
            _stop(f"a bug of ours: {what}; {_DEBUG}=1 shows where", code=1)
        sys.exit(code if isinstance(code, int) else 0)


def _stop(*lines: str, code: int) -> NoReturn:
    for line in lines:
        click.echo(f"cluster-doctor: {one_line(line, 2000)}", err=True)
    sys.exit(code)


def _usage(error: click.ClickException) -> str:
    """Return what is wrong with the command line, and where to read how it should be."""
    message = error.format_message().rstrip(".")
    if not isinstance(error, click.UsageError) or error.ctx is None:
        return message
    where = error.ctx.command_path
    command = where.partition(" ")[2]
    remedy = "" if isinstance(error, click.BadParameter) else f"; see {where} --help"
    return f"{command}: {message}{remedy}" if command else f"{message}{remedy}"


def _broken(name: str, error: Exception) -> click.Command:
    """Stand in for a subcommand that cannot be imported, so that the others still work."""
    reason = f"cannot be loaded: {error}"

    @click.command(name, help=f"({reason})", context_settings={"ignore_unknown_options": True})
    @click.argument("rest", nargs=-1, type=click.UNPROCESSED, expose_value=False)
    def stand_in() -> None:
        raise ClusterDoctorError(f"{name} {reason}; install cluster-doctor with its dependencies")

    return stand_in


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--settings",
    type=click.Path(path_type=Path, dir_okay=False),
    envvar=VARIABLE,
    show_envvar=True,
    default=settings_path,
    help=f"The settings file; {DEFAULT_PATH} by default.",
)
@click.version_option(package_name="cluster-doctor", help="Show the version and exit.")
@click.pass_context
def main(ctx: click.Context, settings: Path) -> None:
    """Keep every node of a Slurm cluster proven healthy, and remember what was found."""
    ctx.obj = App(settings)
