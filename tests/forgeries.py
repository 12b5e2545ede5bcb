"""What whoever may write to the state directory could put there for SlurmUser to stumble over."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from slurm_hooks.batch import Batch, dump_batch
from slurm_hooks.record import Evidence, Outcome, Record, dumps
from slurm_hooks.state import State

HUGE = 50_000_000_000
DEEP = b"[" * 200_000
ODD = (
    b"\xff\xfe.json",
    b"a\nb.0.0.c.json",
    b"...json",
    b"%s%n.json",
    b"x" * 250 + b".json",
    b"20260101T000000Z-00000000.0.0.c\n.json",
    b"-rf.0.0.c.json",
    b"closed.closed.json",
)


def record_of(batch: Batch, **changes: object) -> Record:
    """The fail that the first visit of *batch* would report."""
    visit = batch.visits[0]
    made = Record(
        cluster=batch.cluster, batch=batch.id, task=visit.task, attempt=0, check=visit.checks[0],
        node=visit.node, job_id=1, token=batch.token, evidence=Evidence.RUNNER,
        outcome=Outcome.FAIL, detail="forged", finished_at=batch.created_at,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


class Forger:
    """Writes *batch*, which is well-formed, in ways that are not; *outside* is nobody's of ours."""

    def __init__(self, root: Path, batch: Batch, outside: Path) -> None:
        self.batch, self.outside = batch, outside
        self.state = State(root)
        self.place = self.state.batches / batch.id
        self.plan = self.place / "batch.json"
        self.record = self.state.spool / record_of(batch).file_name

    def _whole(self, place: Path) -> None:
        (place / "results").mkdir(parents=True)
        (place / "batch.json").write_bytes(dump_batch(self.batch))

    def _told(self) -> None:
        self.record.write_bytes(dumps(record_of(self.batch)))

    def batch_is_a_link_to_a_valid_one(self) -> None:
        self._whole(self.outside / "batch")
        self.place.symlink_to(self.outside / "batch")
        self._told()

    def results_are_a_link_to_valid_ones(self) -> None:
        self._whole(self.place)
        (self.place / "results").rmdir()
        elsewhere = self.outside / "results"
        elsewhere.mkdir()
        (elsewhere / self.record.name).write_bytes(dumps(record_of(self.batch)))
        (self.place / "results").symlink_to(elsewhere)

    def results_are_a_link_to_everything(self) -> None:
        self._whole(self.place)
        (self.place / "results").rmdir()
        (self.place / "results").symlink_to("/")

    def batch_is_a_link_to_etc(self) -> None:
        self.place.symlink_to("/etc")
        self._told()

    def batch_goes_round_in_a_circle(self) -> None:
        self.place.symlink_to(self.place)
        self._told()

    def _plan(self, make: Callable[[Path], object]) -> None:
        (self.place / "results").mkdir(parents=True)
        make(self.plan)
        self._told()

    def plan_is_a_link_to_a_valid_one(self) -> None:
        there = self.outside / "batch.json"
        there.write_bytes(dump_batch(self.batch))
        self._plan(lambda path: path.symlink_to(there))

    def plan_is_a_link_to_somebodys_file(self) -> None:
        self._plan(lambda path: path.symlink_to("/etc/shadow"))

    def plan_is_a_fifo(self) -> None:
        self._plan(_fifo)

    def plan_is_a_directory(self) -> None:
        self._plan(Path.mkdir)

    def plan_is_gigantic(self) -> None:
        self._plan(_gigantic)

    def plan_is_deep(self) -> None:
        self._plan(lambda path: path.write_bytes(DEEP))

    def plan_is_of_another_batch(self) -> None:
        other = replace(self.batch, id="20260101T000000Z-00000001")
        self._plan(lambda path: path.write_bytes(dump_batch(other)))

    def _record(self, make: Callable[[Path], object]) -> None:
        self._whole(self.place)
        for path in (self.record, self.place / "results" / self.record.name):
            make(path)

    def record_is_a_fifo(self) -> None:
        self._record(_fifo)

    def record_is_a_link_to_a_valid_one(self) -> None:
        there = self.outside / self.record.name
        there.write_bytes(dumps(record_of(self.batch)))
        self._record(lambda path: path.symlink_to(there))

    def record_is_a_link_to_a_device(self) -> None:
        self._record(lambda path: path.symlink_to("/dev/zero"))

    def record_is_a_directory(self) -> None:
        self._record(Path.mkdir)

    def record_is_gigantic(self) -> None:
        self._record(_gigantic)

    def record_is_deep(self) -> None:
        self._record(lambda path: path.write_bytes(DEEP))

    def record_is_of_a_node_that_is_none(self) -> None:
        for number, node in enumerate(("n1,n2", "ALL", "--help", "n[0-3]", "n1 State=DOWN", "")):
            identifier = f"20260101T000000Z-{number:08x}"
            visits = (replace(self.batch.visits[0], node=node),)
            batch = replace(self.batch, id=identifier, visits=visits)
            made = Forger(self.state.root, batch, self.outside)
            made._whole(made.place)
            made._told()

    def record_has_another_token(self) -> None:
        self._whole(self.place)
        self.record.write_bytes(dumps(record_of(self.batch, token="0" * 32)))

    def record_is_under_another_name(self) -> None:
        self._whole(self.place)
        name = self.record.name.replace(".0.0.", ".7.7.")
        (self.state.spool / name).write_bytes(dumps(record_of(self.batch)))

    def names_are_odd(self) -> None:
        for name in ODD:
            Path(os.fsdecode(os.fsencode(self.state.spool) + b"/" + name)).write_bytes(b"{}")
            inside = os.fsdecode(os.fsencode(self.state.batches) + b"/" + name)
            Path(inside).mkdir(exist_ok=True)

    def reservation_is_named_as_no_definition_may(self) -> None:
        plan = json.loads(dump_batch(self.batch))
        for program in plan["programs"]:
            program["reacting"]["on_fail"] = [
                {"kind": "reserve", "prefix": "x Nodes=ALL Users=root"}
            ]
        self._plan(lambda path: path.write_text(json.dumps(plan)))

    def directories_are_closed(self) -> None:
        self._whole(self.place)
        self._told()
        self.place.chmod(0)


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _gigantic(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(HUGE)


FORGERIES = [name for name in vars(Forger) if not name.startswith("_")]
HARMLESS_TO_ROOT = {"directories_are_closed"}
"""Root may read what is closed to SlurmUser."""
