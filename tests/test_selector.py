"""Which nodes a check is for."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.hostlist import fold, members
from checks.definition import CheckDefinition, Nodes, Resources, Selector
from checks.gres import Gres, amount, parse_gres, parse_request
from checks.selector import matching, mismatch
from slurm_hooks.slurm_text import Node

NODE = Node(
    name="gpu001",
    state="IDLE",
    cpus=64,
    real_memory_mb=512_000,
    features=("h100", "ib"),
    gres="gpu:h100:8(S:0-1),nvme:2",
    partitions=("main", "gpu"),
)


def check(
    *,
    include: Selector | None = None,
    exclude: Selector | None = None,
    resources: Resources | None = None,
) -> CheckDefinition:
    return CheckDefinition(
        name="x",
        description="d",
        command=("true",),
        max_age=timedelta(days=7),
        nodes=Nodes(include=include, exclude=exclude),
        resources=resources or Resources(),
    )


def memory(text: str) -> Resources:
    return Resources.model_validate({"mem": text})


@pytest.mark.parametrize(
    "include",
    [
        None,
        Selector(hostlist="gpu[001-004]"),
        Selector(features=("ib",)),
        Selector(features=("ib", "h100")),
        Selector(gres="gpu"),
        Selector(gres="gpu:8"),
        Selector(gres="gpu:h100"),
        Selector(gres="gpu:h100:8"),
        Selector(gres="nvme:2"),
        Selector(partitions=("gpu",)),
        Selector(partitions=("absent", "main")),
        Selector(hostlist="gpu001", features=("ib",), gres="gpu", partitions=("gpu",)),
    ],
)
def test_a_node_of_which_every_key_is_true_is_taken_and_can_be_excluded(
    include: Selector | None,
) -> None:
    assert matching(check(include=include), [NODE]) == {"gpu001"}
    assert mismatch(check(include=include), NODE) == ""
    if include is not None:
        assert matching(check(exclude=include), [NODE]) == set()
        assert mismatch(check(exclude=include), NODE) == "is in nodes.exclude"


@pytest.mark.parametrize(
    ("include", "reason"),
    [
        (Selector(hostlist="gpu[002-004]"), "is not in nodes.include"),
        (Selector(features=("ib", "a100", "x")), "has no feature a100, x"),
        (Selector(gres="gpu:9"), "has no gres gpu:9"),
        (Selector(gres="gpu:a100"), "has no gres gpu:a100"),
        (Selector(gres="tpu"), "has no gres tpu"),
        (Selector(partitions=("cpu", "x")), "is not in partition cpu or x"),
        (Selector(hostlist="gpu001", features=("a100",)), "has no feature a100"),
        (Selector(hostlist="gpu002", features=("ib",)), "is not in nodes.include"),
    ],
)
def test_a_node_of_which_one_key_is_false_is_not_taken_and_not_excluded(
    include: Selector, reason: str
) -> None:
    assert matching(check(include=include), [NODE]) == set()
    assert mismatch(check(include=include), NODE) == reason
    assert matching(check(exclude=include), [NODE]) == {"gpu001"}


@pytest.mark.parametrize(
    ("resources", "reason"),
    [
        (Resources(gpus=8, cpus=64), ""),
        (Resources(gpus=9), "has 8 GPUs, not 9"),
        (Resources(cpus=65), "has 64 CPUs, not 65"),
        (memory("500G"), ""),
        (memory("501G"), "has 512000 MiB of memory, not 513024"),
    ],
)
def test_a_node_smaller_than_the_check_is_not_taken(resources: Resources, reason: str) -> None:
    assert mismatch(check(resources=resources), NODE) == reason
    assert bool(matching(check(resources=resources), [NODE])) == (reason == "")


def test_memory_that_is_not_known_is_not_held_against_a_node() -> None:
    assert mismatch(check(resources=memory("1T")), replace(NODE, real_memory_mb=0)) == ""


@pytest.mark.parametrize(
    ("text", "gres"),
    [
        ("", ()),
        ("(null)", ()),
        ("gpu", (Gres(name="gpu"),)),
        ("gpu:8", (Gres(name="gpu", count=8),)),
        ("gpu:a100:4(S:0,2)", (Gres(name="gpu", kind="a100", count=4),)),
        (
            "gpu:tesla:2(S:0-1),gpu:kepler:1(IDX:3),nvme:1",
            (
                Gres(name="gpu", kind="tesla", count=2),
                Gres(name="gpu", kind="kepler"),
                Gres(name="nvme"),
            ),
        ),
        ("lustre:no_consume:4G", (Gres(name="lustre", count=4 * 1024**3),)),
        ("bandwidth:lustre:no_consume:4K", (Gres(name="bandwidth", kind="lustre", count=4096),)),
        ("shard:16,a:b:c:d:e", (Gres(name="shard", count=16),)),
    ],
)
def test_gres_is_read_as_slurm_writes_it(text: str, gres: tuple[Gres, ...]) -> None:
    assert parse_gres(text) == gres


def test_gpus_of_all_kinds_count_together() -> None:
    gres = parse_gres("gpu:tesla:2,gpu:kepler:1,gpu:1")
    assert amount(gres, "gpu") == 4
    assert amount(gres, "gpu", "tesla") == 2


@pytest.mark.parametrize("text", ["", "gpu:", ":8", "gpu:0", "gpu:h100:0", "gpu:h100:8:1", "a b"])
def test_what_asks_for_no_gres_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="write it like gpu, gpu:h100 or gpu:h100:8"):
        parse_request(text)


@given(st.text(max_size=30))
def test_any_gres_text_of_a_node_is_read(text: str) -> None:
    assert all(one.count >= 0 for one in parse_gres(text))


SELECTORS = st.builds(
    lambda hosts, features, gres, partitions: (
        Selector(hostlist=hosts, features=features, gres=gres, partitions=partitions)
        if hosts or features or gres or partitions
        else None
    ),
    st.sampled_from([None, "n[0-4]", "n[3-9]"]),
    st.sampled_from([(), ("a",), ("a", "b")]),
    st.sampled_from([None, "gpu", "gpu:2"]),
    st.sampled_from([(), ("p",), ("p", "q")]),
)
NODES = st.lists(
    st.builds(
        Node,
        name=st.sampled_from([f"n{number}" for number in range(8)]),
        state=st.just("IDLE"),
        cpus=st.integers(1, 3),
        real_memory_mb=st.integers(0, 2),
        features=st.sampled_from([(), ("a",), ("b", "a")]),
        gres=st.sampled_from(["", "gpu:1", "gpu:x:3(S:0)"]),
        partitions=st.sampled_from([(), ("p",), ("q",)]),
    ),
    unique_by=lambda node: node.name,
)


def taken_by(selector: Selector, node: Node) -> bool:
    """The rule, said once more and slowly."""
    return (
        (selector.hostlist is None or node.name in members(selector.hostlist))
        and set(selector.features) <= set(node.features)
        and (
            selector.gres is None
            or amount(parse_gres(node.gres), "gpu") >= parse_request(selector.gres).count
        )
        and (not selector.partitions or bool(set(selector.partitions) & set(node.partitions)))
    )


@given(SELECTORS, SELECTORS, NODES, st.integers(1, 3))
def test_a_check_is_for_what_is_included_and_not_excluded_and_large_enough(
    include: Selector | None, exclude: Selector | None, nodes: list[Node], cpus: int
) -> None:
    definition = check(include=include, exclude=exclude, resources=Resources(cpus=cpus))
    found = matching(definition, nodes)
    assert found == {
        node.name
        for node in nodes
        if (include is None or taken_by(include, node))
        and not (exclude is not None and taken_by(exclude, node))
        and node.cpus >= cpus
    }
    assert found == {node.name for node in nodes if not mismatch(definition, node)}


def test_twenty_checks_on_ten_thousand_nodes_are_matched_well_within_a_second() -> None:
    nodes = [
        replace(NODE, name=f"gpu{index:05d}", features=("h100", f"rack{index // 40}"))
        for index in range(10_000)
    ]
    hostlist = fold(node.name for node in nodes[100:])
    definitions = [
        check(
            include=Selector(hostlist=hostlist, features=("h100",), gres="gpu:h100:8"),
            exclude=Selector(hostlist=f"gpu[{number:05d}-00200]"),
        )
        for number in range(20)
    ]
    members.cache_clear()
    started = time.process_time()
    found = [matching(definition, nodes) for definition in definitions]
    assert time.process_time() - started < 0.5
    assert {len(one) for one in found} == {9_799}
