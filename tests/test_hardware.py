"""Which nodes are of one kind."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.hardware import hardware, memory_text
from slurm_hooks.slurm_text import Node

GPU = Node(
    name="g1", state="IDLE", cpus=128, real_memory_mb=1031524, gres="nvme:2,gpu:h100:8(S:0-1)",
    features=("hdr", "epyc", "rack12"),
)  # fmt: skip


def test_a_kind_is_read_from_cpus_memory_gres_and_features() -> None:
    twin = replace(GPU, name="g2", features=("epyc", "hdr", "rack13"))
    assert hardware([GPU, twin]) == dict.fromkeys(
        ["g1", "g2"], "128 CPUs, 1024 GiB, gpu:h100:8,nvme:2, epyc+hdr"
    )


def test_twins_are_of_one_kind_although_their_memory_and_their_gpus_places_differ() -> None:
    twin = replace(
        GPU, name="g2", real_memory_mb=1031539, gres="gpu:h100:8(S:1),nvme:2", state="DOWN"
    )
    assert len({*hardware([GPU, twin]).values()}) == 1


@pytest.mark.parametrize(
    "other",
    [
        replace(GPU, name="g2", cpus=64),
        replace(GPU, name="g2", real_memory_mb=515000),
        replace(GPU, name="g2", gres="gpu:a100:8"),
    ],
)
def test_nodes_with_other_cpus_memory_or_gpus_are_of_another_kind(other: Node) -> None:
    assert len({*hardware([GPU, other]).values()}) == 2


def test_a_feature_that_several_nodes_share_tells_kinds_apart_and_a_nodes_own_does_not() -> None:
    names = ("a", "b", "c", "d")
    features = (("zen4", "a"), ("zen4", "b"), ("zen3", "c"), ("zen3", "d"))
    nodes = [
        replace(GPU, name=name, features=own) for name, own in zip(names, features, strict=True)
    ]
    found = hardware(nodes)
    assert found["a"] == found["b"] != found["c"] == found["d"]


@pytest.mark.parametrize("place", ["rack12", "r07", "switch=3", "Row-4", "u21", "nid00017"])
def test_a_place_is_no_kind(place: str) -> None:
    nodes = [replace(GPU, name=name, features=(place,)) for name in ("a", "b")]
    assert place not in hardware(nodes)["a"]


@pytest.mark.parametrize("kind", ["h100", "epyc7763", "zen4", "ib", "r750", "u280", "v100"])
def test_a_model_is_a_kind(kind: str) -> None:
    nodes = [replace(GPU, name=name, features=(kind,)) for name in ("a", "b")]
    assert hardware(nodes)["a"].endswith(kind)


@pytest.mark.parametrize(
    ("megabytes", "text"),
    [
        (257_000, "256 GiB"), (250_000, "256 GiB"), (385_000, "384 GiB"), (515_800, "512 GiB"),
        (773_000, "768 GiB"), (1_031_524, "1024 GiB"), (1_547_000, "1536 GiB"),
        (2_063_000, "2048 GiB"), (191_000, "192 GiB"), (95_000, "96 GiB"), (1_000, "1 GiB"),
        (500, "512 MiB"), (1, ""), (0, ""),
    ],
)  # fmt: skip
def test_memory_is_named_by_the_size_it_is_sold_in(megabytes: int, text: str) -> None:
    """As slurmd reports it, or a site wrote it down: some percent less than what was bought."""
    assert memory_text(megabytes) == text


@given(st.permutations(range(6)))
def test_the_order_of_nodes_changes_nothing(order: list[int]) -> None:
    nodes = [replace(GPU, name=f"g{n}", features=("zen4", f"x{n % 2}")) for n in range(6)]
    assert hardware(nodes[n] for n in order) == hardware(nodes)
