"""What an administrator and an ordinary user do to the lab's nodes, and how the nodes stand."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.lab.commands import Commands
from tests.lab.spec import Spec
from tests.lab.waiting import wait_for

SETTLE_S = 30.0
STATES = "NodeList:|,StateComplete:|"
REASONS = "NodeList:|,StateComplete:|,Reason:|,User:|"


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """The nodes of a lab as slurmctld sees them."""

    commands: Commands
    spec: Spec

    def states(self) -> dict[str, str]:
        """Each node's whole state, like ``idle`` or ``idle+drain`` (sinfo(1), StateComplete)."""
        argv = ["sinfo", "--noheader", "--Node", "--partition=main", f"--Format={STATES}"]
        lines = self.commands.run(argv).stdout.splitlines()
        return {name: state for name, state, _ in (line.split("|") for line in lines)}

    def count_idle(self) -> int:
        """How many nodes are idle with nothing else to be said of them."""
        return list(self.states().values()).count("idle")

    def real_are_idle(self) -> bool:
        """Whether every real node is idle, asked cheaply: by state, not by node."""
        argv = ["sinfo", "--noheader", "--partition=main", f"--nodes={self.spec.node_list}"]
        done = self.commands.run([*argv, "--Format=StateComplete:|,Nodes:"], check=False)
        counts = [line.split("|") for line in done.stdout.splitlines()]
        return sum(int(count) for state, count in counts if state == "idle") == self.spec.nodes

    def responds(self, node: str) -> bool:
        """Whether the slurmd of *node* is registered and answers."""
        argv = ["sinfo", "--noheader", "--partition=main", f"--nodes={node}"]
        done = self.commands.run([*argv, "--Format=StateComplete:"], check=False)
        flags = set(done.stdout.strip().split("+"))
        return bool(done.stdout) and not flags & {"unknown", "down", "not_responding"}

    def drained(self) -> dict[str, tuple[str, str]]:
        """Why each drained node is, and who says so (sinfo(1), Reason and User)."""
        argv = ["sinfo", "--noheader", "--Node", "--partition=main", f"--Format={REASONS}"]
        rows = [line.split("|") for line in self.commands.run(argv).stdout.splitlines()]
        return {name: (why, who) for name, state, why, who, _ in rows if "drain" in state}

    def drain(self, node: str, reason: str) -> None:
        """Stop new jobs on *node*, as an administrator does."""
        self.update(node, "State=DRAIN", f"Reason={reason}")

    def resume(self, node: str) -> None:
        """Give a drained or down *node* back to jobs; return when it responds."""
        self.update(node, "State=RESUME")
        log = self.commands.layout.log_file(f"slurmd-{node}")
        wait_for(lambda: self.responds(node), SETTLE_S, f"{node} to respond", logs=[log])

    def update(self, nodes: str, *changes: str) -> None:
        """Change the hostlist *nodes* (scontrol(1), UPDATE NODE)."""
        self.commands.run(["scontrol", "update", f"NodeName={nodes}", *changes])

    def show_idle(self) -> None:
        """Make the nodes without a slurmd idle: slurmctld forgets them when it restarts."""
        if self.spec.idle_nodes:
            # slurmctld refuses the step from unknown to idle, and allows it from down.
            self.update(self.spec.idle_node_list, "State=DOWN", "Reason=start")
            self.update(self.spec.idle_node_list, "State=IDLE")

    def run_endless_job(self, *options: str, user: str) -> int:
        """Submit a job that never ends, as *user*; return its id once it really runs."""
        script = "--wrap=touch job-$SLURM_JOB_ID; exec sleep infinity"
        argv = ["sbatch", "--parsable", "--output=/dev/null", *options, script]
        job = int(self.commands.run(argv, user=user).stdout)
        self.wait_for_job(job, ["RUNNING"])
        # slurmctld says so as soon as it has asked slurmd to start the job.
        sign = self.commands.layout.home(user) / f"job-{job}"
        wait_for(sign.exists, SETTLE_S, f"job {job} to start its script")
        return job

    def job_state(self, job: int) -> str:
        """The job's state, like ``RUNNING``, or nothing when slurmctld has forgotten it."""
        argv = ["squeue", "--noheader", "--states=all", f"--jobs={job}", "--format=%T"]
        return self.commands.run(argv, check=False).stdout.strip()

    def wait_for_job(self, job: int, states: Sequence[str], deadline_s: float = SETTLE_S) -> None:
        """Return when *job* is in one of *states*."""
        log = self.commands.layout.log_file("slurmctld")
        what = f"job {job} to be {' or '.join(states)}"
        wait_for(lambda: self.job_state(job) in states, deadline_s, what, logs=[log])

    def jobs(self) -> list[str]:
        """The ids of all jobs that are not over yet, ended ones in their epilog included."""
        return self.commands.run(["squeue", "--noheader", "--all", "--format=%i"]).stdout.split()

    def cancel_all(self) -> None:
        """Cancel every job of every user."""
        jobs = self.jobs()
        if jobs:
            self.commands.run(["scancel", *(job.partition("_")[0] for job in jobs)], check=False)

    def clear_marks(self) -> None:
        """Undo drains, downs, comments and reservations, whoever made them."""
        argv = ["scontrol", "show", "reservation", "--oneliner"]
        for line in self.commands.run(argv).stdout.splitlines():
            name, _, _ = line.removeprefix("ReservationName=").partition(" ")
            if line.startswith("ReservationName="):
                self.commands.run(["scontrol", "delete", f"ReservationName={name}"])
        everywhere = self.spec.node_list
        if self.spec.idle_nodes:
            everywhere = f"{everywhere},{self.spec.idle_node_list}"
        self.update(everywhere, "Comment=", "Extra=")
        # Only where it is needed: a node that comes back does not respond for up to a second.
        states = self.states()
        drained = [name for name, state in states.items() if "+drain" in state]
        if drained:
            self.update(",".join(drained), "State=UNDRAIN")
        down = [name for name, state in states.items() if state.startswith("down")]
        if down:
            self.update(",".join(down), "State=RESUME")
