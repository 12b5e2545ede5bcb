"""The job scripts: text made from values, apart from their submission."""

import shlex
from pathlib import Path
from string import Template


class _ShellTemplate(Template):
    """A template whose placeholders are @name, so that it is a shell script as it stands."""

    delimiter = "@"


def visit_script(*, python: Path, settings: Path, batch_id: str) -> str:
    """Return the job script of a batch's visits."""
    text = Path(__file__).with_name("visit.sh").read_text(encoding="utf-8")
    return _ShellTemplate(text).substitute(
        python=shlex.quote(str(python)),
        settings=shlex.quote(str(settings)),
        batch=shlex.quote(batch_id),
    )
