"""The DL unit test knows its loss, and skips where there is no PyTorch."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

from checks.programs import dl_unit
from checks.programs.dl_unit import KNOWN_LOSS, STEPS, Curve, deviation, judge_curve
from checks.programs.report import InconclusiveError, NodeFaultError
from tests.programs import ROOT, run_program

DATA = ROOT / "tests/data/dl_unit"


def curve(losses: tuple[float, ...], device: str = "cuda:0") -> Curve:
    return Curve(device=device, losses=losses, steps_per_s=1.0, peak_bytes=1)


def off_by(share: float) -> tuple[float, ...]:
    return (*KNOWN_LOSS[:-1], KNOWN_LOSS[-1] * (1 + share))


def test_without_pytorch_it_skips_and_says_what_to_do(tmp_path: Path) -> None:
    ended = run_program("dl_unit", report=tmp_path / "report")
    assert ended.code == 195
    assert "no PyTorch in" in ended.detail
    assert "--python" in ended.detail


def test_another_python_runs_it_in_its_own_packages(tmp_path: Path) -> None:
    """The named Python is started isolated and finds the check program, nothing else changes."""
    seen = tmp_path / "seen"
    other = tmp_path / "python"
    other.write_text(
        f"#!{sys.executable} -I\nimport json, sys\n"
        f"open({str(seen)!r}, 'w').write(json.dumps(sys.argv[1:]))\nsys.exit(195)\n"
    )
    other.chmod(0o755)
    ended = run_program("dl_unit", "--python", other, "--gpus", "4", report=tmp_path / "report")
    assert ended.code == 195, ended.output
    isolated, flag, start, home, *rest = json.loads(seen.read_text())
    assert (isolated, flag, rest) == ("-I", "-c", ["--gpus", "4"])
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", start, home],
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 195


def test_a_python_that_is_not_there_is_no_verdict(tmp_path: Path) -> None:
    ended = run_program("dl_unit", "--python", tmp_path / "no", report=tmp_path / "report")
    assert ended.code == 1
    assert "No such file" in ended.detail


def test_the_known_loss_falls() -> None:
    assert len(KNOWN_LOSS) == STEPS
    assert list(KNOWN_LOSS) == sorted(KNOWN_LOSS, reverse=True)
    assert KNOWN_LOSS[0] == pytest.approx(math.log(dl_unit.CLASSES), rel=1e-3)


def test_our_numbers_never_change() -> None:
    numbers = dl_unit.uniform(10_000, seed=1)
    assert numbers[:3] == dl_unit.uniform(3, seed=1)
    assert all(-1 <= number < 1 for number in numbers)
    assert abs(sum(numbers) / len(numbers)) < 0.02
    assert all(float(number * 2**23).is_integer() for number in numbers[:100])


def test_a_loss_that_is_no_number_or_missing_is_infinitely_far_off() -> None:
    assert deviation((*KNOWN_LOSS[:-1], math.nan), KNOWN_LOSS) == math.inf
    assert deviation(KNOWN_LOSS[:-1], KNOWN_LOSS) == math.inf
    assert deviation(KNOWN_LOSS, KNOWN_LOSS) == 0


def test_rounding_alone_is_no_fault() -> None:
    judge_curve(curve(off_by(5e-5)), None)
    judge_curve(curve(off_by(-5e-5)), curve(KNOWN_LOSS, "cpu"))


def test_a_gpu_that_computes_another_loss_is_bad_if_the_reference_is_right() -> None:
    with pytest.raises(NodeFaultError, match="cuda:0 is off by"):
        judge_curve(curve(off_by(1e-3)), curve(KNOWN_LOSS, "cpu"))


def test_a_pytorch_that_computes_another_loss_everywhere_blames_no_node() -> None:
    with pytest.raises(InconclusiveError, match="suspect this build"):
        judge_curve(curve(off_by(1e-3)), curve(off_by(2e-3), "cpu"))


def test_the_known_loss_comes_out_with_pytorch() -> None:
    torch = pytest.importorskip("torch")
    for double in (False, True):
        trained = dl_unit.train(torch, "cpu", double=double)
        assert deviation(trained.losses, KNOWN_LOSS) < dl_unit.TOLERANCE / 10
        assert trained.steps_per_s > 0


def test_one_wrong_weight_is_outside_the_tolerance() -> None:
    torch = pytest.importorskip("torch")
    weights, images, labels = dl_unit._network(torch, "cpu", torch.float32)
    with torch.no_grad():
        weights[2][3, 7] = -weights[2][3, 7] * 4  # what a flipped sign and exponent bit do
    loss = float(dl_unit._loss(torch, weights, images, labels).item())
    assert abs(loss - KNOWN_LOSS[0]) / KNOWN_LOSS[0] > dl_unit.TOLERANCE


def test_a_healthy_gpu_is_within_rounding_of_the_known_loss() -> None:
    """What the program printed on an NVIDIA H200 with PyTorch 2.11, CUDA 13.0."""
    seen = (DATA / "h200.log").read_text().splitlines()[0]
    losses = tuple(map(float, seen.partition(": ")[2].split()))
    judge_curve(curve(losses), None)
    told = dict(line.split()[1:] for line in _metrics("h200.report"))
    assert float(told["loss_deviation_ratio"]) == pytest.approx(
        deviation(losses, KNOWN_LOSS), rel=0.1
    )


def _metrics(name: str) -> list[str]:
    return [line for line in (DATA / name).read_text().splitlines() if line.startswith("metric ")]
