"""Asks the history what a report needs, and has it made; loads Polars and the engine."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import polars as pl

from analytics import report_question as question
from analytics.history import is_new
from analytics.lemon import Weights
from analytics.past import RESULTS, Past, empty, read_grounds, read_past, read_series
from analytics.regression import LEAST_PEERS, SERIES, VALUES, MetricRule
from analytics.report import Report
from analytics.report_check import CheckAnswers, check_report
from analytics.report_fleet import FleetAnswers, fleet_report
from analytics.report_node import NodeAnswers, node_report, peers
from analytics.report_question import Question, Scope
from analytics.store import open_store
from checks.catalogue import Catalogue
from checks.report_facts import read_facts
from slurm_hooks.cli import App
from slurm_hooks.errors import StoreError

_RUNS, _REACTIONS, _SWEEPS = 200, 1000, 200
"""More than anybody looks at."""


class Source:
    """Makes reports from one state directory, as of *now*."""

    def __init__(self, app: App, catalogue: Catalogue, *, now: datetime) -> None:
        self._catalogue, self._settings, self._now = catalogue, app.settings, now
        store = open_store(app.settings)
        unwritten = is_new(app.state, store)
        self._store = None if unwritten else store
        known = catalogue.without(app.state.suspensions.all())
        self._facts = read_facts(app, known, is_new=unwritten)
        self._rules = metric_rules(catalogue)

    @property
    def warnings(self) -> Sequence[str]:
        """What a person should know of the history: segments that are not read."""
        return self._store.refused if self._store else ()

    def fleet(self, scope: Scope, *, is_current: bool) -> Report:
        """Return the report on all nodes; what holds only now is in it where it *is_current*.

        Raises:
            StoreError: the history does not answer.
        """
        lemon = self._settings.lemon
        recent = max(scope.since, scope.until - lemon.window)
        past = read_past(self._store, scope, self._rules, recent=recent) if self._store else empty()
        answers = FleetAnswers(
            taken=self._ask(question.taken(replace(scope, since=recent)), TAKEN),
            held=self._ask(question.holds(scope), HELD),
            reactions=self._ask(question.latest_reactions(scope, _REACTIONS), DECIDED),
            sweeps=self._ask(question.sweeps(scope, _SWEEPS), SWEEP).drop("cluster"),
        )
        return fleet_report(
            scope,
            past,
            self._facts,
            answers,
            rules=self._rules,
            weights=Weights(
                node_fail=lemon.node_fail,
                node_fail_rate=lemon.node_fail_rate,
                out=lemon.out,
                fail=lemon.fail,
                score=lemon.score,
            ),
            now=self._now,
            is_current=is_current and self._facts.proofs_known,
        )

    def check(self, scope: Scope, name: str) -> Report:
        """Return the report on the check *name*.

        Raises:
            ConfigError: there is none, and there never was.
            StoreError: the history does not answer.
        """
        asked = replace(scope, checks=(name,))
        rules = [rule for rule in self._rules if rule.check == name]
        past = self._past(asked, rules)
        if past.pairs.is_empty():
            self._catalogue.get(name)
        answers = CheckAnswers(
            runs=self._ask(question.runs(asked, _RUNS), RUN),
            grounds=self._grounds(asked),
        )
        return check_report(asked, past, self._facts, answers, rules=rules, now=self._now)

    def node(self, scope: Scope, name: str) -> Report:
        """Return the report on the node *name*.

        Raises:
            StoreError: nobody knows it, or the history does not answer.
        """
        own = replace(scope, nodes=(name,))
        past = self._past(own, self._rules)
        nodes = self._facts.nodes
        if past.pairs.is_empty() and name not in nodes["node"]:
            raise StoreError(
                f"neither Slurm nor the history knows a node {name!r}; "
                "cluster-doctor nodes lists them"
            )
        names = sorted({rule.metric for rule in self._rules})
        alike = replace(scope, nodes=tuple(peers(name, nodes)))
        series = self._series(alike) if alike.nodes else past.series
        answers = NodeAnswers(
            results=self._ask(question.outcomes(own), RESULTS),
            values=self._ask(question.metrics(own, names), VALUES),
            bands=self._ask(
                question.bands(alike, names, LEAST_PEERS) if alike.nodes else None, BANDS
            ),
            reactions=self._ask(question.reactions(own), REACTIONS),
        )
        return node_report(
            own, past, series, self._facts, answers, rules=self._rules, now=self._now
        )

    def _past(self, scope: Scope, rules: Sequence[MetricRule]) -> Past:
        if self._store is None:
            return empty()
        return read_past(self._store, scope, rules, recent=scope.since)

    def _series(self, scope: Scope) -> pl.DataFrame:
        if self._store is None:
            return pl.DataFrame(schema=SERIES)
        return read_series(self._store, scope, self._rules)

    def _grounds(self, scope: Scope) -> pl.DataFrame:
        return read_grounds(self._store, scope) if self._store else pl.DataFrame(schema=GROUNDS)

    def _ask(self, asked: Question | None, schema: pl.Schema) -> pl.DataFrame:
        """Return the answer; where there is nothing to ask or nobody to answer, no rows."""
        if self._store is None or asked is None:
            return pl.DataFrame(schema=schema)
        return self._store.query(*asked)


def metric_rules(catalogue: Catalogue) -> Sequence[MetricRule]:
    """Return what the definitions say of metrics whose good side is known."""
    return [
        MetricRule(
            check=definition.name,
            metric=name,
            unit=metric.unit,
            higher_is_better=metric.better == "higher",
            warn=metric.regression.warn if metric.regression else None,
            fail=metric.regression.fail if metric.regression else None,
            mads=metric.regression.mads if metric.regression else 1.0,
        )
        for definition in catalogue.definitions
        for name, metric in sorted(definition.metrics.items())
        if metric.better
    ]


_TIME = pl.Datetime("ms", "UTC")
TAKEN: pl.Schema = pl.Schema({"node": pl.String(), "out": pl.UInt32()})
HELD: pl.Schema = pl.Schema(
    {
        "node": pl.String(),
        "state": pl.String(),
        "holder": pl.String(),
        "holder_kind": pl.String(),
        "held_since": _TIME,
        "reason": pl.String(),
    }
)
SWEEP: pl.Schema = pl.Schema(
    {
        "cluster": pl.String(),
        "started_at": _TIME,
        "duration_s": pl.Float64(),
        "nodes": pl.UInt32(),
        "free": pl.UInt32(),
        "planned": pl.UInt32(),
        "visits": pl.UInt32(),
        "ingested": pl.UInt32(),
        "said": pl.String(),
    }
)
RUN: pl.Schema = pl.Schema(
    {
        "batch": pl.String(),
        "status": pl.String(),
        "planned": pl.UInt32(),
        "ended": pl.UInt64(),
        "pass": pl.UInt64(),
        "warn": pl.UInt64(),
        "fail": pl.UInt64(),
        "error": pl.UInt64(),
        "created_at": _TIME,
        "duration_s": pl.Float64(),
    }
)
GROUNDS: pl.Schema = pl.Schema(
    {
        "check_name": pl.String(),
        "outcome": pl.String(),
        "detail": pl.String(),
        "results": pl.UInt64(),
        "nodes": pl.UInt64(),
        "last_at": _TIME,
    }
)
BANDS: pl.Schema = pl.Schema(
    {
        "check_name": pl.String(),
        "metric": pl.String(),
        "at": _TIME,
        "bounds": pl.List(pl.Float64()),
    }
)
REACTIONS: pl.Schema = pl.Schema(
    {
        "decided_at": _TIME,
        "check_name": pl.String(),
        "kind": pl.String(),
        "state": pl.String(),
        "why": pl.String(),
        "detail": pl.String(),
        "ended_at": _TIME,
        "ended_by": pl.String(),
    }
)
DECIDED: pl.Schema = pl.Schema({"node": pl.String(), **REACTIONS})
