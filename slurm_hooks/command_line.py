"""Runs one of Slurm's commands: list argv, a deadline, a clean environment, UTF-8 both ways."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from slurm_hooks.errors import SlurmError, UnreachableError


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command that slurmctld answered came to."""

    shown: str
    """The command as messages name it."""
    status: int
    printed: str
    said: str
    """Its standard error, on one line."""

    def error(self, remedy: str = "") -> SlurmError:
        """Return the error that says what failed, what Slurm said, and *remedy*."""
        told = f"{self.shown}: exit {self.status}: {self.said or 'no message'}"
        kind = UnreachableError if self.unreachable else SlurmError
        return kind(f"{told}; {remedy}" if remedy else told)

    @property
    def unreachable(self) -> bool:
        """Whether no slurmctld was found."""
        return bool(self.status) and _unreachable(self.said)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """Where Slurm's commands are, and how long one may take."""

    bin_dir: Path
    conf: Path | None = None
    timeout_s: float = 60.0

    def ask(self, program: str, *arguments: str, stdin: str = "", shown: str = "") -> Answer:
        """Run *program* to its end; *shown* names it in messages where its arguments are many.

        Raises:
            UnreachableError: it could not run, did not end in time, or found no slurmctld.
            SlurmError: it cannot be asked. A refusal is no error here: the answer's status
                tells.
        """
        argv = [str(self.bin_dir / program), *arguments]
        shown = shown or " ".join([program, *arguments])[:120]
        try:
            done = subprocess.run(
                [_bytes(one) for one in argv], input=_bytes(stdin), capture_output=True,
                timeout=self.timeout_s, env=self._environment(), check=False,
            )  # fmt: skip
        except OSError as error:
            raise UnreachableError(
                f"cannot run {argv[0]}: {error.strerror}; "
                "slurm_bin in the settings names its directory"
            ) from error
        except ValueError as error:  # a NUL or half a character, which no argument can hold
            raise SlurmError(f"{shown}: cannot be said to Slurm: {error}") from error
        except subprocess.TimeoutExpired as error:
            raise UnreachableError(
                f"{shown}: no answer in {self.timeout_s:g} s; is slurmctld up? (scontrol ping)"
            ) from error
        printed, said = (one.decode(errors="replace") for one in (done.stdout, done.stderr))
        answer = Answer(
            shown=shown, status=done.returncode, printed=printed, said=" ".join(said.split())
        )
        if answer.unreachable:
            raise answer.error()
        return answer

    def _environment(self) -> dict[str, str]:
        """sbatch hands this to the job, so it holds nothing of whoever runs the sweep."""
        environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
        if self.conf is not None:
            environment["SLURM_CONF"] = str(self.conf)
        return environment


def _bytes(text: str) -> bytes:
    """Return *text* as UTF-8 whatever the caller's locale, so that it reads back as it went."""
    return text.encode(errors="surrogateescape")


def _unreachable(said: str) -> bool:
    return "Unable to contact slurm controller" in said or "Socket timed out" in said
