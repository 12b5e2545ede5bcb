"""Builds the files that Grafana is given, and tells where a directory differs from them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from grafana import alert_file, lint
from grafana.alerts import COVERAGE_GOAL
from grafana.dashboards import DASHBOARDS
from grafana.write import dumps
from slurm_hooks.errors import StateError
from slurm_hooks.files import write_durably

HOME = Path(__file__).parent
GENERATED = "generated"
ALERTS = "provisioning/alerting/cluster-doctor.yaml"
WRITTEN = (
    "provisioning/clickhouse/constraints.xml",
    "provisioning/clickhouse/reader.xml",
    "provisioning/dashboards/cluster-doctor.yaml",
    "provisioning/datasources/cluster-doctor.yaml",
)
"""Files that people wrote; they are only copied."""


def made(*, coverage_goal: float = COVERAGE_GOAL) -> Mapping[str, str]:
    """Return the text of each file, by its path in the directory: all that Grafana is given."""
    boards = {f"{GENERATED}/{name}.json": dumps(make()) for name, make in DASHBOARDS.items()}
    written = {name: (HOME / name).read_text(encoding="utf-8") for name in WRITTEN}
    return {**boards, ALERTS: alert_file.dumps(coverage_goal=coverage_goal), **written}


def problems(directory: Path, texts: Mapping[str, str]) -> list[str]:
    """Return a line for each file that differs, and a sentence for each fault of *texts*."""
    return [*differences(directory, texts), *faults(texts)]


def faults(texts: Mapping[str, str]) -> list[str]:
    """Return a sentence for each fault of the dashboards among *texts*."""
    boards = {name: json.loads(text) for name, text in texts.items() if name.startswith(GENERATED)}
    known = {board["uid"] for board in boards.values()}
    return [said for _, board in sorted(boards.items()) for said in lint.faults(board, known)]


def build(directory: Path, texts: Mapping[str, str]) -> list[str]:
    """Write what differs of *texts* into *directory*, and remove dashboards that are no more.

    Returns a line for each change. Raises StateError where that cannot be done.
    """
    said = list(differences(directory, texts))
    try:
        for folder in {(directory / name).parent for name in texts}:
            folder.mkdir(parents=True, exist_ok=True)
        for path in _others(directory, texts):
            path.unlink()
    except OSError as error:
        raise StateError(f"{directory}: {error.strerror or error}") from error
    for name, text in texts.items():
        if _read(directory / name) != text.encode():
            write_durably(directory / name, text.encode(), mode=0o644)
    return said


def differences(directory: Path, texts: Mapping[str, str]) -> Iterator[str]:
    """Yield a line for each file in *directory* that is not as *texts* has it."""
    for name, text in sorted(texts.items()):
        there = _read(directory / name)
        if there is None:
            yield f"{directory / name}: is missing"
        elif there != text.encode():
            yield f"{directory / name}: differs"
    for path in _others(directory, texts):
        yield f"{path}: no dashboard has this name"


def _others(directory: Path, texts: Mapping[str, str]) -> list[Path]:
    known = {directory / name for name in texts}
    return sorted(set((directory / GENERATED).glob("*.json")) - known)


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StateError(f"{path}: {error.strerror or error}") from error
