"""What the history answers, how soon and in how much memory, next to sacct and slurmdbd."""

import shlex
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from tests.benchmarks.accounting import NODES, Accounting, accounting
from tests.benchmarks.filled import PYTHON, Filled, fill, ingested, run
from tests.benchmarks.process import Cost, Several, seconds
from tests.benchmarks.table import Row
from tests.fleet import Fleet

RESULTS = 1_000_000
FEWEST = 100_000
"""With fewer a node may have had no job in a day."""

RUNS = 7
DAYS = 30
LARGER = 10
"""The larger store has so many times the results, over as many times the days."""

NODE = "n0700"
SPOOLED = 20_000
MOST_MB = 400.0
MOST_BYTES = 15.0
LEAST_ROWS_PER_S = 100_000
MOST_STARTS = 6.0
MOST_S = 2.0

_RATES = (
    "SELECT check_name, toDate(finished_at) AS day, countIf(outcome = 'fail') / count() "
    "FROM history WHERE finished_at >= now() - INTERVAL 30 DAY GROUP BY ALL ORDER BY ALL"
)
_COUNTED = (
    "sacct -X -a -S now-30days -P -n -o NodeList,State,End | awk -F'|' "
    '\'{ day = substr($3, 1, 10); all[day]++; if ($2 == "FAILED") failed[day]++ } '
    "END { for (day in all) print day, failed[day] / all[day] }'"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """The same question to both."""

    what: str
    ours: str
    """Arguments of cluster-doctor."""
    theirs: str
    """A command line with sacct."""
    times: float
    """So many times faster ours must be; 1 is no slower."""
    counted: str = ""
    """What of `Filled.counts` the answer has a line for each of."""


QUESTIONS = (
    Question(
        what="how a node stands",
        ours=f"status -N {NODE}",
        theirs="sacct -X -j {job}",
        times=1,
    ),
    Question(
        what="a node's last day",
        ours=f"history -N {NODE} -S now-1day -P -n -o job,node,outcome,exit,started,finished",
        theirs=f"sacct -X -N {NODE} -S now-1days -P -n -o JobID,NodeList,State,ExitCode,Start,End",
        times=1,
        counted="node, a day",
    ),
    Question(
        what="the failures of 30 days",
        ours="history -S now-30days -s fail -P -n -o node,outcome,finished",
        theirs="sacct -X -a -S now-30days -E now -s F -P -n -o NodeList,State,End",
        times=4,
        counted="failures, 30 days",
    ),
    Question(
        what="a node's last 30 days",
        ours=f"history -N {NODE} -S now-30days -P -n -o job,node,outcome,exit,started,finished",
        theirs=f"sacct -X -N {NODE} -S now-30days -P -n -o JobID,NodeList,State,ExitCode,Start,End",
        times=20,
        counted="node, 30 days",
    ),
    Question(
        what="the rate of failures per check and day, 30 days",
        ours=f"sql {shlex.quote(_RATES)}",
        theirs=f"sh -c {shlex.quote(_COUNTED)}",
        times=5,
    ),
)
"""Those first that leave slurmdbd small."""


def rows(results: int = RESULTS) -> list[Row]:
    """Return the answers of both at *results* results and jobs, and ours at ten times as many.

    What is promised is promised of RESULTS.
    """
    now = datetime.now(UTC)
    with tempfile.TemporaryDirectory(prefix="cdbench-") as directory:
        root = Path(directory)
        filled = fill(root / "store", _fleet(results, DAYS, now), node=NODE)
        found = _taken_in(filled)
        with accounting(results) as theirs:
            found += [row for asked in QUESTIONS for row in _compared(asked, filled, theirs)]
        found.append(_spool(root / "spool", now))
    with tempfile.TemporaryDirectory(prefix="cdbench-") as directory:
        fleet = _fleet(results * LARGER, DAYS * LARGER, datetime.now(UTC))
        filled = fill(Path(directory) / "store", fleet, node=NODE)
        found += [row for asked in QUESTIONS for row in _alone(asked, filled)]
    return found if results == RESULTS else [row._replace(kept=None) for row in found]


def _fleet(results: int, days: float, now: datetime) -> Fleet:
    return Fleet(nodes=NODES, days=days, results=results, end=now, told_twice=0.01)


def _taken_in(filled: Filled) -> list[Row]:
    size, rate = filled.bytes_per_result, filled.rows_per_s
    results = f"{filled.fleet.results:,} results"
    return [
        Row(f"{results} on disk, each", f"{size:.1f} bytes", f"< {MOST_BYTES:g} bytes",
            size < MOST_BYTES),
        Row(f"{results} into the store in bulk", f"{rate:,.0f} a second",
            f">= {LEAST_ROWS_PER_S:,} a second", rate >= LEAST_ROWS_PER_S),
    ]  # fmt: skip


def _spool(root: Path, now: datetime) -> Row:
    fleet = Fleet(nodes=NODES, days=1, results=SPOOLED, end=now)
    count, cost = ingested(root, fleet)
    return Row(
        f"{count:,} records out of the spool, a file each",
        f"{count / cost.wall_s:,.0f} a second, {cost.rss_mb:.0f} MB",
    )


def _compared(asked: Question, filled: Filled, theirs: Accounting) -> list[Row]:
    """Ask both by turns, so that what else the machine does is in the times of both."""
    title = f"{filled.fleet.results:,}: {asked.what}"
    command = shlex.split(asked.theirs.replace("{job}", str(theirs.jobs // 2)))
    if not filled.has(asked.ours.split()[0]):
        cost = theirs.run(command)
        return [Row(title, f"there is no such command yet; sacct {Several([cost])}")]
    theirs.forget_peak()
    turns = [_turn(asked, filled, theirs, command) for _ in range(RUNS)]
    ours, others, starts = (Several(runs) for runs in zip(*turns, strict=True))
    return _rows(title, asked, ours, others, starts, theirs.peak_mb())


def _turn(
    asked: Question, filled: Filled, theirs: Accounting, command: Sequence[str]
) -> tuple[Cost, Cost, Cost]:
    """Return what ours, theirs and an interpreter that does nothing took."""
    ours = filled.ask(shlex.split(asked.ours))
    _verify(asked, filled)
    other = theirs.run(command)
    if not theirs.answered():
        raise AssertionError(f"{asked.theirs}: no answer")
    return ours, other, run(filled.site, [str(PYTHON), "-c", "pass"])


def _rows(
    title: str,
    asked: Question,
    ours: Several,
    theirs: Several,
    starts: Several,
    slurmdbd_mb: float,
) -> list[Row]:
    ratio = theirs.wall_s / ours.wall_s
    promise = f">= {asked.times:g} x faster" if asked.times > 1 else "no slower than sacct"
    memory = f"{theirs.rss_mb:.0f} MB and slurmdbd {slurmdbd_mb:.0f} MB"
    found = [
        Row(title, f"{_times(ours)}: {ratio:.2g} x faster", promise, ratio >= asked.times),
        _peak(ours),
        Row("  sacct", f"{theirs}, {memory}"),
    ]
    if asked.ours.startswith("status"):
        times = ours.wall_s / starts.wall_s
        number = f"{times:.1f} x the interpreter's own start of {starts.wall_s:.3f} s"
        found.append(
            Row("  in interpreters", number, f"<= {MOST_STARTS:g} x", times <= MOST_STARTS)
        )
    return found


def _alone(asked: Question, filled: Filled) -> list[Row]:
    title = f"{filled.fleet.results:,}: {asked.what}"
    if not filled.has(asked.ours.split()[0]):
        return [Row(title, "there is no such command yet")]
    runs = []
    for _ in range(RUNS):
        runs.append(filled.ask(shlex.split(asked.ours)))
        _verify(asked, filled)
    cost = Several(runs)
    return [
        Row(title, _times(cost), f"< {MOST_S:g} s", cost.wall_s < MOST_S),
        Row("  its peak memory", f"{cost.rss_mb:.0f} MB"),
    ]


def _times(cost: Several) -> str:
    return f"{cost}, {seconds(cost.cpu_s)} s of CPU"


def _peak(cost: Several) -> Row:
    what, number = "  its peak memory", f"{cost.rss_mb:.0f} MB"
    return Row(what, number, f"< {MOST_MB:g} MB", cost.rss_mb < MOST_MB)


def _verify(asked: Question, filled: Filled) -> None:
    """Hold the answer against what was put in; the oldest minutes have left the window."""
    found = filled.answered()
    expected = filled.counts.get(asked.counted, found)
    if (not asked.counted and not found) or abs(found - expected) > 0.05 * expected + 3:
        raise AssertionError(f"{asked.ours}: {found} lines, not about {expected}")
