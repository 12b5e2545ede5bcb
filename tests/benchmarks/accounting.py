"""A lab whose accounting holds many jobs, and sacct's answers about them: the baseline to beat."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.benchmarks.process import Cost, measured, measuring
from tests.lab import Lab
from tests.lab.config import DATABASE
from tests.lab.users import ORDINARY

NODES = 1000
DAYS = 30
FAIL_IN = 50
"""One job in so many failed."""

_FIRST = 10
"""Job ids begin after it; the real jobs have smaller ones."""

_POOL_BYTES = 4 << 30
_LOAD_S = 600.0
_SPAN_S = DAYS * 86_400
_NODE = f"(seq * 7919 % {NODES})"
"""Every node in its turn: a job on each every 43 minutes, where 1,000,000 are over 30 days."""

_END = "(@begin + seq * @span DIV @jobs)"
_START = f"({_END} - 60 - seq * 31 % 540)"
_FAILED = f"(seq * 613 + seq DIV {NODES}) % {FAIL_IN} = 0"
"""Of every thousand jobs equally many, each time on other nodes."""

_COMMON = {
    "job_db_inx": f"seq + {_FIRST}",
    "exit_code": f"IF({_FAILED}, 256, 0)",
    "state": f"IF({_FAILED}, 5, 3)",
    "nodelist": f"CONCAT('n', LPAD({_NODE}, 4, '0'))",
    "node_inx": _NODE,
    "time_start": _START,
    "time_end": _END,
}
_JOB = _COMMON | {
    "id_job": f"seq + {_FIRST}",
    "mod_time": _END,
    "time_submit": _START,
    "time_eligible": _START,
}


class Accounting:
    """A running lab with slurmdbd and *jobs* jobs of one node each, evenly over DAYS and NODES."""

    def __init__(self, lab: Lab, jobs: int) -> None:
        self.lab, self.jobs = lab, jobs
        self._output = lab.root / "answer"

    def sacct(self, *arguments: str) -> Cost:
        """Return what one run of sacct took."""
        return self.run(["sacct", *arguments])

    def run(self, argv: Sequence[str]) -> Cost:
        """Return what one run of a command in the lab took, sacct maybe within it."""
        command = self.lab.commands.argv(measuring(argv, self._output))
        return measured(command, env=self.lab.bin_env, cwd=self.lab.root, output=self._output)

    def answered(self) -> int:
        """Return how many lines the last answer had."""
        with self._output.open("rb") as lines:
            return sum(1 for _ in lines)

    def forget_peak(self) -> None:
        """Let slurmdbd's peak of memory begin anew at what it holds now (proc(5), clear_refs)."""
        self._of_slurmdbd("clear_refs").write_text("5")

    def peak_mb(self) -> float:
        """Return the most that slurmdbd held since `forget_peak`."""
        lines = self._of_slurmdbd("status").read_text().splitlines()
        return next(int(line.split()[1]) / 1000 for line in lines if line.startswith("VmHWM"))

    def _of_slurmdbd(self, name: str) -> Path:
        return Path(f"/proc/{self.lab.slurmdbd.pid()}/{name}")


@contextlib.contextmanager
def accounting(jobs: int) -> Iterator[Accounting]:
    """Start a lab, put *jobs* jobs into its database, all of it in memory, and take it down.

    Raises:
        AssertionError: sacct does not answer with what was put in.
    """
    with Lab.create(nodes=1, hooks=False) as lab:
        lab.up()
        _load(lab, jobs)
        made = Accounting(lab, jobs)
        _verify(made)
        lab.slurmdbd.stop()  # it keeps the memory of the largest answer
        lab.slurmdbd.start()
        yield made


