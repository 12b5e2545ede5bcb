"""A node that loses speed is found among its peers, and nobody else is accused."""

import math
import random
from collections.abc import Callable
from datetime import timedelta
from statistics import median

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analytics.regression import LEAST_PEERS, LOSSES, RECENT, SERIES, losses, series, worst
from tests.judgements import START, one_class, rule, values

numbers = st.floats(allow_nan=True, allow_infinity=True) | st.floats(90, 110)


def noisy(dice: random.Random, level: float, days: int, noise: float = 0.01) -> list[float]:
    return [level * (1 + dice.uniform(-noise, noise)) for _ in range(days)]


def accused(data: dict[str, list[float]], *, higher: bool = True) -> dict[str, str]:
    """Who is accused, and by which comparisons."""
    found = worst(losses(series(values(data)), one_class(data), [rule(higher=higher)]))
    return dict(found.select("node", "against").iter_rows())


@settings(max_examples=50)
@given(st.integers(6, 60), st.integers(0, 1000), st.booleans())
def test_a_planted_loss_is_found_and_nobody_else_is_accused(
    nodes: int, seed: int, higher: bool
) -> None:
    dice = random.Random(seed)
    data = {f"n{n}": noisy(dice, 1000.0, 20) for n in range(nodes)}
    factor = 0.9 if higher else 1.1
    culprit = f"n{seed % nodes}"
    data[culprit] = [*data[culprit][:-RECENT], *(x * factor for x in data[culprit][-RECENT:])]
    assert accused(data, higher=higher) == {culprit: "past, peers"}
    assert accused(data, higher=not higher) == {}


@settings(max_examples=30)
@given(st.integers(0, 1000))
def test_a_node_that_was_always_slow_is_found_by_its_peers_alone(seed: int) -> None:
    dice = random.Random(seed)
    data = {f"n{n}": noisy(dice, 1000.0, 20) for n in range(12)} | {"slow": noisy(dice, 900.0, 20)}
    assert accused(data) == {"slow": "peers, spread"}


def test_a_node_that_is_slow_now_and_then_hides_behind_its_median_but_not_its_spread() -> None:
    dice = random.Random(7)
    data = {f"n{n}": noisy(dice, 1000.0, 24) for n in range(12)}
    data["sometimes"] = [x * (0.7 if day % 3 == 0 else 1) for day, x in enumerate(data["n0"])]
    assert median(data["sometimes"][-RECENT:]) > 980
    assert accused(data) == {"sometimes": "spread"}


def test_a_fleet_that_slows_down_together_is_against_its_past_and_against_no_peer() -> None:
    dice = random.Random(3)
    data = {f"n{n}": noisy(dice, 1000.0, 17) + noisy(dice, 850.0, 3) for n in range(10)}
    assert set(accused(data).values()) == {"past"}
    assert len(accused(data)) == 10


def test_noise_as_large_as_the_threshold_accuses_nobody() -> None:
    dice = random.Random(11)
    data = {f"n{n}": noisy(dice, 1000.0, 30, noise=0.2) for n in range(40)}
    assert accused(data) == {}


def test_nodes_are_compared_with_their_own_class_only() -> None:
    dice = random.Random(5)
    data = {f"a{n}": noisy(dice, 1000.0, 20) for n in range(8)}
    data |= {f"b{n}": noisy(dice, 500.0, 20) for n in range(5)}
    classes = pl.concat([one_class([n for n in data if n[0] == kind], kind) for kind in ("a", "b")])
    assert worst(losses(series(values(data)), classes, [rule()])).height == 0
    assert set(accused(data)) == {f"b{n}" for n in range(5)}


@pytest.mark.parametrize(
    ("days", "nodes", "hardware", "reasons"),
    [
        (10, 9, "gpu", {"past": "7 earlier values of at least 8"}),
        (20, 4, "gpu", {"peers": "4 nodes of its class of at least 5",
                        "spread": "4 nodes of its class of at least 5"}),
        (20, 9, None, {"peers": "its hardware class is not known",
                       "spread": "its hardware class is not known"}),
        (20, 9, "", {"peers": "its hardware class is not known",
                     "spread": "its hardware class is not known"}),
        (4, 9, "gpu", {"past": "1 earlier values of at least 8",
                       "spread": "4 values of at least 8"}),
    ],
)  # fmt: skip
def test_too_little_is_no_verdict_and_says_why(
    days: int, nodes: int, hardware: str | None, reasons: dict[str, str]
) -> None:
    data = {f"n{n}": [100.0 + n % 2] * days for n in range(nodes)}
    data["n0"] = [*data["n0"][:-3], 50.0, 50.0, 50.0]
    found = losses(series(values(data)), one_class(data, hardware), [rule()])
    unclear = found.filter((pl.col("verdict") == "unclear") & (pl.col("node") == "n0"))
    assert dict(unclear.select("against", "reason").iter_rows()) == reasons
    assert unclear["loss"].null_count() == unclear.height


