"""Hears the signals that end a visit, and wakes whoever is waiting."""

import os
import select
import signal
import time
from types import FrameType

STOPS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
HEARD = STOPS | {signal.SIGCHLD}


class Signals:
    """Notes signals and does nothing else about them, so that nothing is cut off half way.

    Neither a record's write nor a fork can be interrupted by a handler; the code asks
    `stopped_by` where it is ready to. One per process, made in the main thread.
    """

    def __init__(self) -> None:
        self._stopped_by = ""
        self.fd, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        for number in HEARD:
            signal.signal(number, self._note)

    @property
    def stopped_by(self) -> str:
        """The name of the first signal that asked this process to stop, or nothing."""
        return self._stopped_by

    def clear(self) -> None:
        """Take back the wake-ups so far: `fd` is readable again at the next signal."""
        try:
            while os.read(self.fd, 4096):
                pass
        except BlockingIOError:
            return

    def sleep(self, seconds: float) -> None:
        """Return after *seconds*, or at once when this process is asked to stop."""
        ends_at = time.monotonic() + seconds
        while not self._stopped_by and (left := ends_at - time.monotonic()) > 0:
            select.select([self.fd], [], [], left)
            self.clear()

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if number in STOPS and not self._stopped_by:
            self._stopped_by = signal.Signals(number).name


def restore_defaults() -> None:
    """In a forked child, before exec: hear nothing, and start with no signal blocked or ignored."""
    signal.set_wakeup_fd(-1)
    for number in HEARD | {signal.SIGPIPE, signal.SIGXFSZ}:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
