"""How a check on a node ended, and on whose word."""

from enum import StrEnum


class Outcome(StrEnum):
    """How one check on one node ended; complete and disjoint."""

    PASS = "pass"
    WARN = "warn"
    FAIL = "fail"
    ERROR = "error"
    TIMEOUT = "timeout"
    SKIP = "skip"
    PREEMPTED = "preempted"
    CANCELLED = "cancelled"
    NODE_FAIL = "node_fail"
    NOT_STARTED = "not_started"

    @property
    def judged(self) -> bool:
        """Whether it says something about the node; only these make a proof fresh."""
        return self in (Outcome.PASS, Outcome.WARN, Outcome.FAIL)


class Evidence(StrEnum):
    """Whose word a record is."""

    RUNNER = "runner"
    """The runner's, on the node, with the batch's token."""

    SLURM = "slurm"
    """Inferred by the sweep from what slurmctld and slurmdbd say."""

    CONFLICT = "conflict"
    """The sweep's, where the runner's word and Slurm's cannot both be true."""

    @property
    def revision(self) -> int:
        """Which of two records of one result counts: the higher, whenever it arrives."""
        return {Evidence.SLURM: 1, Evidence.RUNNER: 2, Evidence.CONFLICT: 3}[self]

    @property
    def suffix(self) -> str:
        """What marks its records' file names; one of conflict sorts after the one it overrules."""
        return {Evidence.SLURM: ".inferred", Evidence.RUNNER: "", Evidence.CONFLICT: ".overruled"}[
            self
        ]
