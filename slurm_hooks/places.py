"""Where everything is kept in the state directory: paths, of which nothing is read or written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Places:
    """The parts of one state directory.

    ::

        batches/<batch>/batch.json       written before the batch is submitted; holds the token
        batches/<batch>/submitted.json   written once Slurm took it
        batches/<batch>/cancelled.<task>.json  who wants that visit gone
        batches/<batch>/recorded         there once its plan is in the history
        batches/<batch>/uncompared       there while results are to be held against Slurm's word
        batches/<batch>/results/         its records, once they are in the history
        archive/<batch>/                 the same, once every check has its result
        spool/                           records on their way to the history
        controller/                      EpilogSlurmctld's words; SlurmUser's own
        aside/                           what could not be read, each with the reason
        reactions/                       the reactor's; SlurmUser's own
        reactions/<month>.jsonl          the journal: what was decided and what became of it
        reactions/seen/<batch>           the records that were considered
        notices/<notice>.json            what became of each try to tell somebody
        tried/<check>                    there once the check is past its probation
        suspended/<check>.json           who switched a check off by command, and why
        history/<table>/                 Parquet segments, and the manifest that names them
        sweep/                           whose turn it is to sweep
        sweeps/<time>.json               what a sweep tells, on its way to the history
        first-seen.json                  since when each check is known
        told-reactions.json              which states of reactions are in the history
        export.json import.json          how far the history is copied to a server, or back
        told-nodes.json                  what sweeps told of each node last; may be lost
        status.sqlite free-nodes.txt heartbeat.json
    """

    root: Path
    pins: Mapping[str, Path] = field(default_factory=dict, compare=False)
    """Other ways to directories below the root, as `slurm_hooks.ownership.pinned` makes them."""

    @property
    def batches(self) -> Path:
        """Open batches, one directory each."""
        return self.root / "batches"

    @property
    def archive(self) -> Path:
        """Batches whose every check has its result."""
        return self.root / "archive"

    @property
    def spool(self) -> Path:
        """Records that are not yet in the history."""
        return self.root / "spool"

    @property
    def controller(self) -> Path:
        """Owned by SlurmUser, writable by the service group."""
        return self.pins.get("controller", self.root / "controller")

    @property
    def tried(self) -> Path:
        """Checks with as many judged results as their reactions need."""
        return self.root / "tried"

    @property
    def reactions(self) -> Path:
        """The reactor's journal; owned by SlurmUser, readable by the service group."""
        return self.pins.get("reactions", self.root / "reactions")

    @property
    def reactor_turn(self) -> Path:
        """Whose turn it is to react."""
        return self.reactions / "turn"

    @property
    def reactor_sign(self) -> Path:
        """Changes whenever there is something new to react to."""
        return self.reactions / "sign"

    @property
    def considered(self) -> Path:
        """Which records the reactor considered."""
        return self.reactions / "seen"

    @property
    def notices(self) -> Path:
        """What became of each notice that a sweep tried to deliver."""
        return self.root / "notices"

    @property
    def aside(self) -> Path:
        """What could not be read."""
        return self.root / "aside"

    @property
    def told(self) -> Path:
        """Which states of reactions are in the history; `analytics.told` reads and writes it."""
        return self.root / "told-reactions.json"

    @property
    def history(self) -> Path:
        """A directory for each table, where the history is kept here (`analytics.layout`)."""
        return self.root / "history"

    @property
    def ingest_lock(self) -> Path:
        """Held by whoever writes the history or the snapshot."""
        return self.root / "ingest.lock"

    def transfer(self, way: str) -> Path:
        """How far `store export` or `store import` is; analytics.transfer_file knows its form."""
        return self.root / f"{way}.json"

    @property
    def snapshot(self) -> Path:
        """The status snapshot that `cluster-doctor status` reads."""
        return self.root / "status.sqlite"

    @property
    def free_nodes(self) -> Path:
        """The nodes that were free at the last sweep, one a line."""
        return self.root / "free-nodes.txt"

    @property
    def turn(self) -> Path:
        """Whose turn it is to sweep."""
        return self.root / "sweep"

    @property
    def first_seen(self) -> Path:
        """Since when each check is known; `checks.first_seen` reads and writes it."""
        return self.root / "first-seen.json"

    @property
    def heartbeat(self) -> Path:
        """Written at each sweep's end."""
        return self.root / "heartbeat.json"
