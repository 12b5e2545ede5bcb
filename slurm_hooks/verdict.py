"""What the way a check's program ended says: the one table of exit codes."""

import signal as signals

from slurm_hooks.outcome import Outcome

JUDGEMENTS = {
    0: Outcome.PASS,
    193: Outcome.WARN,
    194: Outcome.FAIL,
    195: Outcome.SKIP,
}
"""Codes that no crash produces by accident: above every 128 + signal (192 is the last) and
above Linux's errno (133, what perl's die exits with), below systemd's 200 to 245."""


def verdict(exit_code: int | None, signal: int | None) -> tuple[Outcome, str]:
    """Return the outcome, and why where the program's own words cannot tell.

    Exactly one of *exit_code* and *signal* is a number. Whatever is not a judgement is
    an error: it says something about the program and nothing about the node.
    """
    if signal is not None:
        memory = " (out of memory?)" if signal == signals.SIGKILL else ""
        return Outcome.ERROR, f"killed by {_name(signal)}{memory}"
    if exit_code in JUDGEMENTS:
        return JUDGEMENTS[exit_code], ""
    if exit_code == 126:
        return Outcome.ERROR, "exit status 126: a command cannot be executed"
    if exit_code == 127:
        return Outcome.ERROR, "exit status 127: command not found"
    if exit_code is not None and 128 < exit_code < 193:
        killer = _name(exit_code - 128)
        return Outcome.ERROR, f"exit status {exit_code}: a command was killed by {killer}"
    return Outcome.ERROR, f"exit status {exit_code}"


def _name(number: int) -> str:
    try:
        return signals.Signals(number).name
    except ValueError:
        return f"signal {number}"
