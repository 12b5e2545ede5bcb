"""What a report is told of the fleet now: from slurmctld, the definitions and the snapshot."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime

import polars as pl

from analytics.ask import warn
from analytics.coverage import PAIRS
from analytics.fleet_facts import FAILING, NODES, Facts
from analytics.hardware import hardware
from analytics.heartbeat import confirmations, read_beat
from analytics.natural import natural
from analytics.node_sources import ask_slurm
from analytics.snapshot import Row, Snapshot, SnapshotUnusableError, briefs, time_of
from analytics.standing import confirmed
from checks.catalogue import Catalogue
from checks.definition import CheckDefinition
from checks.eligible import Verdict, why_not_free
from checks.selector import matching
from checks.sweep import excluded_nodes
from slurm_hooks.cli import App
from slurm_hooks.record import Outcome
from slurm_hooks.settings import Settings
from slurm_hooks.slurm_text import Node


def read_facts(app: App, catalogue: Catalogue, *, is_new: bool) -> Facts:
    """Return the fleet as it is; what does not answer is left out, with a warning.

    A history that *is_new* has no snapshot yet. Without slurmctld nobody knows which nodes are
    alike, nor which were never visited.
    """
    nodes, snapshot = ask_slurm(app), Snapshot(app.state.snapshot)
    last: list[Row] = []
    proofs_known = True
    try:
        last = snapshot.last()
    except SnapshotUnusableError as error:
        proofs_known = is_new
        if not proofs_known:
            warn(f"what is proven is not known: {error}; cluster-doctor ingest --rebuild mends it")
    confirm = confirmations(read_beat(app.state.heartbeat))
    bad = sorted({row[0] for row in last if row[2] == Outcome.FAIL.value}, key=natural)
    failing = [
        (node, check, time_of(one.judged.at_ms),
         confirmed([brief.outcome for brief in one.failures], confirm.get(check, (1, 1))),
         one.judged.detail)
        for (node, check), one in (snapshot.standings(bad) if bad else [])
        if one.judged and one.judged.outcome == Outcome.FAIL.value
    ]  # fmt: skip
    return Facts(
        nodes=node_frame(app.settings, nodes or (), last),
        pairs=pair_frame(app.settings, catalogue.active, nodes, last),
        failing=pl.DataFrame(
            sorted(failing, key=lambda row: (natural(row[0]), row[1])),
            schema=FAILING,
            orient="row",
        ),
        proofs_known=proofs_known,
    )


def node_frame(settings: Settings, nodes: Sequence[Node], last: Iterable[Row]) -> pl.DataFrame:
    """Return `fleet_facts.NODES` of all that Slurm has, and of those only the snapshot knows."""
    verdicts, kinds = _verdicts(settings, nodes), hardware(nodes)
    found: dict[str, tuple[str | None, ...]] = {
        row[0]: (row[0], None, None, None) for row in last
    } | {
        node.name: (node.name, kinds[node.name], _state(node), verdicts[node.name])
        for node in nodes
    }
    return pl.DataFrame(
        [found[name] for name in sorted(found, key=natural)], schema=NODES, orient="row"
    )


def pair_frame(
    settings: Settings,
    definitions: Sequence[CheckDefinition],
    nodes: Sequence[Node] | None,
    last: Iterable[Row],
) -> pl.DataFrame:
    """Return `coverage.PAIRS`: each check on each node that it is for.

    Where slurmctld does not answer (*nodes* is None): where it ever ran.
    """
    known = {(row[0], row[1]): row for row in last}
    wanted = _wanted(definitions, nodes) if nodes is not None else sorted(known)
    max_age = {one.name: one.max_age.total_seconds() for one in definitions}
    verdicts = _verdicts(settings, nodes or ())
    rows = [
        (node, check, *_standing(known.get((node, check)), max_age[check], verdicts.get(node)))
        for node, check in wanted
        if check in max_age
    ]
    return pl.DataFrame(rows, schema=PAIRS, orient="row")


def _wanted(
    definitions: Sequence[CheckDefinition], nodes: Sequence[Node]
) -> Iterator[tuple[str, str]]:
    for definition in definitions:
        for node in sorted(matching(definition, nodes), key=natural):
            yield node, definition.name


def _standing(
    row: Row | None, max_age_s: float, verdict: str | None
) -> tuple[datetime | None, float, str | None, str | None, int]:
    if row is None:
        return None, max_age_s, verdict, None, 0
    _, _, _, judged_at, attempt, _, unjudged, _ = row
    at = None if judged_at is None else time_of(judged_at)
    return at, max_age_s, verdict, attempt, len(briefs(unjudged))


def _verdicts(settings: Settings, nodes: Sequence[Node]) -> Mapping[str, str]:
    excluded = excluded_nodes(settings, nodes)
    return {node.name: _verdict(node, excluded) for node in nodes}


def _verdict(node: Node, excluded: Mapping[str, str]) -> str:
    if node.name in excluded:
        return Verdict.EXCLUDED.value
    kept = why_not_free(node)
    return kept[0].value if kept else Verdict.DUE.value


def _state(node: Node) -> str:
    return "+".join([node.state, *sorted(node.flags)])
