"""A reactor over nodes in memory, and results for it to react to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from slurm_hooks.batch import Batch, Program, Shape, Visit
from slurm_hooks.journal import Book, Item
from slurm_hooks.journal_file import JournalFile
from slurm_hooks.node_control import NodeControl
from slurm_hooks.reaction import Kind, Reacting, Reaction
from slurm_hooks.reactor import Reacted, Reactor, react
from slurm_hooks.record import Evidence, Outcome, Record
from slurm_hooks.settings import Settings, parse_settings
from slurm_hooks.slurm_text import Node
from slurm_hooks.state import State
from slurm_hooks.unseen import Seen
from tests.fakes.crash import CrashPoint, Mortal
from tests.fakes.node_control import FakeNodes

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
DRAIN = Reaction(kind=Kind.DRAIN, prefix="gpu")
COMMENT = Reaction(kind=Kind.COMMENT, prefix="gpu")
RESERVE = Reaction(kind=Kind.RESERVE, prefix="quarantine")
UNDRAIN = Reaction(kind=Kind.UNDRAIN, prefix="gpu")
UNCOMMENT = Reaction(kind=Kind.UNCOMMENT, prefix="gpu")
UNRESERVE = Reaction(kind=Kind.UNRESERVE, prefix="quarantine")
ROOM = "[reactions]\nmax_held = '100%'\nmax_held_in_partition = '100%'\nmax_taken = '100%'\n"

CONTROL_EFFECTS = frozenset({"drain", "undrain", "comment", "reserve", "unreserve"})


def settings(root: Path, more: str = ROOM) -> Settings:
    text = f"cluster = 'lab'\nstate_dir = '{root}'\nlog_dir = '{root}/logs'\n{more}"
    return parse_settings(text, root / "settings.toml")


@dataclass
class Clinic:
    """Some idle nodes, a state directory, and a reactor that may be killed."""

    root: Path
    nodes: FakeNodes
    settings: Settings
    now: datetime = START
    batches: int = 0
    point: CrashPoint = field(default_factory=CrashPoint)

    @property
    def state(self) -> State:
        return State(self.root)

    @property
    def journal(self) -> JournalFile:
        return JournalFile(self.state.reactions)

    @property
    def book(self) -> Book:
        return self.journal.read()

    def reactor(self) -> Reactor:
        """As after a restart: nothing is remembered, and everything passes the crash point."""
        journal = Mortal(self.journal, frozenset({"append"}), self.point)
        seen = Mortal(
            Seen(self.state.considered, self.state, service_uid=self.root.stat().st_uid),
            frozenset({"mark"}),
            self.point,
        )
        return Reactor(
            settings=self.settings,
            state=self.state,
            control=cast("NodeControl", Mortal(self.nodes, CONTROL_EFFECTS, self.point)),
            journal=cast("JournalFile", journal),
            seen=cast("Seen", seen),
            clock=self.tick,
        )

    def tick(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def react(self) -> Reacted:
        return react(self.reactor())

    def batch(
        self,
        nodes: Iterable[str],
        reacting: Reacting,
        *,
        check: str = "gpu-xid",
        earlier: Sequence[Outcome] = (),
    ) -> Batch:
        """Write down a batch that ran *check* on *nodes*."""
        self.batches += 1
        batch = Batch(
            id=f"20261121T120000Z-{self.batches:08x}",
            token=f"{self.batches:032x}",
            cluster="lab",
            created_at=self.now,
            partition="background",
            shape=Shape(),
            time_limit_s=60.0,
            start_by=self.now + timedelta(minutes=30),
            throttle=100,
            programs=(
                Program(name=check, argv=("/bin/true",), time_limit_s=5.0, reacting=reacting),
            ),
            visits=tuple(
                Visit(
                    task=task,
                    node=node,
                    checks=(check,),
                    earlier={check: tuple(earlier)} if earlier else {},
                )
                for task, node in enumerate(nodes)
            ),
        )
        self.state.write_batch(batch)
        return batch

    def tell(
        self,
        batch: Batch,
        outcome: Outcome,
        *,
        detail: str = "Xid 79 on GPU 3",
        only: Sequence[str] = (),
        evidence: Evidence = Evidence.RUNNER,
    ) -> list[Record]:
        """Put the records of *batch* into the spool, as runners do."""
        records = [
            Record(
                cluster="lab",
                batch=batch.id,
                task=visit.task,
                attempt=0,
                check=visit.checks[0],
                node=visit.node,
                job_id=100 + visit.task,
                token=batch.token,
                evidence=evidence,
                outcome=outcome,
                detail=detail,
                started_at=self.now,
                finished_at=self.now,
            )
            for visit in batch.visits
            if not only or visit.node in only
        ]
        for record in records:
            self.state.write_record(record)
        return records

    def result(
        self,
        node: str,
        outcome: Outcome,
        reacting: Reacting,
        *,
        check: str = "gpu-xid",
        detail: str = "Xid 79 on GPU 3",
        earlier: Sequence[Outcome] = (),
    ) -> Batch:
        """One result of one check on one node."""
        batch = self.batch([node], reacting, check=check, earlier=earlier)
        self.tell(batch, outcome, detail=detail)
        return batch

    def node(self, name: str) -> Node:
        return next(node for node in self.nodes.node_list if node.name == name)

    def items(self, node: str) -> list[Item]:
        return [item for item in self.book.items.values() if item.entry.node == node]

    def drained(self) -> dict[str, str]:
        """The reasons of the nodes that are drained."""
        return {node.name: node.reason for node in self.nodes.node_list if "DRAIN" in node.flags}


def clinic(root: Path, *, nodes: int = 4, more: str = ROOM) -> Clinic:
    """A clinic in *root*, which must be empty."""
    names = [f"n{number}" for number in range(nodes)]
    made = Clinic(
        root=root,
        nodes=FakeNodes(
            [Node(name=name, state="IDLE", partitions=("main",)) for name in names],
            clock=lambda: START,
        ),
        settings=settings(root, more),
    )
    made.state.prepare()
    made.state.prepare_reactions()
    return made
