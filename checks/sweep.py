"""One pass of the scheduler: observe, settle what ended, plan, submit."""

import contextlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from analytics.history import Last
from analytics.hostlist import expand
from checks.catalogue import Catalogue
from checks.due import Key, Rule
from checks.eligible import inside, kept_out, why_not_free
from checks.first_seen import note_first_seen, read_first_seen
from checks.leaving import Fleet, leave, leave_failure, make_room, this_host
from checks.pack import Limits
from checks.partitions import check_partition, check_single_partition
from checks.plan import Plan, make_plan
from checks.reacting import unreacted
from checks.schedule import scheduled
from checks.selector import matching
from checks.sweeper import Sweeper
from checks.swept import refusals, sweep_row
from checks.written import write_down
from slurm_hooks.batch import Mode
from slurm_hooks.decode import encode
from slurm_hooks.errors import ClusterDoctorError, ConfigError, SlurmError, StateError
from slurm_hooks.files import write_durably
from slurm_hooks.journal_file import JournalFile
from slurm_hooks.opened import OpenBatch, read_open_batches
from slurm_hooks.reconcile import close_finished, reconcile, tidy
from slurm_hooks.settings import Settings
from slurm_hooks.slurm_text import Node, Task
from slurm_hooks.state import State
from slurm_hooks.submission import Advanced, advance
from slurm_hooks.verified import under_verification


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """The cluster at one moment, from a constant number of queries."""

    nodes: Sequence[Node]
    queue: Sequence[Task]

    @property
    def free(self) -> list[str]:
        """The nodes that could be visited."""
        return [node.name for node in self.nodes if why_not_free(node) is None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collected:
    """What became of earlier batches."""

    settled: int
    ingested: int
    closed: Sequence[str]
    warnings: Sequence[str]
    """One line for each thing that a person should look at."""
    compared: frozenset[str]
    """What of the spool was held against Slurm's word, as `Reconciled.compared`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """What one sweep saw and did."""

    plan: Plan
    advanced: Advanced
    collected: Collected
    visits: int
    """Those of the batches that Slurm took."""
    free: int
    """Nodes that could be visited."""
    fleet: Fleet
    started_at: datetime


def observe(sweeper: Sweeper) -> Observation:
    """Ask Slurm once for its settings, partitions, nodes and our tasks.

    Raises:
        SlurmError: Slurm did not answer.
        ConfigError: jobs in our partition would not give way to users' jobs.
    """
    settings, slurm = sweeper.settings, sweeper.slurm
    partitions = slurm.partitions()
    check_partition(settings, partitions, slurm.config())
    if any(one.shape.mode is not Mode.ARRAY for one in sweeper.catalogue.active):
        check_single_partition(settings, partitions)
    return Observation(nodes=slurm.nodes(), queue=slurm.queue(settings.service_user))


def collect(sweeper: Sweeper, queue: Sequence[Task], *, now: datetime) -> Collected:
    """Bring what ended since the last sweep into the history.

    *queue* was read just before. Safe to repeat and to kill anywhere.

    Raises:
        StoreError: the history cannot be written; the spool keeps everything.
        StateError, SlurmError: as `reconcile`.
    """
    settings, state = sweeper.settings, sweeper.state
    done = reconcile(
        sweeper.slurm,
        state,
        queue,
        user=settings.service_user,
        now=now,
        grace=settings.record_grace,
    )
    ingested = sweeper.ingest(now, done.compared)
    closed = close_finished(state)
    tidy(state, now=now, keep=settings.keep_batches)
    waiting = unreacted(state, sweeper.catalogue.active, before=now - 3 * settings.sweep_interval)
    warnings = (*ingested.notes, *filter(None, (done.unanswered, waiting)))
    return Collected(
        settled=done.settled,
        ingested=ingested.results,
        closed=closed,
        warnings=warnings,
        compared=done.compared,
    )


def plan_now(
    sweeper: Sweeper,
    seen: Observation,
    opened: Sequence[OpenBatch],
    *,
    last: Mapping[Key, Last],
    now: datetime,
) -> Plan:
    """Return what a sweep would do now, by the *last* of each check on each node.

    Changes nothing.

    Raises:
        ConfigError: a hostlist in the settings is wrong.
    """
    settings = sweeper.settings
    verified = nodes_under_verification(sweeper.state)
    return make_plan(
        rules=make_rules(
            settings,
            sweeper.catalogue,
            seen.nodes,
            first_seen=read_first_seen(sweeper.state.first_seen),
            now=now,
        ),
        nodes=[kept_out(node, verified) for node in seen.nodes],
        excluded=excluded_nodes(settings, seen.nodes),
        last=last,
        in_batch=in_batch(opened),
        limits=limits_now(settings, len(seen.nodes), opened),
        now=now,
    )


def nodes_under_verification(state: State) -> set[str]:
    """Return the nodes that only their verification may visit, as far as the journal can be read.

    Where it cannot, Slurm keeps other visits out all the same.
    """
    try:
        return under_verification(JournalFile(state.reactions).read())
    except StateError:
        return set()


def in_batch(opened: Sequence[OpenBatch]) -> dict[str, str]:
    """Return the nodes that *opened* still visits, each with its batch."""
    return {visit.node: one.batch.id for one in opened for visit in one.unfinished}


def limits_now(settings: Settings, nodes: int, opened: Sequence[OpenBatch]) -> Limits:
    """Return how much may be asked for on a cluster of *nodes* nodes, beside *opened*."""
    return Limits(
        max_visits=max_visits(settings, nodes),
        in_flight=sum(min(one.batch.throttle, len(one.unfinished)) for one in opened),
        under_way=Counter(one.batch.shape for one in opened for _ in one.unfinished),
        visit_budget=settings.visit_budget,
        queue_limit=settings.queue_limit,
    )


def make_rules(
    settings: Settings,
    catalogue: Catalogue,
    nodes: Sequence[Node],
    *,
    first_seen: Mapping[str, datetime] | None,
    now: datetime,
) -> list[Rule]:
    """Return what the plan needs of each check that is not suspended, in running order.

    *first_seen* says since when checks are known; with None no first run waits.
    """
    most = settings.batch_limit - settings.visit_budget
    single = [node for node in nodes if settings.partition_single in node.partitions]
    return [
        Rule(
            name=one.name,
            max_age=one.max_age,
            retry_after=one.retry_after,
            retries=one.retries.attempts,
            backoff=one.retries.backoff,
            confirm=(one.confirm.fails, one.confirm.of),
            time_limit=one.time_limit,
            shape=one.shape,
            depends_on=one.depends_on,
            depends_on_everywhere=one.depends_on_everywhere,
            nodes=matching(one, nodes if one.shape.mode is Mode.ARRAY else single),
            scheduled=scheduled(one.schedule, now=now) if one.schedule else None,
            new_since=(
                None
                if one.run_after_creation or first_seen is None
                else first_seen.get(one.name, now)
            ),
            queue_limit=min(one.timeouts.queue or settings.queue_limit, most),
        )
        for one in catalogue.active
    ]


def excluded_nodes(settings: Settings, nodes: Sequence[Node]) -> dict[str, str]:
    """Return the nodes that the settings leave out, each with the reason."""
    included = _names(settings, "include_nodes", settings.include_nodes)
    left_out = _names(settings, "exclude_nodes", settings.exclude_nodes)
    found = {}
    for node in nodes:
        if node.name in left_out:
            found[node.name] = "exclude_nodes in the settings names it"
        elif settings.include_nodes and node.name not in included:
            found[node.name] = "include_nodes in the settings does not name it"
        elif settings.partition not in node.partitions:
            found[node.name] = f"it is not in partition {settings.partition}"
    return found


def _names(settings: Settings, key: str, hostlist: str) -> set[str]:
    try:
        return set(expand(hostlist)) if hostlist else set()
    except ValueError as error:
        raise ConfigError(f"{settings.path}: {key}: {error}") from error


def max_visits(settings: Settings, nodes: int) -> int:
    """Return how many visits may run at once on a cluster of *nodes* nodes; at least 1."""
    wanted = settings.max_concurrent_visits
    return wanted if isinstance(wanted, int) else max(1, int(nodes * wanted))


def sweep(sweeper: Sweeper, *, clock: Callable[[], datetime]) -> Sweep:
    """Do one whole pass; killed anywhere, the next one completes it.

    Notices of reactions go out last, whatever became of the rest; and what it tells of itself
    is left for the next one, also where it fails.

    Raises:
        ClusterDoctorError: something it needs did not answer. Batches already
            written down are still taken on where Slurm answers.
    """
    started_at = clock()
    lost: Sequence[str] = ()
    try:
        sweeper.state.prepare()
        lost = make_room(sweeper.state)
        done = _sweep(sweeper, started_at, clock=clock)
    except Exception as error:
        _leave_failure(sweeper, error, lost, started_at, clock=clock)
        if isinstance(error, ClusterDoctorError):
            sweeper.tell()
        raise
    told = [*lost, *sweeper.tell()]
    row = sweep_row(
        _warned(done, told),
        cluster=sweeper.settings.cluster,
        host=this_host(),
        finished_at=clock(),
    )
    problem = leave(sweeper.state, sweeper.settings, row, done.fleet)
    if told or problem:
        done = _warned(done, [*told, *filter(None, [problem])])
        _write_heartbeat(sweeper, done, finished_at=clock())
    return done


def _leave_failure(
    sweeper: Sweeper,
    error: Exception,
    warnings: Sequence[str],
    started_at: datetime,
    *,
    clock: Callable[[], datetime],
) -> None:
    """Leave that *error* ended this sweep; where Slurm is to blame, the history can be told now."""
    leave_failure(
        sweeper.state,
        error,
        warnings=warnings,
        cluster=sweeper.settings.cluster,
        started_at=started_at,
        finished_at=clock(),
    )
    if isinstance(error, SlurmError):
        with contextlib.suppress(ClusterDoctorError):
            sweeper.ingest(clock(), ())


def _warned(done: Sweep, warnings: Sequence[str]) -> Sweep:
    collected = replace(done.collected, warnings=(*done.collected.warnings, *warnings))
    return replace(done, collected=collected)


def _sweep(sweeper: Sweeper, started_at: datetime, *, clock: Callable[[], datetime]) -> Sweep:
    seen = observe(sweeper)
    try:
        collected = collect(sweeper, seen.queue, now=clock())
        note_first_seen(
            sweeper.state.first_seen,
            [one.name for one in sweeper.catalogue.definitions],
            now=clock(),
        )
        last = sweeper.history.last()
        opened = read_open_batches(sweeper.state)
        planned_at = clock()
        plan = plan_now(sweeper, seen, opened, last=last, now=planned_at)
        visits = {one.batch.id: len(one.batch.visits) for one in opened}
        for planned in plan.batches:
            batch = write_down(sweeper, planned, last=last, now=clock())
            visits[batch.id] = len(batch.visits)
            sweeper.state.write_batch(batch)
    except ClusterDoctorError:
        advance_open(sweeper, seen, now=clock())
        raise
    advanced = advance_open(sweeper, seen, now=clock())
    free = seen.free
    _write_text(sweeper.state.free_nodes, "".join(f"{node}\n" for node in free))
    done = Sweep(
        plan=plan,
        advanced=advanced,
        collected=collected,
        visits=sum(visits[batch_id] for batch_id in advanced.submitted),
        free=len(free),
        fleet=Fleet(nodes=seen.nodes, plan=plan, last=last, planned_at=planned_at),
        started_at=started_at,
    )
    _write_heartbeat(sweeper, done, finished_at=clock())
    if advanced.submitted:
        sweeper.ingest(clock(), collected.compared)  # so that `runs` shows what is under way
    return done


def advance_open(sweeper: Sweeper, seen: Observation, *, now: datetime) -> Advanced:
    """Take every open batch on to where Slurm has it, as `submission.advance`."""
    opened = read_open_batches(sweeper.state)
    verified = {visit.node for one in opened if one.batch.verifying for visit in one.batch.visits}
    kept = {
        node.name: why_not_free(inside(node) if node.name in verified else node)
        for node in seen.nodes
    }
    return advance(
        sweeper.slurm,
        sweeper.state,
        opened,
        seen.queue,
        user=sweeper.settings.service_user,
        script=sweeper.script,
        taken={node: why[1] for node, why in kept.items() if why is not None},
        idle_since={node.name: node.last_busy_at for node in seen.nodes if node.last_busy_at},
        now=now,
    )


def _write_heartbeat(sweeper: Sweeper, done: Sweep, *, finished_at: datetime) -> None:
    beat = {
        "version": 1,
        "started_at": done.started_at,
        "finished_at": finished_at,
        "nodes": len(done.plan.nodes),
        "planned": sum(len(batch.visits) for batch in done.plan.batches),
        "submitted": dict(done.advanced.submitted),
        "settled": done.collected.settled,
        "ingested": done.collected.ingested,
        "confirm": {
            one.name: [one.confirm.fails, one.confirm.of]
            for one in sweeper.catalogue.definitions
            if one.confirm.fails > 1
        },
        "warnings": [*done.collected.warnings, *refusals(done.advanced.refused)],
    }
    _write_text(sweeper.state.heartbeat, json.dumps(encode(beat)) + "\n")


def _write_text(path: Path, text: str) -> None:
    try:
        write_durably(path, text.encode(), mode=0o644)
    except OSError as error:
        raise StateError(f"{path}: cannot write it: {error.strerror or error}") from error