def test_a_baseline_of_zero_judges_nobody() -> None:
    data = {f"n{n}": [0.0] * 20 for n in range(9)} | {"n9": [-5.0] * 20}
    found = losses(series(values(data)), one_class(data), [rule()])
    assert set(found.filter(pl.col("node") == "n9", pl.col("against") == "peers")["reason"]) == {
        "its baseline is zero"
    }
    assert "fail" not in set(found.filter(pl.col("node") != "n9")["verdict"])


def test_where_all_values_are_alike_any_loss_beyond_the_threshold_counts() -> None:
    data = {f"n{n}": [100.0] * 20 for n in range(9)}
    data["n0"] = [*[100.0] * 17, 94.0, 94.0, 94.0]
    assert accused(data) == {"n0": "past, peers"}
    data["n0"] = [*[100.0] * 17, 96.0, 96.0, 96.0]
    assert accused(data) == {}


@given(st.dictionaries(st.sampled_from("abcdefg"), st.lists(numbers, max_size=25)))
def test_no_number_crashes_it_and_what_is_not_finite_accuses_nobody(
    data: dict[str, list[float]],
) -> None:
    kept = series(values(data))
    assert kept.schema == SERIES
    found = losses(kept, one_class("abcdefg"), [rule()])
    assert found.schema == LOSSES
    assert set(found["verdict"]) <= {"pass", "warn", "fail", "unclear"}
    bad = found.filter(pl.col("verdict").is_in(["warn", "fail"]))
    assert bad["loss"].is_finite().all()
    assert not bad["mads"].is_nan().any()
    clean = {node: [x for x in some if math.isfinite(x)] for node, some in data.items()}
    assert_frame_equal(
        series(values(clean)).drop("last_at"), kept.drop("last_at"), check_exact=True
    )


@given(
    st.dictionaries(st.sampled_from("abcdefg"), st.lists(st.floats(1, 1000), max_size=25)),
    st.sampled_from([2.0**-20, 0.5, 4.0, 2.0**40]),
)
def test_another_unit_changes_no_verdict(data: dict[str, list[float]], scale: float) -> None:
    def verdicts(factor: float) -> pl.DataFrame:
        scaled = {node: [x * factor for x in some] for node, some in data.items()}
        found = losses(series(values(scaled)), one_class("abcdefg"), [rule()])
        return found.select("node", "against", "verdict", "loss")

    assert_frame_equal(verdicts(1.0), verdicts(scale), check_exact=True)


@given(st.dictionaries(st.sampled_from("abcdefg"), st.lists(st.floats(1, 1000), max_size=25)),
       st.randoms())  # fmt: skip
def test_the_order_of_rows_changes_nothing(
    data: dict[str, list[float]], dice: random.Random
) -> None:
    frame = values(data)
    order = [*range(frame.height)]
    dice.shuffle(order)
    classes = one_class("abcdefg")
    assert_frame_equal(
        losses(series(frame), classes, [rule()]),
        losses(series(frame[order]), classes.reverse(), [rule()]),
        check_exact=True,
    )


def _no_rule(frame: pl.DataFrame) -> pl.DataFrame:
    return losses(series(frame), one_class("n"), [])


def _nothing(frame: pl.DataFrame) -> pl.DataFrame:
    return losses(series(frame.clear()), one_class([]), [rule()])


@pytest.mark.parametrize("asked", [_no_rule, _nothing])
def test_without_values_or_rules_there_is_nothing_to_say(
    asked: Callable[[pl.DataFrame], pl.DataFrame],
) -> None:
    found = asked(values({"n": [1.0] * 20}))
    assert (found.height, worst(found).height, found.schema) == (0, 0, LOSSES)


def test_the_latest_values_are_the_latest_by_time() -> None:
    frame = values({"n": [*range(1, 21)]})
    found = series(frame.reverse()).row(0, named=True)
    assert (found["value"], found["past"], found["n"], found["past_n"]) == (19, 9, 20, 17)
    assert found["last_at"] == START + timedelta(days=19)
    assert LEAST_PEERS == 5


def test_without_a_word_on_what_would_be_too_much_a_loss_is_shown_and_not_judged() -> None:
    dice = random.Random(9)
    data = {f"n{n}": noisy(dice, 1000.0, 20) for n in range(8)} | {"slow": noisy(dice, 700.0, 20)}
    found = losses(series(values(data)), one_class(data), [rule(warn=None, fail=None)])
    said = found.filter((pl.col("node") == "slow") & (pl.col("against") == "peers")).row(
        0, named=True
    )
    assert said["verdict"] == "unclear"
    assert said["loss"] == pytest.approx(0.3, abs=0.02)
    assert said["reason"] == "its definition names no loss that is too much"
