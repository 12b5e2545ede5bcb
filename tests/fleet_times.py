"""When a synthetic fleet's sweeps began and ended, and which of them failed with what."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt

from analytics.server_errors import store_error
from slurm_hooks.store_settings import StoreSettings
from tests.fleet import Fleet
from tests.fleet_past import of_ms, to_ms

Ints = npt.NDArray[np.int64]

EVERY = timedelta(minutes=5)
MISSED = 4
"""So many sweeps in a row never began."""

GAP = EVERY * (MISSED + 1)
_LAST = timedelta(seconds=45)
"""How long before the fleet's end the last one began."""

_STORE = StoreSettings(
    path=Path("/etc/cluster-doctor/cluster-doctor.toml"), host="clickhouse", port=8123
)
UNREACHABLE = str(store_error(ConnectionRefusedError(111, "Connection refused"), _STORE, "doctor"))
ERRORS = (
    UNREACHABLE,
    UNREACHABLE,
    UNREACHABLE,
    "scontrol show node --oneliner: no answer in 30 s; is slurmctld up? (scontrol ping)",
    "/shared/cluster-doctor/heartbeat.json: cannot write it: No space left on device",
    "RuntimeError: can't start new thread",
)
"""Of the sweeps that failed, in their order; those with the same one came after one another."""

_FAILED_AT = (0.31, 0.52, 0.74, 0.9)
"""When the first of each kind failed, as a share of the time."""

_GAP_AT = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepTimes:
    """Every sweep, in order; times in milliseconds since 1970."""

    started_ms: Ints
    finished_ms: Ints
    errors: tuple[str, ...]
    """Empty for a sweep that came to its end."""
    gap: tuple[datetime, datetime]
    """The beginnings of the two sweeps between which there was none for GAP."""

    @property
    def done(self) -> Ints:
        """Which sweeps came to their end."""
        return np.flatnonzero([not error for error in self.errors])


def sweep_times(fleet: Fleet, days: float) -> SweepTimes:
    """Return the sweeps of the last *days* of *fleet*."""
    count = int(timedelta(days=days) / EVERY)
    random = np.random.default_rng([fleet.seed, 101])
    back = np.arange(count)[::-1] * (EVERY // timedelta(milliseconds=1))
    started = to_ms(fleet.end - _LAST) - back + random.integers(0, 1500, count)
    took = np.minimum(4000 + 3 * fleet.nodes + random.exponential(2500, count), 35_000)
    gap = int(count * _GAP_AT)
    there = np.ones(count, dtype=bool)
    there[gap : gap + MISSED] = False
    started, took = started[there], took[there]
    return SweepTimes(
        started_ms=started,
        finished_ms=started + took.astype(np.int64),
        errors=_errors(len(started)),
        gap=(of_ms(int(started[gap - 1])), of_ms(int(started[gap]))),
    )


def _errors(count: int) -> tuple[str, ...]:
    found = [""] * count
    at, before = iter(_FAILED_AT), ""
    place = 0
    for error in ERRORS:
        place = place + 1 if error == before else int(count * next(at))
        found[place], before = error, error
    return tuple(found)
