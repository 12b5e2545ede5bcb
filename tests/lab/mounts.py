"""The file systems mounted inside a lab: made, listed and taken away."""

import subprocess
from pathlib import Path

from tests.lab.errors import LabError


def mount(*arguments: str) -> None:
    """Run mount(8).

    Raises:
        LabError: it failed; containers often forbid it.
    """
    _run("mount", *arguments)


def below(root: Path) -> list[Path]:
    """Every mount point in *root*, the deepest first (proc(5), /proc/pid/mountinfo)."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [Path(line.split()[4].replace("\\040", " ")) for line in lines]
    return sorted((point for point in points if root in point.parents), reverse=True)


def unmount(point: Path) -> None:
    """Take away what is mounted on *point*, at once even if it is in use."""
    _run("umount", "--lazy", str(point))


def _run(*argv: str) -> None:
    try:
        subprocess.run(argv, check=True, capture_output=True, text=True, timeout=20)
    except subprocess.CalledProcessError as error:
        raise LabError(f"{' '.join(argv)}: {error.stderr.strip()}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"{' '.join(argv)}: {error}") from error
