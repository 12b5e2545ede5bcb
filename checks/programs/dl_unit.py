"""Trains a tiny network whose loss is known, on every visible GPU or on the CPU."""

import argparse
import importlib
import math
import os
import platform
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from checks.programs.report import (
    InconclusiveError,
    NodeFaultError,
    NotApplicableError,
    Verdict,
    detail,
    log,
    metric,
    run,
)

if TYPE_CHECKING:
    from torch import Tensor
    from torch import dtype as DType  # noqa: N812 - a type, not a value

STEPS = 20
BATCH, SIDE, CHANNELS, HIDDEN, CLASSES = 64, 12, 16, 256, 10
RATE, MOMENTUM = 0.05, 0.9
TOLERANCE = 1e-4
"""The largest relative distance from the known loss. Single precision comes within 1e-6,
TF32 within 2e-5: rounding alone never leaves it."""

KNOWN_LOSS = (
    2.30301270, 2.29322907, 2.27561287, 2.25210757, 2.22389156, 2.19118119, 2.15364037,
    2.11098748, 2.06339781, 2.01139384, 1.95543561, 1.89553161, 1.83120739, 1.76175994,
    1.68655532, 1.60530506, 1.51807168, 1.42508192, 1.32671187, 1.22354524,
)  # fmt: skip
"""The loss after each step, computed in double precision on a CPU:
train(torch, "cpu", double=True).losses, rounded to 8 digits."""

HARDWARE_ERRORS = ("uncorrectable ecc", "uncorrectable nvlink", "gpu is lost")
"""What only a broken GPU makes its driver say; any other error may be the software's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line asks for."""

    gpus: int | None
    python: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """One training: its device, the loss after each step, its speed and its memory."""

    device: str
    losses: tuple[float, ...]
    steps_per_s: float
    peak_bytes: int


def uniform(count: int, seed: int) -> list[float]:
    """*count* numbers in [-1, 1), exact in single precision, the same everywhere for ever.

    Knuth's 64-bit linear congruential generator; its upper 24 bits.
    """
    state = seed
    numbers = []
    for _ in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        numbers.append((state >> 40) / 2**23 - 1.0)
    return numbers


def deviation(losses: Sequence[float], known: Sequence[float]) -> float:
    """The largest relative distance between two loss curves; infinite if one is not a number."""
    if len(losses) != len(known) or not all(math.isfinite(loss) for loss in losses):
        return math.inf
    return max(abs(loss - right) / abs(right) for loss, right in zip(losses, known, strict=True))


def train(torch: ModuleType, device: str, *, double: bool = False) -> Curve:
    """Train the network on *device*: convolution, two dense layers, cross entropy, SGD."""
    weights, images, labels = _network(torch, device, torch.float64 if double else torch.float32)
    optimizer = torch.optim.SGD(weights, lr=RATE, momentum=MOMENTUM)
    losses, started = [], 0.0
    for step in range(STEPS):
        if step == 1:  # the first step loads kernels
            started = time.perf_counter()
        optimizer.zero_grad()
        loss = _loss(torch, weights, images, labels)
        loss.backward()
        optimizer.step()
        losses.append(float(loss.item()))  # waits for the device
    return Curve(
        device=device,
        losses=tuple(losses),
        steps_per_s=(STEPS - 1) / (time.perf_counter() - started),
        peak_bytes=_peak_bytes(torch, device),
    )


def judge_curve(curve: Curve, witness: Curve | None) -> None:
    """Raise what *curve* proves; *witness* is the double precision training on the CPU.

    The witness made the known loss. Where it does not make it again, this build of
    PyTorch computes something else, and no device can be blamed.
    """
    off = deviation(curve.losses, KNOWN_LOSS)
    if off <= TOLERANCE or witness is None:
        return
    said = f"the loss on {curve.device} is off by {off:.2g} of the known one"
    if deviation(witness.losses, KNOWN_LOSS) > TOLERANCE:
        raise InconclusiveError(f"{said}, and so is the reference: suspect this build of PyTorch")
    raise NodeFaultError(f"{said}, while the reference on this node's CPU is right")


def main(argv: Sequence[str] | None = None) -> int:
    """Check every visible GPU, or the CPU; return the exit code."""
    options = Options(**vars(_parser().parse_args(argv)))
    return run(lambda: _check(options))


def _check(options: Options) -> Verdict:
    if options.python is not None:
        _go_on_in(options.python, options.gpus)
    torch = _torch()
    try:
        devices = _devices(torch, options.gpus)
        curves = [_judged(torch, device) for device in devices]
    except RuntimeError as error:  # what PyTorch raises for whatever a GPU's driver says
        text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if any(known in str(error).lower() for known in HARDWARE_ERRORS):
            raise NodeFaultError(f"the GPU's driver reports: {text}") from error
        raise InconclusiveError(f"PyTorch failed: {text}") from error
    return _report(torch, curves)


