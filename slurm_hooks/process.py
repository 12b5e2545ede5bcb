"""Runs one program to its end, its time limit or the visit's, and leaves nothing of it behind."""

import contextlib
import fcntl
import os
import select
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from slurm_hooks.family import Family
from slurm_hooks.signals import HEARD, Signals, restore_defaults

GRACE_S = 2.0
"""Between SIGTERM and SIGKILL, for a program over its time limit."""
_NEWS_S = 0.1
"""Slurm signals every process of a job, one after the other: a program may have died of a
SIGTERM that is still on its way to the runner. Its exit is believed after this long."""
_PIPE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a program ended."""

    exit_code: int | None = None
    signal: int | None = None
    not_started: str = ""
    """Why it could not be started; then there is neither code nor signal."""
    timed_out: bool = False
    stopped: bool = False
    """Whether the runner was asked to stop before the program's end could be believed."""
    stuck: int = 0
    """How many of its processes live on after SIGKILL."""
    duration_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to start, and where."""

    argv: Sequence[str]
    cwd: Path
    environment: Mapping[str, str]
    limit_s: float


def run_program(
    command: Command, *, family: Family, signals: Signals, output: Callable[[bytes], None]
) -> Ended:
    """Run *command* in a session of its own; all it prints goes to *output*.

    Returns once it and all its descendants are gone (or stuck in the kernel): by
    themselves, by SIGTERM and SIGKILL at its time limit, or by SIGKILL at once when
    the runner is asked to stop.
    """
    started = time.monotonic()
    try:
        running = _start(command, family, output)
    except OSError as error:
        return Ended(not_started=str(error.strerror), duration_s=0.0)
    try:
        timed_out = running.watch(signals, started + command.limit_s)
        duration_s = time.monotonic() - started
        stuck = family.end()
        running.drain()
        why_not = running.failure()
    finally:
        running.close()
    if not timed_out:
        signals.sleep(_NEWS_S)
    code = os.waitstatus_to_exitcode(family.status) if family.status is not None else None
    return Ended(
        exit_code=code if code is not None and code >= 0 and not why_not else None,
        signal=-code if code is not None and code < 0 else None,
        not_started=why_not,
        timed_out=timed_out,
        stopped=bool(signals.stopped_by),
        stuck=stuck,
        duration_s=duration_s,
    )


class _Running:
    """One started program and the pipes from it."""

    def __init__(self, family: Family, output: Callable[[bytes], None], pipes: "_Pipes") -> None:
        self._family = family
        self._output = output
        self._pipes = pipes
        self._is_open = True

    def watch(self, signals: Signals, ends_at: float) -> bool:
        """Return when the program ended, was stopped or is over its time; whether the last."""
        poll = select.poll()
        poll.register(signals.fd, select.POLLIN)
        poll.register(self._pipes.output, select.POLLIN)
        asked = False
        while self._family.status is None and not signals.stopped_by:
            poll.poll(max(0.0, ends_at - time.monotonic()) * 1000)
            signals.clear()
            self._family.reap()
            if self._is_open and not self._read():
                poll.unregister(self._pipes.output)
            if time.monotonic() >= ends_at and self._family.status is None:
                if asked:
                    break
                self._family.ask()
                asked, ends_at = True, time.monotonic() + GRACE_S
        return asked

    def drain(self) -> None:
        """Take what is left in the pipe, and no more: somebody outside may hold it open."""
        for _ in range(_PIPE_BYTES // 4096):
            if not self._is_open or not self._read():
                return

    def failure(self) -> str:
        """Return why the program could not be executed, or nothing."""
        try:
            return os.read(self._pipes.failure, 1000).decode(errors="replace")
        except BlockingIOError:
            return ""

    def close(self) -> None:
        os.close(self._pipes.output)
        os.close(self._pipes.failure)

    def _read(self) -> bool:
        try:
            data = os.read(self._pipes.output, _PIPE_BYTES)
        except BlockingIOError:
            return self._is_open
        self._output(data)
        self._is_open = bool(data)
        return self._is_open


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pipes:
    output: int
    failure: int


def _start(command: Command, family: Family, output: Callable[[bytes], None]) -> _Running:
    """Fork, without waiting for exec: a program on a stuck file system must not hold us."""
    output_end, output_pipe = os.pipe2(os.O_CLOEXEC)
    failure_end, failure_pipe = os.pipe2(os.O_CLOEXEC)
    for handle in (output_end, failure_end):
        os.set_blocking(handle, False)
    _widen(output_end)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    try:
        pid = os.fork()
        if pid == 0:
            _become(command, output_pipe, failure_pipe)
        family.expect(pid)
    except OSError:
        os.close(output_end)
        os.close(failure_end)
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        os.close(output_pipe)
        os.close(failure_pipe)
    return _Running(family, output, _Pipes(output=output_end, failure=failure_end))


def _widen(pipe: int) -> None:
    """Ask for a larger pipe, so that a flood costs fewer wake-ups; the kernel may refuse."""
    with contextlib.suppress(OSError):
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)


def _become(command: Command, output: int, failure: int) -> NoReturn:
    """In the forked child: turn into the program, or tell *failure* why not."""
    try:
        os.setsid()
        _offer_to_the_oom_killer()
        os.chdir(command.cwd)
        os.umask(0o022)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(output, 1)
        os.dup2(output, 2)
        _close_all_but(failure)
        restore_defaults()
        os.execvpe(command.argv[0], list(command.argv), dict(command.environment))  # noqa: S606
    except OSError as error:
        os.write(failure, (error.strerror or str(error)).encode(errors="replace"))
    except BaseException as error:  # noqa: BLE001 - this process must not go on as the runner
        os.write(failure, repr(error).encode(errors="replace")[:1000])
    finally:
        os._exit(127)


def _close_all_but(failure: int) -> None:
    """Close what Slurm or we left open; *failure* closes itself at exec."""
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers, not paths
        if int(name) > 2 and int(name) != failure:
            with contextlib.suppress(OSError):
                os.close(int(name))


def _offer_to_the_oom_killer() -> None:
    """Make the kernel prefer the program to the runner, which then can tell the tale."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("500", encoding="ascii")
