"""How many nodes the settings' caps are, and that they hold."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slurm_hooks.errors import ConfigError
from slurm_hooks.journal import Book
from slurm_hooks.rails import rails
from slurm_hooks.room import Rails, Room
from slurm_hooks.settings import ReactionMode, ReactionSettings, parse_settings
from slurm_hooks.slurm_text import Node
from tests.decisions import HOUR, NODES, NOW, PARTITIONS, WIDE, Cluster, case

LEAST = 'cluster = "c"\nstate_dir = "/s"\nlog_dir = "/l"\n[reactions]\n'


def reactions(text: str = "") -> ReactionSettings:
    return parse_settings(LEAST + text, Path("c.toml")).reactions


def nodes(count: int, *partitions: str) -> list[Node]:
    return [Node(name=f"n{n}", state="IDLE", partitions=partitions) for n in range(count)]


def test_of_a_cluster_of_hundreds_a_few_may_be_held() -> None:
    found = rails(reactions(), [*nodes(360, "a"), *nodes(40, "a", "b")])
    assert (found.held, found.taken, found.suspect) == (20, 8, 5)
    assert found.held_in == {"a": 40, "b": 4}
    assert (found.window, found.suspect_window, found.oldest) == (HOUR, HOUR, 24 * HOUR)
    assert found.shadow is False


def test_shadow_is_the_bundles_mode() -> None:
    assert rails(reactions('mode = "shadow"'), []).shadow is True


@given(st.integers(1, 100), st.integers(0, 20_000))
def test_a_share_is_rounded_down_to_one_at_least(percent: int, size: int) -> None:
    settings = reactions(f'max_held = "{percent}%"\nmax_held_in_partition = "{percent}%"')
    found, most = rails(settings, nodes(1, "a") * size), max(1, size * percent // 100)
    assert found.held == most
    assert found.held_in == ({"a": most} if size else {})


def test_a_number_counts_nodes_and_none_is_none() -> None:
    found = rails(reactions("max_held = 0\nmax_held_in_partition = 7"), nodes(3, "a"))
    assert (found.held, found.held_in) == (0, {"a": 7})
    cluster = Cluster(rails=found)
    cluster.react(case())
    assert cluster.held == set()


@pytest.mark.parametrize("key", ["window", "suspect_window", "max_result_age"])
def test_no_window_is_longer_than_what_is_over_is_remembered(key: str) -> None:
    reactions(f'{key} = "30d"')
    with pytest.raises(ConfigError, match=rf"reactions\.{key}.*at most 30d"):
        reactions(f'{key} = "31d"')


def test_modes_are_named() -> None:
    assert reactions('mode = "off"').mode is ReactionMode.OFF
    with pytest.raises(ConfigError, match="one of on, shadow, off"):
        reactions('mode = "maybe"')


CAPS = st.builds(
    Rails,
    held=st.integers(0, 6),
    held_in=st.fixed_dictionaries({"a": st.integers(0, 4), "b": st.integers(0, 4)}),
    taken=st.integers(0, 6),
    window=st.just(timedelta(hours=1)),
    suspect=st.just(9),
    suspect_window=st.just(timedelta(hours=1)),
)


@given(CAPS, st.lists(st.sampled_from(NODES), max_size=12))
def test_whatever_is_asked_for_in_whatever_order_no_cap_is_exceeded_nor_left_unused(
    caps: Rails, asked: list[str]
) -> None:
    room, taken = Room(Book(), PARTITIONS, caps, now=NOW), set[str]()
    for node in asked:
        if room.why_not(node):
            more = taken | {node}
            full = {name for name in "ab" if count(more, name) > caps.held_in[name]}
            assert node not in taken
            assert full or len(more) > min(caps.held, caps.taken)
        else:
            room.take(node)
            taken.add(node)
    assert len(taken) <= min(caps.held, caps.taken)
    assert all(count(taken, name) <= caps.held_in[name] for name in "ab")


def count(nodes: set[str], partition: str) -> int:
    return sum(partition in PARTITIONS[node] for node in nodes)


@pytest.mark.parametrize(
    ("caps", "why"),
    [
        (replace(WIDE, held=1), "1 nodes are held, and no more than 1 may be"),
        (replace(WIDE, taken=1), "1 nodes were taken lately, and no more than 1 may be"),
        (replace(WIDE, held_in={"a": 1}), "1 nodes of a are held, and no more than 1 may be"),
    ],
)
def test_what_waits_for_room_says_which_cap_is_full(caps: Rails, why: str) -> None:
    cluster = Cluster(rails=caps)
    cluster.react(case(), case(node="n1"))
    (waiting,) = cluster.book.waiting
    assert waiting.entry.why == why
