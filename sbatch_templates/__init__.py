"""The job scripts, and what starts sweeps: text made from values, apart from their use."""

import shlex
from pathlib import Path

from sbatch_templates.text import filled

__all__ = ["visit_script"]


def visit_script(*, python: Path, settings: Path, batch_id: str) -> str:
    """Return the job script of a batch's visits."""
    return filled(
        "visit.sh",
        python=shlex.quote(str(python)),
        settings=shlex.quote(str(settings)),
        batch=shlex.quote(batch_id),
    )
