"""The installer, the job script, and a node that has the wheel and nothing else."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from sbatch_templates import visit_script
from slurm_hooks.install import hooks, shim_text
from slurm_hooks.record import Outcome
from slurm_hooks.scratch import visit_scratch
from tests.hooks import EPILOG, EPILOG_SLURMCTLD, JOB_ID, NAMES, NODE, PROLOG, Hooks
from tests.visits import BATCH_ID, ROOT, Node, program


def test_the_job_script_replaces_itself_by_the_runner() -> None:
    script = visit_script(
        python=Path("/opt/cluster-doctor/bin/python"),
        settings=Path("/etc/it's here/cluster-doctor.toml"),
        batch_id=BATCH_ID,
    )
    assert script == (
        "#!/bin/bash\n"
        "# One visit of cluster-doctor: Slurm runs this for each array task, "
        "as the service account.\n"
        "python=/opt/cluster-doctor/bin/python\n"
        "settings='/etc/it'\"'\"'s here/cluster-doctor.toml'\n"
        f"batch={BATCH_ID}\n"
        "# exec: Slurm's SIGTERM, when users need the node, reaches the runner itself.\n"
        'exec "$python" -I -m slurm_hooks.runner --settings "$settings" --batch "$batch"\n'
    )


def test_install_writes_executable_hooks_and_says_what_slurm_must_know(tmp_path: Path) -> None:
    node = Node(root=tmp_path, settings_extra='service_user = "nobody"').prepare()
    target = tmp_path / "etc"
    arguments = ["install", str(target), "--settings", str(node.settings_path)]
    CliRunner().invoke(hooks, arguments, catch_exceptions=False)
    done = CliRunner().invoke(hooks, arguments, catch_exceptions=False)
    assert done.exit_code == 0
    assert f"Prolog={target}/prolog/50-cluster-doctor\n" in done.output
    assert f"Epilog={target}/epilog/50-cluster-doctor\n" in done.output
    assert f"EpilogSlurmctld={target}/epilog/slurmctld-cluster-doctor\n" in done.output
    for name in NAMES:
        assert (target / name).stat().st_mode & 0o777 == 0o755
        lines = (target / name).read_text().splitlines()
        assert f"python={sys.executable}" in lines
        assert f"settings={node.settings_path}" in lines
        assert "service_uid=65534" in lines


def test_show_prints_what_install_would_write(tmp_path: Path) -> None:
    node = Node(root=tmp_path, settings_extra='service_user = "nobody"').prepare()
    arguments = ["show", "--settings", str(node.settings_path), "--python", "/opt/p"]
    done = CliRunner().invoke(hooks, arguments, catch_exceptions=False)
    for name in NAMES:
        text = shim_text(
            name, python=Path("/opt/p"), settings=node.settings_path, service_uid=65534
        )
        assert text in done.output


def test_paths_are_quoted_for_the_shell(tmp_path: Path) -> None:
    text = shim_text(PROLOG, python=Path("/a b/$(c)"), settings=Path("/it's"), service_uid=7)
    script = tmp_path / "shim"
    shown = 'printf "%s|%s|%s" "$python" "$settings" "$service_uid"'
    script.write_text(text.split("trap")[0] + shown)
    done = subprocess.run(["bash", script], capture_output=True, text=True, check=True, timeout=10)
    assert done.stdout == "/a b/$(c)|/it's|7"


@pytest.fixture(scope="module")
def bare_python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment that has the wheel and none of its dependencies."""
    home = tmp_path_factory.mktemp("opt")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True, timeout=60)
    python = home / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    options = ["--quiet", "--no-deps", "--no-index", "--root-user-action=ignore"]
    subprocess.run([*pip, "install", *options, str(wheel)], check=True, timeout=60)
    return python


def test_a_node_needs_the_wheel_and_nothing_else(bare_python: Path, tmp_path: Path) -> None:
    node = Node(root=tmp_path).prepare()
    node.plan(program("disk", "echo worn out; exit 194"))
    script = tmp_path / "visit.sh"
    script.write_text(
        visit_script(python=bare_python, settings=node.settings_path, batch_id=BATCH_ID)
    )
    subprocess.run(["bash", script], env=node.variables, check=True, timeout=60, cwd=ROOT)
    record = node.records()["disk"]
    assert (record.outcome, record.detail) == (Outcome.FAIL, "worn out")


def test_the_wheels_hooks_work_with_its_python(bare_python: Path, tmp_path: Path) -> None:
    rooms = subprocess.run(
        [bare_python, "-I", "-c", "import slurm_hooks; print(slurm_hooks.__path__[0])"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.strip()
    for name in NAMES:
        assert (Path(rooms).parent / name).read_text() == (ROOT / name).read_text()
    installed = Hooks(node=Node(root=tmp_path).prepare(), python=bare_python).install()
    scratch = visit_scratch(installed.node.local_dir, job_id=JOB_ID, node=NODE)
    assert installed.call(PROLOG) == 0
    assert scratch.is_dir()
    assert installed.finish(EPILOG) == 0
    assert not scratch.exists()
    assert installed.finish(EPILOG_SLURMCTLD) == 0
    assert len(list(installed.node.state.controller.iterdir())) == 1
