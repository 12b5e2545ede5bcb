"""All definitions together: the shipped ones, a site's own in front, and what holds among them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from checks.definition import CheckDefinition
from checks.definition_file import DefinitionFile, Suspension, load_definition
from checks.order import find_cycle, order
from checks.reacting import reacting
from slurm_hooks.batch import Program
from slurm_hooks.decode import nearest
from slurm_hooks.duration import format_duration
from slurm_hooks.errors import ConfigError

SHIPPED = Path(__file__).parent / "definitions"
DEFAULT_SITE = Path("/etc/cluster-doctor/checks")
"""What the settings name by default; only this one may be missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """Every check by name, and the file that defines each."""

    definitions: tuple[CheckDefinition, ...]
    sources: Mapping[str, Path]

    @property
    def active(self) -> tuple[CheckDefinition, ...]:
        """Those that are not suspended, in running order; none waits for a suspended one."""
        found = {one.name: one for one in self.definitions if not one.suspend}
        running = {
            name: one.model_copy(
                update={
                    "depends_on": _among(found, one.depends_on),
                    "depends_on_everywhere": _among(found, one.depends_on_everywhere),
                }
            )
            for name, one in found.items()
        }
        return tuple(running[name] for name in order(running.values()))

    def without(self, names: Collection[str]) -> "Catalogue":
        """Return the same checks, those in *names* suspended as if their files said so."""
        off = {"suspend": True}
        return replace(
            self,
            definitions=tuple(
                one.model_copy(update=off) if one.name in names else one for one in self.definitions
            ),
        )

    def get(self, name: str) -> CheckDefinition:
        """Return the check called *name*.

        Raises:
            ConfigError: there is none; the message has the nearest name.
        """
        for definition in self.definitions:
            if definition.name == name:
                return definition
        known = [definition.name for definition in self.definitions]
        raise ConfigError(f"there is no check {name!r}{nearest(name, known)}")

    def order(self, names: Collection[str]) -> tuple[str, ...]:
        """Return *names* in running order: after what they depend on, the cheapest first.

        Raises:
            ConfigError: one of them is no check.
        """
        return order(self.get(name) for name in names)

    def programs(
        self, names: Collection[str], *, probation: Collection[str] = ()
    ) -> tuple[Program, ...]:
        """Return what a batch says of *names*, in running order; *probation* names the new ones.

        Raises:
            ConfigError: one of them is no check.
        """
        suspended = {one.name for one in self.definitions if one.suspend}
        wanted = [self.get(name) for name in self.order(names)]
        return tuple(
            replace(
                one.program(tuple(name for name in one.depends_on if name not in suspended)),
                reacting=reacting(one, probation=one.name in probation),
            )
            for one in wanted
        )


def load_catalogue(
    directories: Sequence[Path], *, visit_budget: timedelta, shipped: Path = SHIPPED
) -> Catalogue:
    """Read the shipped definitions, then those in *directories*, later ones in front.

    A file replaces the one of the same name before it, whole. A file that holds nothing but
    ``suspend: true`` keeps the one before it and suspends it.

    Raises:
        ConfigError: a directory or a file cannot be read or is wrong, or checks do not go
            together; one line for each fault.
    """
    faults: list[str] = []
    found: dict[str, DefinitionFile] = {}
    for directory in (shipped, *directories):
        for file in _load_directory(directory, faults):
            name = file.path.stem
            if isinstance(file, DefinitionFile):
                found[name] = file
            elif name in found:
                found[name] = _suspended(found[name])
            else:
                reason = f"there is no check {name!r} to suspend{nearest(name, [*found])}"
                faults.append(f"{file.path}: {reason}")
    if not faults:
        faults.extend(_faults_among(found, visit_budget))
    if faults:
        raise ConfigError("\n".join(faults))
    return Catalogue(
        definitions=tuple(found[name].definition for name in sorted(found)),
        sources={name: found[name].path for name in sorted(found)},
    )


def definition_paths(directory: Path) -> list[Path]:
    """Return the definition files in *directory*, by name; hidden files and backups are not.

    Raises:
        ConfigError: the directory is missing, unless it is the default one, or unreadable.
    """
    try:
        return sorted(
            path
            for path in directory.iterdir()
            if path.suffix in (".yaml", ".yml") and not path.name.startswith((".", "#"))
        )
    except FileNotFoundError as error:
        if directory == DEFAULT_SITE:
            return []
        raise ConfigError(
            f"{directory}: there is no such directory; create it, or take it out of "
            "definitions in the settings"
        ) from error
    except OSError as error:
        raise ConfigError(f"{directory}: cannot read the definitions: {error.strerror}") from error


def _load_directory(directory: Path, faults: list[str]) -> list[DefinitionFile | Suspension]:
    files: dict[str, DefinitionFile | Suspension] = {}
    try:
        paths = definition_paths(directory)
    except ConfigError as error:
        faults.append(str(error))
        return []
    for path in paths:
        try:
            file = load_definition(path)
        except ConfigError as error:
            faults.append(str(error))
            continue
        if path.stem in files:
            faults.append(f"{path}: {files[path.stem].path.name} names the same check; remove one")
        files[path.stem] = file
    return [*files.values()]


def _among(found: Collection[str], names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in names if name in found)


def _suspended(file: DefinitionFile) -> DefinitionFile:
    return replace(file, definition=file.definition.model_copy(update={"suspend": True}))


def _faults_among(found: Mapping[str, DefinitionFile], visit_budget: timedelta) -> Iterable[str]:
    for name in sorted(found):
        file = found[name]
        definition = file.definition
        for key in ("depends_on", "depends_on_everywhere"):
            for other in getattr(definition, key):
                if other not in found:
                    remedy = nearest(other, sorted(found))
                    yield file.error(key, f"there is no check {other!r}{remedy}")
        if definition.time_limit > visit_budget:
            yield file.error("time_limit", _over_budget(definition.time_limit, visit_budget))
    circle = find_cycle(file.definition for file in found.values())
    if circle:
        reason = f"goes round in a circle: {' -> '.join(circle)}; take one of them out"
        direct = circle[1] in found[circle[0]].definition.depends_on
        yield found[circle[0]].error("depends_on" if direct else "depends_on_everywhere", reason)


def _over_budget(time_limit: timedelta, visit_budget: timedelta) -> str:
    return (
        f"{format_duration(time_limit)} is more than visit_budget in the settings "
        f"({format_duration(visit_budget)}); lower the one or raise the other"
    )
