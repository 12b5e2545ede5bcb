"""One daemon of a lab: started, waited for, stopped, killed, paused, by its pid file."""

import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.lab import processes
from tests.lab.commands import Commands
from tests.lab.errors import LabError
from tests.lab.layout import Layout
from tests.lab.waiting import tails, wait_for

START_S = 30.0
STOP_S = 20.0
GRACE_S = 5.0  # a daemon in the background may write its pid file late


@dataclass(frozen=True, slots=True, kw_only=True)
class Daemon:
    """A daemon that puts itself into the background and writes its pid file.

    *ready* tells whether it serves; *after_start* is done each time that it starts to.
    """

    name: str
    argv: tuple[str, ...]
    layout: Layout
    commands: Commands
    ready: Callable[[], bool]
    after_start: Callable[[], None]

    @property
    def log(self) -> Path:
        return self.layout.log_file(self.name)

    def pid(self) -> int | None:
        """The process id, or None when it does not run."""
        try:
            pid = int(self.layout.pid_file(self.name).read_text())
        except (OSError, ValueError):
            return None
        return pid if processes.belongs(pid, self.layout.root) else None

    def start(self) -> None:
        """Start it, unless it runs, and return when it serves.

        Raises:
            LabError: it ended, or does not serve in time; the message has its log's tail.
        """
        if self.pid() is None:
            self.launch()
            self.wait_until_ready()

    def launch(self) -> None:
        """Start it without waiting for it to serve."""
        self.layout.pid_file(self.name).unlink(missing_ok=True)
        with self._stderr.open("wb") as errors:
            argv = self.commands.argv(self.argv)
            env = self.commands.environment("root")
            done = subprocess.run(
                argv,
                env=env,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=errors,
                stderr=errors,
                timeout=START_S,
                check=False,
            )
        if done.returncode:
            raise LabError(f"{self.name} exited {done.returncode}{tails(self._logs)}")

    def wait_until_ready(self) -> None:
        """Return when it serves."""
        started = time.monotonic()

        def serves_or_died() -> bool:
            if self.pid() is not None:  # slurmd writes its pid file once it listens
                return self.ready()
            if time.monotonic() - started > GRACE_S:
                raise LabError(f"{self.name} died while it started{tails(self._logs)}")
            return False

        wait_for(serves_or_died, START_S, f"{self.name} to serve", logs=self._logs)
        self.after_start()

    def stop(self) -> None:
        """End it in good order (SIGTERM) and return when it is gone."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it without warning (SIGKILL) and return when it is gone."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Make it hang (SIGSTOP): its port is open, and nobody answers."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after a pause (SIGCONT)."""
        self._signal(signal.SIGCONT)

    @property
    def _stderr(self) -> Path:
        return self.layout.log_file(f"{self.name}-stderr")

    @property
    def _logs(self) -> tuple[Path, Path]:
        return self._stderr, self.log

    def _signal(self, number: signal.Signals) -> int:
        pid = self.pid()
        if pid is None or not processes.send(pid, number, self.layout.root):
            raise LabError(f"{self.name} does not run, so it cannot get {number.name}")
        return pid

    def _end(self, number: signal.Signals) -> None:
        pid = self._signal(number)
        gone = f"{self.name} to end after {number.name}"
        wait_for(lambda: not processes.alive(pid), STOP_S, gone, logs=self._logs)
