"""The wall to whoever is told: runs a command, or posts to an address, with a deadline."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from checks.notices import Notice
from slurm_hooks.oneline import one_line

_WEBHOOK = Path(__file__).with_name("webhook.py")
_HEARD_BYTES = 1000
"""So much of what a command says of its failure; it may say more, and is read on."""
_END_S = 1.0
_EXEC = ("/bin/sh", "-c", 'exec "$@"', "sh")
"""Popen waits for what it starts to be read from disk; a shell is there, whatever else hangs."""


class Courier(Protocol):
    """Delivers one notice."""

    def deliver(self, notice: Notice, *, limit_s: float) -> str:
        """Return what went wrong, or nothing; never raises, and takes *limit_s* at most."""


class Messenger:
    """The real one. Both ways are a process in a session of its own, killed at its deadline.

    So a name server that hangs, and a server that answers a byte a minute, hold nobody up.
    """

    def deliver(self, notice: Notice, *, limit_s: float) -> str:
        """As `Courier.deliver`."""
        target = notice.target
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LC_ALL": "C.UTF-8",
            "CLUSTER_DOCTOR_NOTICE": notice.id,
        }
        if target.webhook is None:
            return run(target.command or (), notice.data, environment, limit_s=limit_s)
        argv = [sys.executable, "-I", str(_WEBHOOK)]
        return run(argv, _posted(notice, target.webhook), environment, limit_s=limit_s)


def run(
    argv: Sequence[str], stdin: bytes, environment: Mapping[str, str], *, limit_s: float
) -> str:
    """Run *argv* with *stdin*; returns why it did not exit 0 within *limit_s*, or nothing.

    Nothing that it started in its session outlives this.
    """
    ends_at = time.monotonic() + limit_s
    try:
        with _in_memory(stdin) as source:
            process = subprocess.Popen(
                [*_EXEC, *argv], stdin=source, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                cwd="/", env=dict(environment), start_new_session=True,
            )  # fmt: skip
    except (OSError, ValueError) as error:
        return f"cannot be started: {getattr(error, 'strerror', None) or error}"
    assert process.stderr is not None  # noqa: S101 - PIPE was asked for
    with process.stderr as errors:
        said = _hear(process.pid, errors.fileno(), ends_at)
        in_time = time.monotonic() < ends_at
        with contextlib.suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_END_S)
    if not in_time:
        return f"no answer in {limit_s:.0f} s"
    if process.returncode == 0:
        return ""
    return one_line(said.decode(errors="replace"), 200) or f"exit status {process.returncode}"


@contextlib.contextmanager
def _in_memory(data: bytes) -> Iterator[int]:
    """Yield a file that holds *data*: a program that never reads cannot hold us up."""
    handle = os.memfd_create("notice", os.MFD_CLOEXEC)
    try:
        os.write(handle, data)
        os.lseek(handle, 0, os.SEEK_SET)
        yield handle
    finally:
        os.close(handle)


def _hear(pid: int, errors: int, ends_at: float) -> bytes:
    """Return the first of what *pid* says on *errors*, once it ended or its time is over."""
    said = b""
    with contextlib.ExitStack() as stack:
        ended = os.pidfd_open(pid)
        stack.callback(os.close, ended)
        poll = select.poll()
        poll.register(ended, select.POLLIN)
        poll.register(errors, select.POLLIN)
        while (left := ends_at - time.monotonic()) > 0:
            ready = {handle for handle, _ in poll.poll(left * 1000)}
            if errors in ready:
                data = os.read(errors, 65536)
                said += data[: _HEARD_BYTES - len(said)]
                if not data:
                    poll.unregister(errors)
            if ended in ready:
                break  # what is left in the pipe may be somebody else's, and endless
    return said


def _posted(notice: Notice, url: str) -> bytes:
    """Return what `checks.webhook` reads; an argument could be read by everybody on this host."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "cluster-doctor",
        "Idempotency-Key": notice.id,
    }
    asked = {"url": url, "headers": headers, "body": notice.data.decode()}
    return json.dumps(asked).encode()
