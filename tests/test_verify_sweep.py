"""The sweep's part in a verified return: which checks, where, and what else stays away."""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from checks.catalogue import Catalogue
from checks.verifying import plan_verifications
from slurm_hooks.batch import Batch
from slurm_hooks.journal import What
from slurm_hooks.journal_file import JournalFile
from slurm_hooks.reaction import Kind
from slurm_hooks.reactor import Reactor, ask_to_verify, react
from slurm_hooks.record import Evidence, Outcome, Record
from slurm_hooks.settings import parse_settings
from slurm_hooks.slurm_text import Task
from slurm_hooks.unseen import Seen
from tests.fakes.node_control import FakeNodes
from tests.test_sweep import World, definition


class Site(World):
    """A world with nodes that can be drained, and a reactor."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.nodes = FakeNodes(self.slurm.node_list, clock=lambda: self.slurm.now)
        self.slurm.reservation_list = self.nodes.reservation_list
        self.state.prepare()
        self.state.prepare_reactions()

    def react(self) -> None:
        assert not react(self.reactor()).problems

    def reactor(self) -> Reactor:
        uid = self.state.root.stat().st_uid
        return Reactor(
            settings=self.settings,
            state=self.state,
            control=self.nodes,
            journal=JournalFile(self.state.reactions),
            seen=Seen(self.state.considered, self.state, service_uid=uid),
            clock=lambda: self.slurm.now,
        )

    def verify(self, node: str = "n1") -> None:
        assert ask_to_verify(self.reactor(), [node], by="alice", patience_s=0) == {}
        self.react()

    def pass_over(self) -> list[str]:
        """One whole sweep, as the command does it; returns what it notes."""
        notes = plan_verifications(self.sweeper, clock=lambda: self.slurm.now)
        self.sweep()
        return notes

    def define(self, *checks: object) -> None:
        catalogue = Catalogue(definitions=tuple(checks), sources={})  # type: ignore[arg-type]
        self.sweeper = replace(self.sweeper, catalogue=catalogue)

    def verifying(self) -> list[Batch]:
        """The open batches of verifications."""
        batches = [self.state.read_batch(one) for one in self.state.open_batches()]
        return [one for one in batches if one.verifying]

    def whats(self, node: str = "n1") -> list[What]:
        items = JournalFile(self.state.reactions).read().items.values()
        return [
            event.what
            for item in items
            if item.entry.kind is Kind.VERIFY and item.entry.node == node
            for event in item.events
        ]

    def archived(self) -> list[Batch]:
        return [self.state.read_batch(path.name) for path in sorted(self.state.archive.iterdir())]

    def settled(self, failing: Collection[tuple[str, str]] = ()) -> None:
        """Sweep until every node was visited; what is *failing* fails, all else passes."""
        self.sweep()
        while started := list(self.slurm.start()):
            for batch, task in started:
                visit = next(one for one in batch.visits if one.task == task.task)
                for check in visit.checks:
                    bad = (visit.node, check) in failing
                    self.record(batch, task, check, Outcome.FAIL if bad else Outcome.PASS)
                self.slurm.end((task.array_job_id, visit.task), "COMPLETED")
        self.sweep()

    def record(self, batch: Batch, task: Task, check: str, outcome: Outcome) -> None:
        self.state.write_record(
            Record(
                cluster="lab", batch=batch.id, task=task.task or 0, attempt=0, check=check,
                node=task.node, job_id=task.job_id, token=batch.token,
                evidence=Evidence.RUNNER, outcome=outcome, finished_at=self.slurm.now,
            )
        )  # fmt: skip


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path / "state")


def test_a_node_with_nothing_against_it_must_pass_every_check_that_is_for_it(site: Site) -> None:
    site.settled()
    site.nodes.drain(["n1"], "new fan")
    site.verify()
    assert site.pass_over() == []
    [batch] = site.verifying()
    assert batch.verifying is not None
    assert batch.verifying.reservation == "cluster-doctor-verify-n1"
    assert [(one.node, one.checks) for one in batch.visits] == [("n1", ("cpu", "storage"))]
    assert site.run_visits() == 1
    site.react()
    assert site.whats() == [What.READY, What.PASSED, What.UNDONE]
    site.pass_over()
    assert site.state.open_batches() == []


def test_what_failed_there_runs_with_what_it_depends_on_and_no_more(site: Site) -> None:
    site.define(definition("base"), definition("cpu", depends_on=("base",)), definition("storage"))
    site.settled(failing=[("n1", "cpu")])
    site.nodes.drain(["n1"], "cpu fails")
    site.verify()
    site.pass_over()
    [batch] = site.verifying()
    assert batch.visits[0].checks == ("base", "cpu")


def test_nothing_else_visits_a_node_under_verification(site: Site) -> None:
    """Also while slurmctld does not show the reservation yet."""
    site.nodes.drain(["n1"], "new fan")
    site.verify()
    place = [node.name for node in site.slurm.node_list].index("n1")
    site.slurm.node_list[place] = replace(site.slurm.node_list[place], flags=frozenset())
    done = site.sweep()
    assert "n1" not in {visit.node for one in done.plan.batches for visit in one.visits}
    assert {one.node: one.verdict.value for one in done.plan.nodes}["n1"] == "unavailable"


def test_one_visit_at_a_time_is_planned_however_often_one_sweeps(site: Site) -> None:
    site.nodes.drain(["n1"], "new fan")
    site.verify()
    for _ in range(4):
        site.pass_over()
    assert len(site.verifying()) == 1


def test_after_three_visits_that_judged_nothing_no_fourth_is_planned(site: Site) -> None:
    site.define(definition("cpu"))
    site.nodes.drain(["n1"], "new fan")
    site.verify()
    for _ in range(6):
        site.pass_over()
        site.run_visits(Outcome.ERROR)
    [batch, *_] = [one for one in site.archived() if one.verifying]
    assert len([one for one in site.archived() if one.verifying]) == 3, batch
    site.react()
    assert site.whats() == [What.READY, What.FAILED, What.UNDONE]
    assert "DRAIN" in site.nodes.some_nodes(["n1"])[0].flags


def test_checks_of_different_shapes_take_a_visit_each(site: Site) -> None:
    site.define(definition("cpu"), definition("big", resources={"cpus": 2}))
    site.nodes.drain(["n1"], "new fan")
    site.verify()
    for _ in range(4):
        site.pass_over()
        site.run_visits()
        site.react()
    assert site.whats() == [What.READY, What.PASSED, What.UNDONE]


def test_a_job_of_its_own_runs_in_the_reservation_too(site: Site) -> None:
    site.define(definition("cpu", mode="job"))
    site.slurm.node_list[:] = [
        replace(node, partitions=(*node.partitions, "hidden")) for node in site.slurm.node_list
    ]
    site.nodes.drain(["n1"], "new fan")
    site.verify()
    site.pass_over()
    [batch] = site.verifying()
    assert batch.partition == "hidden"
    site.run_visits()
    site.react()
    assert site.whats()[-1] is What.UNDONE


def test_a_node_that_the_settings_leave_out_is_named_with_the_reason(site: Site) -> None:
    site.nodes.drain(["n1"], "new fan")
    site.verify()
    text = f'cluster="lab"\nstate_dir="{site.state.root}"\nlog_dir="/l"\nexclude_nodes="n1"\n'
    site.sweeper = replace(site.sweeper, settings=parse_settings(text, Path("s.toml")))
    assert site.pass_over() == ["n1 cannot be verified now: exclude_nodes in the settings names it"]
    assert site.verifying() == []


def test_a_visit_whose_node_an_admin_drained_is_given_up(site: Site) -> None:
    site.nodes.drain(["n1"], "new fan")
    site.verify()
    site.pass_over()
    site.nodes.other("alice").drain(["n1"], "mine")
    site.pass_over()
    site.pass_over()
    site.react()
    assert site.verifying() == []
    assert site.whats() == [What.READY, What.ABORTED, What.UNDONE]
    assert site.nodes.reservation_list == []


def test_a_journal_that_cannot_be_read_keeps_no_sweep_up(site: Site) -> None:
    site.nodes.drain(["n1"], "new fan")
    site.verify()
    [path] = JournalFile(site.state.reactions).months()
    path.write_bytes(b"{}\n")
    [note] = site.pass_over()
    assert "no node can be verified now" in note
    assert site.run_visits() == 3
