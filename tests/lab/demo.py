"""The main job on a real cluster with planted faults, shown to a person: ``make demo``.

Exits 0 only if every node ended as its fault demands.
"""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NoReturn

from slurm_hooks.journal_file import JournalFile
from slurm_hooks.state import State
from slurm_hooks.verified import verifications
from tests.lab import Lab, LabError
from tests.lab.saved import kill_when_saved
from tests.lab.users import SERVICE

BUSY, READ_ONLY, HANGING, CRASHING = "n001", "n002", "n004", "n005"
CHECKS = ("cpu", "memory", "storage")
FAULTS = {
    BUSY: "a user's job fills it",
    READ_ONLY: "its storage is mounted read-only",
    HANGING: "its memory check hangs",
    CRASHING: "its cpu check crashes",
}
EXPECTED: Mapping[tuple[str, str], str] = {
    (READ_ONLY, "storage"): "fail",
    (HANGING, "memory"): "timeout",
    (CRASHING, "cpu"): "error",
}
_ROUNDS = 6


def main() -> int:
    """Run the demo; returns the exit status."""
    signal.signal(signal.SIGTERM, _interrupted)
    try:
        with Lab.create() as lab:
            return Demo(lab).run()
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ndemo: interrupted; the cluster is gone", file=sys.stderr)
        return 130


