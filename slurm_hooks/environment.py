"""What Slurm tells the runner, and the environment of a check's program: these names, no more."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from slurm_hooks.batch import Batch
from slurm_hooks.errors import ConfigError
from slurm_hooks.leftovers import JOB_VARIABLE
from slurm_hooks.settings import Settings

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_HANDED_ON = ("SLURM_CONF", "CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmTask:
    """The array task that this process runs in (sbatch(1), output environment variables)."""

    job_id: int
    task: int
    attempt: int
    node: str


def read_slurm_task(environ: Mapping[str, str]) -> SlurmTask:
    """Return the array task that *environ* tells of.

    Raises:
        ConfigError: this is no array task of a batch job.
    """
    return SlurmTask(
        job_id=_number(environ, "SLURM_JOB_ID"),
        task=_number(environ, "SLURM_ARRAY_TASK_ID"),
        attempt=int(environ.get("SLURM_RESTART_COUNT") or 0),
        node=_text(environ, "SLURMD_NODENAME"),
    )


def _text(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "")
    if not value:
        raise ConfigError(
            f"{name} is not set; the runner is started by a visit's job script, not by hand"
        )
    return value


def _number(environ: Mapping[str, str], name: str) -> int:
    value = _text(environ, name)
    if not re.fullmatch(r"[0-9]{1,18}", value):
        raise ConfigError(f"{name} is {value!r}, not a number; is this an array task of Slurm's?")
    return int(value)


def fill_in(argv: tuple[str, ...], *, python: Path, node: str, scratch: Path) -> list[str]:
    """Return *argv* with {python}, {node} and {scratch} filled in, and {{ for a plain {."""
    values = {"python": str(python), "node": node, "scratch": str(scratch)}
    values |= {"{{": "{", "}}": "}"}
    return [
        re.sub(
            r"\{(python|node|scratch)\}|(\{\{|\}\})",
            lambda found: values[found[1] or found[2]],
            word,
        )
        for word in argv
    ]


def program_environment(
    settings: Settings,
    batch: Batch,
    task: SlurmTask,
    environ: Mapping[str, str],
    *,
    check: str,
    scratch: Path,
    report: Path,
) -> dict[str, str]:
    """Return the whole environment of *check*'s program.

    The site's own variables come over the general ones, never over those that say
    which check this is.
    """
    general = {
        "PATH": _PATH,
        "HOME": environ.get("HOME") or "/",
        "LANG": "C.UTF-8",
        "TMPDIR": str(scratch),
    }
    handed_on = {name: environ[name] for name in _HANDED_ON if name in environ}
    return {
        **general,
        **handed_on,
        **settings.environment,
        "SLURM_JOB_ID": str(task.job_id),
        "SLURMD_NODENAME": task.node,
        JOB_VARIABLE: str(task.job_id),
        "CLUSTER_DOCTOR_NODE": task.node,
        "CLUSTER_DOCTOR_CHECK": check,
        "CLUSTER_DOCTOR_BATCH": batch.id,
        "CLUSTER_DOCTOR_TASK": str(task.task),
        "CLUSTER_DOCTOR_SCRATCH": str(scratch),
        "CLUSTER_DOCTOR_PYTHON": str(settings.node_python),
        "CLUSTER_DOCTOR_REPORT": str(report),
    }
