"""The walls to what starts sweeps: scrontab(1), crontab(1), and systemd's timers."""

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from slurm_hooks import block
from slurm_hooks.errors import ScheduleError
from slurm_hooks.files import write_durably

_TIMEOUT_S = 60.0
_MODE = 0o644


class Place(Protocol):
    """Where an entry of ours can be. Every call may raise ScheduleError."""

    @property
    def name(self) -> str:
        """What people call it."""

    def read(self) -> str | None:
        """Return our entry, or None where there is none."""

    def remove(self) -> bool:
        """Take our entry out and nothing else; returns whether there was one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A user's table behind scrontab(1) or crontab(1): both know -l, -r, -u and ``-``."""

    program: Path
    user: str | None
    """Whose; None is who runs this."""
    cluster: str
    """Names our block in it."""
    environment: Mapping[str, str]

    @property
    def name(self) -> str:
        """As `Place.name`."""
        return self.program.name

    def read(self) -> str | None:
        """As `Place.read`."""
        return block.block(self._list(), self.cluster)

    def install(self, entry: str) -> None:
        """Put *entry* into our block, in place of what is there.

        Raises:
            ScheduleError: the program refused; the table is as it was.
        """
        before = self._list()
        after = block.with_block(before, self.cluster, entry)
        if after != before:
            self._run("-", stdin=after)

    def remove(self) -> bool:
        """As `Place.remove`."""
        before = self._list()
        after = block.without_block(before, self.cluster)
        if after == before:
            return False
        if after.strip():
            self._run("-", stdin=after)
        else:
            self._run("-r")
        return True

    def _list(self) -> str:
        """Return the whole table; both programs exit 1 where there is none, and say so."""
        return self._run("-l", accept="no crontab for")

    def _run(self, *arguments: str, stdin: str = "", accept: str = "") -> str:
        who = ("-u", self.user) if self.user else ()
        argv = [str(self.program), *who, *arguments]
        return _run(argv, self.environment, stdin=stdin, accept=accept)


@dataclass(frozen=True, slots=True, kw_only=True)
class Units:
    """Unit files in a directory; *systemctl* is None where systemd does not read it."""

    directory: Path
    names: Sequence[str]
    timer: str
    """The one that is enabled."""
    systemctl: Path | None
    environment: Mapping[str, str]

    @property
    def name(self) -> str:
        """As `Place.name`."""
        return f"systemd ({self.directory})"

    def read(self) -> str | None:
        """As `Place.read`."""
        paths = [path for path in self._paths if path.is_file()]
        texts = [f"### {path}\n{path.read_text(encoding='utf-8')}" for path in paths]
        return "\n".join(texts) if texts else None

    def install(self, units: Mapping[str, str]) -> None:
        """Write *units*, texts by file name, and start the timer.

        Raises:
            ScheduleError: the directory cannot be written, or systemctl refused.
        """
        for name, text in units.items():
            path = self.directory / name
            try:
                write_durably(path, text.encode(), mode=_MODE)
            except OSError as error:
                raise ScheduleError(
                    f"{path}: cannot write it: {error.strerror}; run this as root, "
                    "or name another directory with --units"
                ) from error
        self._systemctl("daemon-reload")
        self._systemctl("enable", "--now", self.timer)

    def remove(self) -> bool:
        """As `Place.remove`."""
        if self.read() is None:
            return False
        self._systemctl("disable", "--now", self.timer)
        for path in self._paths:
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                raise ScheduleError(f"{path}: cannot remove it: {error.strerror}") from error
        self._systemctl("daemon-reload")
        return True

    @property
    def _paths(self) -> list[Path]:
        return [self.directory / name for name in self.names]

    def _systemctl(self, *arguments: str) -> None:
        if self.systemctl is not None:
            _run([str(self.systemctl), *arguments], self.environment)


def why_no_scrontab(slurm_bin: Path, config: Mapping[str, str]) -> str | None:
    """Return why scrontab cannot be used, or None where it can.

    slurm.conf(5), ScronParameters: without ``enable`` every call fails.
    """
    if not (slurm_bin / "scrontab").is_file():
        return f"{slurm_bin}/scrontab is not there (Debian 12's Slurm has none)"
    if "enable" not in config.get("ScronParameters", "").lower():
        return "slurm.conf does not say ScronParameters=enable"
    return None


def _run(
    argv: Sequence[str], environment: Mapping[str, str], *, stdin: str = "", accept: str = ""
) -> str:
    """Return what *argv* printed; nothing where it failed and said *accept*."""
    shown = " ".join(argv)
    try:
        done = subprocess.run(
            argv, input=stdin, capture_output=True, text=True, errors="surrogateescape",
            timeout=_TIMEOUT_S, env=dict(environment), check=False,
        )  # fmt: skip
    except OSError as error:
        raise ScheduleError(f"cannot run {argv[0]}: {error.strerror}") from error
    except subprocess.TimeoutExpired as error:
        raise ScheduleError(f"{shown}: no answer in {_TIMEOUT_S:g} s") from error
    if not done.returncode:
        return done.stdout
    said = " ".join((done.stderr + done.stdout).split())  # scrontab complains on stdout
    if accept and accept in said:
        return ""
    raise ScheduleError(f"{shown}: exit {done.returncode}: {said or 'no message'}")
