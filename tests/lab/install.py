"""Installing the product into a lab the way an operator does: wheel, environment, hooks.

The lab's users cannot see the checkout, so nothing that they run stays there. The one thing not
copied is half a gigabyte of dependencies: the environment that runs this module lends its own.
"""

import subprocess
import sys
import sysconfig
from pathlib import Path

from tests.lab import mounts
from tests.lab.commands import Commands
from tests.lab.errors import LabError
from tests.lab.layout import Layout
from tests.lab.users import SERVICE

CHECKOUT = Path(__file__).parents[2]
HOOKS = (
    "prolog/50-cluster-doctor",
    "epilog/50-cluster-doctor",
    "epilog/slurmctld-cluster-doctor",
)
SYSTEM_PYTHON = Path("/usr/bin/python3")
VERSION_OF = "import sys; print('%d.%d' % sys.version_info[:2])"
STEP_S = 180.0


def build_wheel(directory: Path) -> Path:
    """Build the checkout's wheel into *directory* and return its path."""
    _run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(directory))
    wheels = sorted(directory.glob("*.whl"))
    if len(wheels) != 1:
        raise LabError(f"{directory}: expected the one wheel just built, found {len(wheels)}")
    return wheels[0]


def install(commands: Commands, wheel: Path) -> None:
    """Put *wheel*, its console script, its dependencies and its hooks into the lab's opt."""
    opt = commands.layout.opt
    _run(str(_interpreter(commands)), "-m", "venv", "--without-pip", str(opt))
    pip = (sys.executable, "-m", "pip", "--python", str(opt / "bin" / "python"))
    _run(*pip, "install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check",
         "--root-user-action=ignore", str(wheel))  # fmt: skip
    _lend_dependencies(commands)
    commands.run(["cluster-doctor", "hooks", "install", str(opt)], timeout_s=STEP_S)


def installed(layout: Layout) -> bool:
    """Whether all of the product's hooks are in the lab."""
    return all((layout.opt / hook).is_file() for hook in HOOKS)


def _interpreter(commands: Commands) -> Path:
    """A Python of this one's version that the service account can run."""
    mine = f"{sys.version_info.major}.{sys.version_info.minor}"
    own = Path(sys.base_prefix) / "bin" / f"python{mine}"
    for python in (SYSTEM_PYTHON, own):
        argv = [str(python), "-I", "-c", VERSION_OF]
        done = commands.run(argv, user=SERVICE, check=False)
        if done.returncode == 0 and done.stdout.strip() == mine:
            return python
    raise LabError(
        f"neither {SYSTEM_PYTHON} nor {own} is a Python {mine} that the user {SERVICE} can run; "
        f"run the tests with {SYSTEM_PYTHON}"
    )


def _lend_dependencies(commands: Commands) -> None:
    """Add this environment's packages to the lab's, through a mount where they are out of reach."""
    layout = commands.layout
    packages = Path(sysconfig.get_path("purelib"))
    reach = commands.run(["test", "-r", str(packages / "click")], user=SERVICE, check=False)
    if reach.returncode:
        shown = layout.root / "site-packages"
        shown.mkdir(exist_ok=True)
        if shown not in mounts.below(layout.root):
            mounts.mount("--bind", str(packages), str(shown))
            mounts.mount("-o", "remount,bind,ro", str(shown))
        packages = shown
    (_packages(layout) / "dependencies.pth").write_text(f"{packages}\n")


def _packages(layout: Layout) -> Path:
    """The directory of the lab's own packages."""
    return min(layout.opt.glob("lib/python3*/site-packages"))


def _run(*argv: str) -> None:
    try:
        subprocess.run(
            argv, cwd=CHECKOUT, check=True, capture_output=True, text=True, timeout=STEP_S
        )
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip() or error.stdout.strip()
        raise LabError(f"{' '.join(argv)}: {said}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"{' '.join(argv)}: {error}") from error
