"""The checks of a synthetic fleet: on which hardware, how long, and what they measure there."""

from collections.abc import Sequence
from dataclasses import dataclass

HARDWARE = ("cpu", "eight-gpu", "four-gpu")
SHARES = (0.4, 0.4, 0.2)
"""How much of a fleet is of each kind of HARDWARE."""

MOST = 2
"""How many measures a check has at most."""

_GPU = (1, 2)
_ANY = (0, 1, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A number that a check reports."""

    name: str
    levels: tuple[float, float, float]
    """What is usual on each kind of HARDWARE."""
    spread: float = 0.0
    """The standard deviation of its noise, as a share of the level."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetCheck:
    """A check: its first measure is in what it says, divided by *scale*."""

    name: str
    seconds: float
    measures: tuple[Measure, ...]
    """One or two (MOST) of them."""
    says: str
    scale: float = 1.0
    unit: str = ""
    hardware: tuple[int, ...] = _ANY
    """Which kinds of HARDWARE it is for."""
    every: int = 1
    """It is due in one of so many visits."""


CHECKS: Sequence[FleetCheck] = (
    FleetCheck(
        name="clock", seconds=0.4, says="the clock is off by", unit=" s",
        measures=(Measure(name="offset_s", levels=(2e-5, 4e-6, 4e-6), spread=0.5),),
    ),
    FleetCheck(
        name="mounts", seconds=0.8, says="every mount answers within", unit=" s",
        measures=(Measure(name="slowest_s", levels=(0.004, 0.003, 0.003), spread=0.2),),
    ),
    FleetCheck(
        name="cpu", seconds=22.0, says="every core computes correctly, the slowest at",
        measures=(
            Measure(name="slowest_to_fastest_ratio", levels=(0.98, 0.96, 0.96), spread=0.008),
            Measure(name="cores_count", levels=(128, 96, 64)),
        ),
    ),
    FleetCheck(
        name="memory", seconds=31.0, says="copies", scale=2**30, unit="G/s", every=2,
        measures=(
            Measure(name="copy_bandwidth_bytes_per_s", levels=(9e9, 12e9, 14e9), spread=0.015),
            Measure(name="tested_bytes", levels=(2**30, 2**30, 2**30)),
        ),
    ),
    FleetCheck(
        name="storage", seconds=12.0, says="writes", scale=2**30, unit="G/s", every=2,
        measures=(
            Measure(name="write_bandwidth_bytes_per_s", levels=(1.6e9, 3.1e9, 2.4e9), spread=0.03),
        ),
    ),
    FleetCheck(
        name="gpu-inventory", seconds=1.1, says="GPUs found:", hardware=_GPU,
        measures=(Measure(name="gpus_count", levels=(0, 8, 4)),),
    ),
    FleetCheck(
        name="gpu-ecc", seconds=1.4, says="uncorrectable errors:", hardware=_GPU,
        measures=(
            Measure(name="uncorrectable_count", levels=(0, 0, 0)),
            Measure(name="remapped_rows_count", levels=(0, 0, 0)),
        ),
    ),
    FleetCheck(
        name="gpu-dcgm", seconds=118.0, says="the slowest GPU computes", scale=1e12,
        unit=" TFLOP/s", hardware=_GPU, every=4,
        measures=(Measure(name="slowest_flops", levels=(0, 4.9e13, 1.8e13), spread=0.01),),
    ),
    FleetCheck(
        name="nvlink", seconds=26.0, says="the slowest link carries", scale=1e9, unit="G/s",
        hardware=_GPU, every=2,
        measures=(Measure(name="slowest_bytes_per_s", levels=(0, 3.7e11, 2.4e11), spread=0.006),),
    ),
    FleetCheck(
        name="ib-link", seconds=0.9, says="the link is up at", unit=" Gbit/s",
        measures=(
            Measure(name="rate_gbit_per_s", levels=(200, 400, 200)),
            Measure(name="symbol_errors_count", levels=(0, 0, 0)),
        ),
    ),
)  # fmt: skip
"""In the order of a visit."""

NAMES = tuple(check.name for check in CHECKS)


def chosen(names: Sequence[str]) -> tuple[FleetCheck, ...]:
    """Return the checks of *names* in the order of a visit.

    Raises:
        ValueError: one is unknown, or none of them runs on every node.
    """
    unknown = sorted(set(names) - set(NAMES))
    if unknown:
        raise ValueError(f"no check {', '.join(unknown)}; there are {', '.join(NAMES)}")
    found = tuple(check for check in CHECKS if check.name in names)
    if not any(steady(check) for check in found):
        raise ValueError(f"none of {', '.join(names)} measures something on every node")
    return found


def steady(check: FleetCheck) -> bool:
    """Whether it measures on every node something whose noise is small against a slow loss."""
    return check.hardware == _ANY and 0 < check.measures[0].spread <= 0.05
