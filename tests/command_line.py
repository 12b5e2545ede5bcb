"""Runs the commands of the history: in this process, or as a whole one."""

import contextlib
import os
import pwd
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from click.testing import CliRunner, Result

from slurm_hooks.cli import Commands, main
from slurm_hooks.state import State

ROOT = Path(__file__).parent.parent
OURS = {name: f"analytics.{name}_cli:{name}" for name in ("status", "history", "ingest")} | {
    "sql": "analytics.sql_cli:sql",
    "runs": "analytics.runs_cli:runs",
    "nodes": "analytics.nodes_cli:nodes",
    "node": "analytics.node_cli:node",
    "reactions": "analytics.reactions_cli:reactions",
    "store": "analytics.store_cli:store",
    "report": "checks.report_cli:report",
}


def group(targets: Mapping[str, str]) -> Commands:
    """Return the root command with just these subcommands."""
    made = Commands(
        "cluster-doctor",
        params=main.params,
        callback=main.callback,
        context_settings=main.context_settings,
    )
    made.find = lambda: targets
    return made


@contextlib.contextmanager
def _in_utc() -> Iterator[None]:
    """Make local time UTC, wherever the tests run."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "UTC"
    time.tzset()
    try:
        yield
    finally:
        del os.environ["TZ"]
        os.environ.update({"TZ": before} if before is not None else {})
        time.tzset()


@dataclass(frozen=True, slots=True)
class Site:
    """A settings file and the state directory that it names."""

    root: Path

    @property
    def state(self) -> State:
        """Its state directory."""
        return State(self.root / "state")

    @property
    def settings(self) -> Path:
        """Its settings file."""
        return self.root / "cluster-doctor.toml"

    def run(self, *arguments: str, **environment: str) -> Result:
        """Run a command in this process."""
        with _in_utc():
            return CliRunner(env=environment).invoke(
                group(OURS),
                ["--settings", str(self.settings), *arguments],
                prog_name="cluster-doctor",
            )

    def start(
        self, *arguments: str, python: tuple[str, ...] = (), **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as the console script does, as a process of its own."""
        return subprocess.run(
            self.argv(*arguments, python=python),
            env={**self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def argv(self, *arguments: str, python: tuple[str, ...] = ()) -> list[str]:
        """Return the command line of such a process."""
        program = (
            "import sys; sys.argv[0] = 'cluster-doctor'; from slurm_hooks.start import main; main()"
        )
        return [sys.executable, *python, "-c", program, *arguments]

    @property
    def environment(self) -> dict[str, str]:
        """Its environment."""
        return {
            **os.environ,
            "PYTHONPATH": f"{installed(self.root)}:{ROOT}",
            "CLUSTER_DOCTOR_SETTINGS": str(self.settings),
            "TZ": "UTC",
        }


def new_site(root: Path) -> Site:
    """Write a settings file for a state directory under *root*."""
    (root / "state").mkdir()
    site = Site(root)
    site.settings.write_text(
        f'cluster = "alpha"\nstate_dir = "{root / "state"}"\nlog_dir = "{root / "logs"}"\n'
        f'service_user = "{pwd.getpwuid(os.geteuid()).pw_name}"\n'
    )
    site.state.prepare()
    return site


def installed(root: Path) -> Path:
    """Return a directory that says, as an installation does, which subcommands there are."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    information = root / "site-packages" / f"cluster_doctor-{project['version']}.dist-info"
    information.mkdir(parents=True, exist_ok=True)
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: cluster-doctor\nVersion: {project['version']}\n"
    )
    commands = project["entry-points"]["cluster_doctor.commands"]
    lines = [f"{name} = {target}" for name, target in commands.items() if name in OURS]
    (information / "entry_points.txt").write_text(
        "[console_scripts]\ncluster-doctor = slurm_hooks.start:main\n\n"
        + "\n".join(["[cluster_doctor.commands]", *lines])
        + "\n"
    )
    return root / "site-packages"
