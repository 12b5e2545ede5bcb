"""What `cluster-doctor` starts: the root command, with as little before and after it as can be."""

import gc
import os
import sys
from typing import NoReturn

_GARBAGE_AFTER = 100_000
"""Objects. Nearly all that a command makes, it needs until its end; Python looks after 700."""


def main() -> NoReturn:
    """Run the command line and end the process.

    The interpreter is not tidied up: nothing is registered for its end, what is written down is
    on disk before a command returns, and it would take a sixth of the time of `status`.
    """
    gc.set_threshold(_GARBAGE_AFTER)
    code = _run()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError:  # a reader that is gone needs no message
        code = code or 1
    os._exit(code)


def _run() -> int:
    """Return the exit status."""
    try:
        from slurm_hooks.cli import main as run  # noqa: PLC0415 Ctrl-C may come while it loads

        run()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except KeyboardInterrupt:
        return 130
    return 0