def _load(lab: Lab, jobs: int) -> None:
    """Copy the rows of a real job *jobs* times, in the order of time as slurmdbd would."""
    real = _real_job(lab)
    _sql(lab, f"SET GLOBAL innodb_buffer_pool_size = {_POOL_BYTES}")
    _sql(lab, "SET GLOBAL innodb_log_file_size = 1073741824")
    for table, values in (("job", _JOB), ("step", _COMMON)):
        _copy(lab, f"lab_{table}_table", values, real=real, jobs=jobs)
    _sql(  # or no job is of a node that the cluster had then, and -N finds none
        lab,
        f"UPDATE lab_event_table SET time_start = time_start - 2 * {_SPAN_S},"
        f" cluster_nodes = 'n[0000-{NODES - 1:04}]' WHERE node_name = ''",
    )
    size = "SELECT SUM(data_length + index_length) FROM information_schema.tables"
    held = int(_sql(lab, f"{size} WHERE table_schema = '{DATABASE}'"))
    if held > _POOL_BYTES:
        raise AssertionError(f"the database of {held} bytes is not all in memory")


def _real_job(lab: Lab) -> int:
    """Run two jobs and return the second's id: the first of a cluster is not written whole."""
    argv = ["sbatch", "--parsable", "--wait", "--output=/dev/null", "--time=10", "--nodes=1"]
    said = [lab.run(argv, user=ORDINARY[0], stdin="#!/bin/sh\nexit 0\n") for _ in range(2)]
    job = int(said[-1].stdout)
    whole = (
        "SELECT COUNT(*) FROM lab_job_table JOIN lab_step_table USING (job_db_inx)"
        f" WHERE id_job = {job} AND lab_job_table.time_end > 0 AND lab_job_table.nodes_alloc = 1"
    )
    lab.wait_for(lambda: _sql(lab, whole) == "1", 30, "slurmdbd to have the job")
    return job


def _copy(lab: Lab, table: str, values: Mapping[str, str], *, real: int, jobs: int) -> None:
    listed = "SELECT GROUP_CONCAT(column_name ORDER BY ordinal_position) "
    listed += f"FROM information_schema.columns WHERE table_name = '{table}'"
    columns = _sql(lab, listed).split(",")
    chosen = ", ".join(values.get(name, f"shape.`{name}`") for name in columns)
    _sql(
        lab,
        f"CREATE TEMPORARY TABLE shape AS SELECT * FROM {table} WHERE job_db_inx ="
        f" (SELECT job_db_inx FROM lab_job_table WHERE id_job = {real});"
        f"SET @jobs = {jobs}, @span = {_SPAN_S}, @begin = UNIX_TIMESTAMP() - {_SPAN_S};"
        "SET unique_checks = 0, foreign_key_checks = 0;"
        f"INSERT INTO {table} ({', '.join(f'`{name}`' for name in columns)})"
        f" SELECT {chosen} FROM seq_1_to_{jobs} JOIN shape ORDER BY seq;"
        f"ANALYZE TABLE {table}",
    )


def _sql(lab: Lab, statements: str) -> str:
    socket = str(lab.layout.database_socket)
    argv = ["mariadb", "--no-defaults", "--batch", "-N", "-S", socket, DATABASE]
    return lab.run(argv, stdin=statements, timeout_s=_LOAD_S).stdout.strip()


def _verify(made: Accounting) -> None:
    """Hold sacct's counts against what was loaded; the oldest minutes have left the window."""
    for what, share in (
        (["-a", "-S", "now-1days"], 1 / DAYS),
        (["-a", "-S", f"now-{DAYS}days", "-E", "now", "-s", "F"], 1 / FAIL_IN),
        (["-N", "n0123", "-S", f"now-{DAYS}days"], 1 / NODES),
        (["-j", str(made.jobs // 2)], 1 / made.jobs),
    ):
        made.sacct("-X", *what, "-P", "-n", "-o", "JobID,NodeList,State")
        expected, found = made.jobs * share, made.answered()
        if abs(found - expected) > 0.05 * expected + 3:
            raise AssertionError(f"sacct {' '.join(what)}: {found} rows, not {expected:.0f}")