def _interrupted(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt


class Demo:
    """One showing, on a lab that is not yet up."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._began = time.monotonic()
        self._screen = {
            "COLUMNS": str(shutil.get_terminal_size((100, 24)).columns),
            "TERM": os.environ.get("TERM", "dumb"),
        }

    def run(self) -> int:
        """Show everything; returns 0 if the outcomes are the right ones."""
        self._bring_up()
        self._plant()
        self._say("The plan: every node, and why it is visited or not.")
        self._command("plan")
        self._sweep_while_slurmctld_dies()
        self._sweep_until_nothing_is_due()
        self._say("What is known now.")
        self._command("status")
        self._say("And everything that happened.")
        self._command("history", "--format", "finished,node,check,outcome,duration,detail")
        self._say("What was done about it: only a fail takes a node, and only where it may.")
        self._command("reactions")
        self._command("nodes")
        wrong = self._judge()
        self._return_the_repaired()
        latest = _latest(self._lab.state_dir / "status.sqlite")
        if self._drained() or latest[READ_ONLY, "storage"] != "pass":
            wrong.append(f"{READ_ONLY} did not return to service with a pass")
        return self._end(wrong)

    def _bring_up(self) -> None:
        lab = self._lab
        self._say(f"Starting a real Slurm cluster of {len(lab.nodes)} nodes in {lab.root}")
        lab.install()
        lab.up()
        lab.configure(max_concurrent_visits=4, record_grace="0s", reactions={"probation": 0})
        (lab.definitions / "dl-unit.yaml").write_text("suspend: true\n")
        _define(lab, "cpu", "--seconds", "1")
        _define(lab, "memory", "--size", "32M")
        _define(
            lab, "storage", "--size", "8M", "--path", str(lab.data_dir("{node}")),
            failure_reactions={"drain": {}}, success_reactions={"undrain": {}},
        )  # fmt: skip

    def _plant(self) -> None:
        self._say("Planting faults:")
        for node, fault in FAULTS.items():
            print(f"    {node}: {fault}")
        job = self._lab.occupy(BUSY)
        self._lab.read_only(READ_ONLY)
        self._lab.fault(HANGING, "memory", "hang")
        self._lab.fault(CRASHING, "cpu", "crash")
        self._wait_until_saved(job)

    def _wait_until_saved(self, job: int) -> None:
        """A slurmctld that is killed forgets what it has not saved, the user's job included."""
        changed_at = time.time()
        self._lab.run(["scontrol", "update", f"JobId={job}", "Comment=a user's job"])
        self._wait_for_save(changed_at, "slurmctld to save the user's job")

    def _wait_for_save(self, since: float, what: str) -> None:
        saved = self._lab.layout.controller / "job_state"
        self._lab.wait_for(lambda: saved.exists() and saved.stat().st_mtime > since, 30, what)

    def _sweep_while_slurmctld_dies(self) -> None:
        self._say("A sweep submits the visits. While they run, slurmctld is killed (-9).")
        sweep = self._start("sweep", "--wait")
        self._lab.wait_for(self._some_visit_runs, 20, "a visit to run")
        # One that forgets them gives their job ids away again, and Slurm drains nodes for that.
        kill_when_saved(self._lab, 30)
        print("    slurmctld is dead; the visits on the nodes go on", flush=True)
        time.sleep(1)
        self._lab.slurmctld.start()
        print("    slurmctld is back", flush=True)
        if sweep.wait(timeout=60):
            raise LabError("the sweep failed; see its message above")

    def _some_visit_runs(self) -> bool:
        running = self._lab.run(["squeue", "-h", "-t", "R", "-p", "background", "-o", "%i"])
        return bool(running.stdout.strip())

    def _sweep_until_nothing_is_due(self) -> None:
        for _ in range(_ROUNDS):
            self._lab.wait_for(self._visits_are_over, 30, "the nodes to be idle again")
            self._say("The next sweep takes in what was found, and plans again.")
            self._command("sweep", "--wait")
            if not self._is_due():
                self._command("plan")
                return
        raise LabError(f"there was still something due after {_ROUNDS} sweeps")

    def _visits_are_over(self) -> bool:
        states = self._lab.states()
        return all(states[node].startswith("idle") for node in self._lab.nodes if node != BUSY)

    def _is_due(self) -> bool:
        plan = self._lab.run_as_service(["cluster-doctor", "plan", "-n", "-P"]).stdout
        return any(
            line.split("|")[1] in {"due", "over-limit", "in-batch"} for line in plan.splitlines()
        )

    def _judge(self) -> list[str]:
        """Return what is not as it should be."""
        self._show_that_nothing_was_lost()
        latest = _latest(self._lab.state_dir / "status.sqlite")
        wrong = []
        for node in self._lab.nodes:
            for check in CHECKS:
                wanted = None if node == BUSY else EXPECTED.get((node, check), "pass")
                found = latest.get((node, check))
                if found != wanted:
                    wrong.append(f"{check} on {node} is {found}, and should be {wanted}")
        if self._drained() != [READ_ONLY]:
            wrong.append(f"drained are {self._drained()}, and should be {READ_ONLY} alone")
        return wrong

    def _return_the_repaired(self) -> None:
        self._say(
            f"The disk of {READ_ONLY} is repaired. The node is reserved, tested in there, and "
            "returned only because it passes."
        )
        self._lab.read_write(READ_ONLY)
        self._command("verify", READ_ONLY, user="root")
        self._lab.wait_for(
            lambda: self._lab.responds(READ_ONLY), 30, f"{READ_ONLY} to respond again"
        )
        self._command("sweep", "--wait")
        self._lab.wait_for(self._verification_is_over, 30, f"{READ_ONLY} to be returned")
        self._command("node", READ_ONLY)

    def _verification_is_over(self) -> bool:
        return not verifications(JournalFile(State(self._lab.state_dir).reactions).read())

    def _drained(self) -> list[str]:
        return [name for name, state in self._lab.states().items() if "drain" in state]

    def _end(self, wrong: list[str]) -> int:
        took = time.monotonic() - self._began
        if wrong:
            print("\n".join(["", "demo: not as it should be:", *wrong]), file=sys.stderr)
            return 1
        self._say(
            "Every planted fault was found, and nothing else was; the busy node was left alone; "
            f"the repaired one is back. {took:.0f} s."
        )
        return 0

    def _show_that_nothing_was_lost(self) -> None:
        """Compare what was planned, as the batches say, with what is in the history."""
        state = State(self._lab.state_dir)
        batches = [state.read_batch(path.name) for path in state.archive.iterdir()]
        planned = [
            f"{batch.id}|{visit.task}|{check}"
            for batch in batches
            for visit in batch.visits
            for check in visit.checks
        ]
        asked = ["cluster-doctor", "history", "-n", "-P", "-o", "batch,task,check"]
        found = self._lab.run_as_service(asked).stdout.split()
        if sorted(planned) != sorted(found) or state.open_batches():
            raise LabError(f"planned {len(planned)} checks and found {len(found)} results")
        self._say(
            f"Nothing was lost: {len(planned)} checks were planned in "
            f"{len(batches)} {'batch' if len(batches) == 1 else 'batches'}, and each has exactly "
            "one result."
        )

    def _say(self, text: str) -> None:
        print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n{text}", flush=True)

    def _command(self, *arguments: str, user: str = SERVICE) -> None:
        if self._start(*arguments, user=user).wait(timeout=90):
            raise LabError(f"cluster-doctor {' '.join(arguments)} failed; see its message above")

    def _start(self, *arguments: str, user: str = SERVICE) -> "subprocess.Popen[bytes]":
        """Start a command as the service account, or as *user*, on this terminal."""
        print(
            f"\n{'#' if user == 'root' else '$'} cluster-doctor {' '.join(arguments)}", flush=True
        )
        commands = self._lab.commands
        return subprocess.Popen(
            commands.argv(["cluster-doctor", *arguments], user),
            env=commands.environment(user) | self._screen,
            cwd=self._lab.root,
            stdin=subprocess.DEVNULL,
        )


def _define(lab: Lab, name: str, *options: str, **fields: object) -> None:
    command = ("{python}", "-I", "-m", f"checks.programs.{name}", *options)
    lab.add_check(name, command=command, max_age="1h", time_limit="6s", **fields)


def _latest(snapshot: Path) -> dict[tuple[str, str], str]:
    """Return the newest outcome of each (node, check)."""
    connection = sqlite3.connect(f"file:{snapshot}?mode=ro", uri=True)
    try:
        rows = connection.execute(
            "SELECT node, check_name, coalesce(attempt_outcome, judged_outcome) FROM status"
        )
        return {(node, check): outcome for node, check, outcome in rows}
    finally:
        connection.close()


if __name__ == "__main__":
    os.umask(0o022)
    sys.exit(main())
