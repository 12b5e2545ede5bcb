"""Which nodes are free to be visited."""

import pytest

from checks.eligible import Verdict, why_not_free
from slurm_hooks.slurm_text import Node


def verdict(state: str, *flags: str) -> Verdict | None:
    found = why_not_free(Node(name="n1", state=state, flags=frozenset(flags)))
    return found[0] if found else None


def test_an_idle_node_is_free() -> None:
    assert verdict("IDLE") is None


@pytest.mark.parametrize(
    "flag",
    ["DRAIN", "MAINTENANCE", "RESERVED", "PLANNED", "NOT_RESPONDING", "COMPLETING", "FAIL",
     "REBOOT_ISSUED", "REBOOT_REQUESTED", "POWERED_DOWN", "POWERING_UP", "POWER_DOWN",
     "A_FLAG_OF_A_LATER_SLURM"],
)  # fmt: skip
def test_any_flag_keeps_us_away_even_one_we_do_not_know(flag: str) -> None:
    assert verdict("IDLE", flag) is not None


@pytest.mark.parametrize("state", ["ALLOCATED", "MIXED"])
def test_a_node_with_jobs_is_busy(state: str) -> None:
    assert verdict(state) is Verdict.BUSY


@pytest.mark.parametrize("state", ["DOWN", "ERROR", "UNKNOWN", "FUTURE", "SOMETHING_NEW"])
def test_other_states_are_not_free(state: str) -> None:
    assert verdict(state) is Verdict.UNAVAILABLE


def test_a_cloud_node_that_is_up_is_free() -> None:
    assert verdict("IDLE", "CLOUD") is None


def test_a_drained_node_says_by_whom_and_why() -> None:
    node = Node(
        name="n1", state="IDLE", flags=frozenset({"DRAIN"}), reason="bad fan", reason_user="eve"
    )
    assert why_not_free(node) == (Verdict.DRAINED, "drained by eve: bad fan")
