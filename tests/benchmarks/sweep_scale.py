"""What a whole sweep costs on 5,000 nodes, and pinning 200 visits against 200 sbatch calls."""

import subprocess
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from analytics.effects import Disk
from analytics.embedded import EmbeddedStore
from analytics.result import Result
from slurm_hooks.batch import Batch, Program, Shape, Visit, new_batch_id
from slurm_hooks.opened import read_open_batches
from slurm_hooks.record import Outcome
from slurm_hooks.slurm import SlurmCommands
from slurm_hooks.state import State
from slurm_hooks.submission import advance
from tests.benchmarks.process import measured, measuring
from tests.benchmarks.table import Row
from tests.lab import Lab
from tests.lab.users import SERVICE

NODES = 5000
FEW_NODES = 500
REAL = 8
CHECKS = 20
VISITS = 200
SWEEPS = 3
MOST_S = 3.0
MOST_MB = 200.0
MOST_PIN_S = 1.5
LEAST_TIMES = 3.0
SHIPPED = ("cpu", "memory", "storage", "dl-unit")
SLURM_PROGRAMS = ("scontrol", "squeue", "sacct", "sbatch", "scancel", "sinfo")


class Cost(NamedTuple):
    """What one sweep took."""

    wall_s: float
    cpu_s: float
    """Its own and that of the Slurm commands it ran; slurmctld's is not in it."""
    rss_mb: float
    commands: Counter[str]


def rows() -> list[Row]:
    """Return the costs of a sweep at two sizes, and of submitting 200 visits in two ways."""
    few, many = _on_lab(FEW_NODES), _on_lab(NODES)
    found = []
    for what, cost in many.items():
        title = f"a sweep, {NODES:,} nodes, {NODES * CHECKS:,} statuses, {what}"
        found += [
            Row(
                title,
                f"{cost.wall_s:.2f} s ({cost.cpu_s:.2f} s of CPU)",
                f"< {MOST_S:g} s",
                cost.wall_s < MOST_S,
            ),
            Row(
                "  its peak memory",
                f"{cost.rss_mb:.0f} MB",
                f"< {MOST_MB:g} MB",
                cost.rss_mb < MOST_MB,
            ),
            Row(
                "  its Slurm commands",
                f"{cost.commands.total()} ({_listed(cost.commands)})",
                f"as many as on {FEW_NODES} nodes: {few[what].commands.total()}",
                cost.commands == few[what].commands,
            ),
        ]
    return found + _submitting(NODES)


def _listed(commands: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(commands.items()))


def _on_lab(nodes: int) -> dict[str, Cost]:
    """Return what sweeps cost; the reactor's own questions are not among it."""
    with Lab.create(nodes=REAL, idle_nodes=nodes - REAL) as lab:
        lab.install()
        lab.up()
        _define_checks(lab)
        _fill(lab)
        counted = _count_commands(lab)
        lab.configure(
            include_nodes="",
            slurm_bin=str(counted),
            max_concurrent_visits=REAL,
            reactions={"mode": "off"},
        )
        return {
            "nothing due": _nothing_due(lab, counted),
            "with 8 visits": _with_visits(lab, counted),
            "taking in their results": _taking_in(lab, counted),
        }


def _define_checks(lab: Lab) -> None:
    for name in SHIPPED:
        (lab.definitions / f"{name}.yaml").write_text("suspend: true\n")
    for number in range(CHECKS):
        lab.add_check(f"check-{number:02}", max_age="7d", retry_after="0s")


def _fill(lab: Lab) -> None:
    """Write a fresh pass of every check on every node into the history and the snapshot."""
    now = datetime.now(UTC)
    state = State(lab.state_dir)
    state.prepare()
    names = [*lab.nodes, *lab.spec.idle_node_names]
    disk = Disk(state, EmbeddedStore(state.history), cluster="lab", now=now)
    disk.append(
        [
            _passed(node, f"check-{number:02}", now - timedelta(minutes=place % 6000))
            for place, node in enumerate(names)
            for number in range(CHECKS)
        ]
    )
    disk.rebuild()
    lab.run(["chown", "-R", f"{SERVICE}:", *map(str, _owned(state))])


def _owned(state: State) -> Sequence[Path]:
    kept = [state.batches, state.archive, state.spool, state.aside, state.history, state.snapshot]
    return [*kept, state.sweeps.directory]


def _passed(node: str, check: str, at: datetime) -> Result:
    return Result(
        result_id=f"{node}-{check}", cluster="lab", node=node, check_name=check,
        outcome=Outcome.PASS.value, finished_at=at, started_at=at - timedelta(seconds=20),
        duration_s=20.0, detail="2 cores computed correctly; core 1 is the slowest, at 98%",
        exit_code=0, signal=None, batch="20260101T000000Z-00000000", task=0, attempt=0,
        job_id=4711, partition="background", metrics={"slowest": 0.98},
        log_path=f"/shared/cluster-doctor/logs/{check}/{node}/{check}_{node}_20260101T000000Z.log",
        evidence="runner", revision=2, ingested_at=at,
    )  # fmt: skip


