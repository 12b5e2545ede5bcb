"""Faults on chosen nodes: a check that misbehaves, storage that is read-only."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab import mounts
from tests.lab.errors import LabError
from tests.lab.layout import Layout
from tests.lab.spec import Spec

VERBS = ("fail", "warn", "skip", "hang", "deaf-hang", "crash", "flood")
EXIT = "exit:"
HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The faults of a lab: files that the lab's checks look for, and mounts."""

    layout: Layout
    spec: Spec

    def install(self) -> None:
        """Put the program that acts faults out where every user can run it."""
        program = self.layout.bin / "faulty"
        shutil.copyfile(HERE / "faulty.sh", program)
        program.chmod(0o755)

    def set(self, node: str, check: str, verb: str) -> None:
        """Make *check* misbehave on *node* from its next run on."""
        self._known(node)
        if verb not in VERBS and not verb.removeprefix(EXIT).isdigit():
            raise LabError(f"fault: {verb!r} is none of {', '.join(VERBS)} or {EXIT}N")
        fault = self._file(node, check)
        fault.parent.mkdir(exist_ok=True)
        draft = fault.with_name(f".{check}.new")
        draft.write_text(f"{verb}\n")
        draft.rename(fault)

    def clear(self, node: str, check: str) -> None:
        """Let *check* do its real work on *node* again."""
        self._file(node, check).unlink(missing_ok=True)

    def clear_all(self) -> None:
        """Take back every fault of every check and every read-only storage."""
        for directory in self.layout.faults.iterdir():
            shutil.rmtree(directory)
        for node in self.spec.node_names:
            self.read_write(node)

    def wrap(self, command: Sequence[str]) -> list[str]:
        """*command* in the form in which faults can replace it."""
        return [str(self.layout.bin / "faulty"), str(self.layout.faults), "--", *command]

    def read_only(self, node: str) -> None:
        """Make the data directory of *node* a read-only file system."""
        self._known(node)
        if not self._is_read_only(node):
            mounts.mount("-t", "tmpfs", "-o", "ro,size=64k", "cdlab", str(self.layout.data(node)))

    def read_write(self, node: str) -> None:
        """Make the data directory of *node* writable again."""
        if self._is_read_only(node):
            mounts.unmount(self.layout.data(node))

    def _is_read_only(self, node: str) -> bool:
        return self.layout.data(node) in mounts.below(self.layout.root)

    def _file(self, node: str, check: str) -> Path:
        return self.layout.faults / node / check

    def _known(self, node: str) -> None:
        if node not in self.spec.node_names:
            raise LabError(f"{node!r} is not a real node of this lab: {self.spec.node_list}")


def write_definition(path: Path, fields: Mapping[str, object]) -> None:
    """Write a check's definition in one step; JSON is YAML too."""
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(fields, indent=2) + "\n")
    draft.rename(path)