def _judged(torch: ModuleType, device: str) -> Curve:
    curve = train(torch, device)
    log(f"{device} ({_name(torch, device)}): " + " ".join(f"{loss:.8f}" for loss in curve.losses))
    off = deviation(curve.losses, KNOWN_LOSS)
    log(f"{device}: off by {off:.3g}, {curve.steps_per_s:.4g} steps/s")
    judge_curve(curve, train(torch, "cpu", double=True) if off > TOLERANCE else None)
    return curve


def _report(torch: ModuleType, curves: Sequence[Curve]) -> Verdict:
    worst = max(curves, key=lambda curve: deviation(curve.losses, KNOWN_LOSS))
    slowest = min(curve.steps_per_s for curve in curves)
    metric("gpus_count", sum(curve.device != "cpu" for curve in curves))
    metric("steps_per_s", slowest)
    metric("loss", worst.losses[-1])
    metric("loss_deviation_ratio", deviation(worst.losses, KNOWN_LOSS))
    metric("memory_peak_bytes", max(curve.peak_bytes for curve in curves))
    names = ", ".join(f"{curve.device} ({_name(torch, curve.device)})" for curve in curves)
    detail(f"the known loss on {names}; {slowest:.0f} steps/s; PyTorch {torch.__version__}")
    return Verdict.PASS


def _torch() -> ModuleType:
    """PyTorch, set to compute in true single precision and repeatably."""
    try:
        torch = importlib.import_module("torch")
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise NotApplicableError(
            f"no PyTorch in {sys.executable}; name a Python that has it with --python"
        ) from error
    torch.set_float32_matmul_precision("highest")
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    return torch


def _devices(torch: ModuleType, expected: int | None) -> list[str]:
    count = int(torch.cuda.device_count()) if torch.cuda.is_available() else 0
    if expected is not None and count < expected:
        if torch.version.cuda is None and torch.version.hip is None:
            raise InconclusiveError(f"PyTorch {torch.__version__} is built without GPU support")
        raise NodeFaultError(f"PyTorch sees {count} GPUs, {expected} are expected")
    return [f"cuda:{index}" for index in range(count)] or ["cpu"]


def _network(
    torch: ModuleType, device: str, dtype: "DType"
) -> "tuple[list[Tensor], Tensor, Tensor]":
    """The weights, the images and their labels, all from our own numbers."""
    flat = CHANNELS * (SIDE // 2 - 1) ** 2
    shapes: list[tuple[float, tuple[int, ...]]] = [
        (1.0, (BATCH, 1, SIDE, SIDE)),
        (0.5, (CHANNELS, 1, 3, 3)),
        (flat**-0.5, (HIDDEN, flat)),
        (HIDDEN**-0.5, (CLASSES, HIDDEN)),
    ]
    images, *weights = (
        (torch.tensor(uniform(math.prod(shape), seed), dtype=dtype) * scale).reshape(shape)
        for seed, (scale, shape) in enumerate(shapes)
    )
    labels = torch.arange(BATCH) % CLASSES
    return (
        [weight.to(device).requires_grad_() for weight in weights],
        images.to(device),
        labels.to(device),
    )


def _loss(
    torch: ModuleType, weights: "list[Tensor]", images: "Tensor", labels: "Tensor"
) -> "Tensor":
    layer = torch.nn.functional
    hidden = layer.max_pool2d(torch.tanh(layer.conv2d(images, weights[0])), 2)
    hidden = torch.tanh(layer.linear(hidden.flatten(1), weights[1]))
    return layer.cross_entropy(layer.linear(hidden, weights[2]), labels)


def _peak_bytes(torch: ModuleType, device: str) -> int:
    """The most memory used: of the GPU by PyTorch, or by this process (Linux counts KiB)."""
    if device == "cpu":
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return int(torch.cuda.max_memory_allocated(device))


def _name(torch: ModuleType, device: str) -> str:
    return platform.machine() if device == "cpu" else str(torch.cuda.get_device_name(device))


def _go_on_in(python: Path, gpus: int | None) -> None:
    """Become the same check in another *python*, the one that has PyTorch."""
    start = (
        "import sys; sys.path.append(sys.argv.pop(1)); "
        "from checks.programs.dl_unit import main; sys.exit(main())"
    )
    rest = [] if gpus is None else ["--gpus", str(gpus)]
    home = str(Path(__file__).resolve().parents[2])
    try:
        os.execv(python, [str(python), "-I", "-c", start, home, *rest])  # noqa: S606 - no shell
    except OSError as error:
        raise InconclusiveError(f"--python {python}: {error.strerror}") from error


def _count(text: str) -> int:
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is not a count")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dl-unit", description=__doc__, allow_abbrev=False)
    add = parser.add_argument
    add("--gpus", type=_count, metavar="COUNT", help="fail if PyTorch sees fewer GPUs than this")
    add("--python", type=Path, help="the Python that has PyTorch, if it is not this one")
    return parser


if __name__ == "__main__":
    sys.exit(main())