def _count_commands(lab: Lab) -> Path:
    """Make a directory of Slurm's programs that write each call down first."""
    directory = lab.root / "counted"
    directory.mkdir()
    calls = directory / "calls"
    calls.touch()
    calls.chmod(0o666)
    for name in SLURM_PROGRAMS:
        shim = directory / name
        shim.write_text(f'#!/bin/sh\necho {name} >>{calls}\nexec /usr/bin/{name} "$@"\n')
        shim.chmod(0o755)
    return directory


def _sweep(lab: Lab, counted: Path) -> Cost:
    calls = counted / "calls"
    calls.write_text("")
    argv = lab.commands.argv(["cluster-doctor", "sweep"], user=SERVICE)
    told = measured(
        measuring(argv, lab.root / "said"),
        env=lab.commands.environment(SERVICE),
        cwd=lab.layout.home(SERVICE),
        output=lab.root / "said",
    )
    return Cost(told.wall_s, told.cpu_s, told.rss_mb, Counter(calls.read_text().split()))


def _worst(costs: Sequence[Cost]) -> Cost:
    """The one of median time, with the largest memory of all."""
    middle = sorted(costs, key=lambda cost: cost.wall_s)[len(costs) // 2]
    return middle._replace(rss_mb=max(cost.rss_mb for cost in costs))


def _nothing_due(lab: Lab, counted: Path) -> Cost:
    return _worst([_sweep(lab, counted) for _ in range(SWEEPS)])


def _with_visits(lab: Lab, counted: Path) -> Cost:
    """Make one check stale on the real nodes alone: no job may start on the others."""
    lab.add_check(
        "check-00", max_age="1s", nodes={"include": {"features": ["real"]}}, retry_after="0s"
    )
    return _sweep(lab, counted)


def _taking_in(lab: Lab, counted: Path) -> Cost:
    lab.add_check("check-00", max_age="7d", retry_after="0s")
    argv = ["squeue", "-h", "-u", SERVICE, "-o", "%i"]
    lab.wait_for(lambda: not lab.run(argv).stdout.strip(), 60, "the visits to end")
    return _sweep(lab, counted)


def _submitting(nodes: int) -> list[Row]:
    """Time 200 visits through one array and through one sbatch each; none may start."""
    with Lab.create(nodes=REAL, idle_nodes=nodes - REAL) as lab:
        lab.up()
        lab.run(["scontrol", "update", "PartitionName=background", "State=DOWN"])
        names = lab.spec.idle_node_names[:VISITS]
        ours = _pin(lab, names)
        theirs = _sbatch_each(lab, names)
    return [
        Row(
            f"{VISITS} visits written down, submitted, pinned, read back, released",
            f"{ours:.2f} s", f"< {MOST_PIN_S:g} s", ours < MOST_PIN_S,
        ),
        Row(
            f"{VISITS} times sbatch -w NODE",
            f"{theirs:.2f} s, {theirs / ours:.1f} x as long",
            f">= {LEAST_TIMES:g} x", theirs >= LEAST_TIMES * ours,
        ),
    ]  # fmt: skip


def _pin(lab: Lab, nodes: Sequence[str]) -> float:
    state = State(lab.root / "pinning")
    state.root.mkdir()
    state.prepare()
    slurm = SlurmCommands(bin_dir=Path("/usr/bin"), conf=lab.slurm_conf)
    began = time.monotonic()
    now = datetime.now(UTC)
    state.write_batch(_batch(nodes, now))
    advance(
        slurm,
        state,
        read_open_batches(state),
        [],
        user="root",
        script=_script,
        taken={},
        idle_since={},
        now=now,
    )
    took = time.monotonic() - began
    pinned = {task.required_node for task in slurm.queue("root") if not task.held_by_us}
    if pinned != set(nodes):
        raise AssertionError(f"{len(pinned)} of {len(nodes)} visits are pinned and released")
    lab.run(["scancel", "--user=root"])
    return took


def _sbatch_each(lab: Lab, nodes: Sequence[str]) -> float:
    environment = lab.bin_env
    began = time.monotonic()
    for node in nodes:
        subprocess.run(
            ["/usr/bin/sbatch", "--parsable", "--partition=background", "--nodes=1", "--time=5",
             "--no-requeue", "--output=/dev/null", f"--nodelist={node}"],
            input=_script("x"), env=environment, capture_output=True, text=True, check=True,
        )  # fmt: skip
    took = time.monotonic() - began
    lab.run(["scancel", "--user=root"])
    return took


def _script(batch_id: str) -> str:
    return f"#!/bin/bash\n# {batch_id}\nexit 0\n"


def _batch(nodes: Sequence[str], now: datetime) -> Batch:
    return Batch(
        id=new_batch_id(now), token="t", cluster="lab", created_at=now, partition="background",
        shape=Shape(), time_limit_s=300, start_by=now + timedelta(minutes=30),
        throttle=len(nodes), programs=(Program(name="cpu", argv=("true",), time_limit_s=60),),
        visits=tuple(
            Visit(task=task, node=node, checks=("cpu",)) for task, node in enumerate(nodes)
        ),
    )  # fmt: skip
