"""Hostlists, against their own rules and against Slurm's own reading of them."""

import shutil
import subprocess
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analytics.hostlist import MAX_NAMES, count, expand, fold, members, natural_key

NAMES = st.from_regex(r"[a-z][a-z0-9.-]{0,5}[0-9]{0,4}", fullmatch=True)


@st.composite
def hostlists(draw: st.DrawFn) -> str:
    """Text in the forms that Slurm's own parser takes: brackets last in each item."""
    items = draw(st.lists(_items(), min_size=1, max_size=4))
    return ",".join(items)


@st.composite
def _items(draw: st.DrawFn) -> str:
    prefix = draw(st.from_regex(r"[a-z]{1,3}(-?[0-9]{1,2}-?)?", fullmatch=True))
    brackets = draw(st.lists(_brackets(), max_size=2))
    glue = draw(st.sampled_from(["", "-", "x", "0"]))
    return prefix + glue.join(brackets)


@st.composite
def _brackets(draw: st.DrawFn) -> str:
    ranges = draw(st.lists(_ranges(), min_size=1, max_size=3))
    return f"[{','.join(ranges)}]"


@st.composite
def _ranges(draw: st.DrawFn) -> str:
    low = draw(st.integers(0, 120))
    width = draw(st.integers(1, 4))
    text = str(low).zfill(width)
    return draw(st.sampled_from([text, f"{text}-{low + draw(st.integers(0, 15))}"]))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("n1", "n1"),
        ("n[1-3]", "n1 n2 n3"),
        ("n[000-002,009]", "n000 n001 n002 n009"),
        ("n[8-11]", "n8 n9 n10 n11"),
        ("n[08-11]", "n08 n09 n10 n11"),
        ("n[098-101]", "n098 n099 n100 n101"),
        ("n[98-101]", "n98 n99 n100 n101"),
        ("n[09-100,3]", "n3 n09 " + " ".join(f"n{i}" for i in range(10, 101))),
        ("n[009-11]", "n009 n010 n011"),
        ("n[1-003]", "n1 n2 n3"),
        ("n[1-2][3-4]", "n13 n14 n23 n24"),
        ("n0[9-10]", "n09 n010"),
        ("r[1-2]-n[01-02]", "r1-n01 r1-n02 r2-n01 r2-n02"),
        ("n[1-2]-ib", "n1-ib n2-ib"),
        ("n[01-03]1", "n011 n021 n031"),
        ("n[1-2],n2,n1", "n1 n2"),
        (" n1 , n2\tm[1-2],,\n", "m1 m2 n1 n2"),
        ("[1-3]", "1 2 3"),
        ("n1-2", "n1-2"),
        ("n10,n9,n2", "n2 n9 n10"),
        ("n1.cluster,login_a", "login_a n1.cluster"),
    ],
)
def test_a_hostlist_expands_to_its_names_in_natural_order(text: str, names: str) -> None:
    assert expand(text) == names.split()
    assert members(text) == set(names.split())


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "empty"),
        (" , ", "empty"),
        ("n[1-2", "unbalanced '[' at character 2"),
        ("n1-2]", "unbalanced ']' at character 5"),
        ("n[[1]]", "unbalanced '['"),
        ("n[]", "'' is not a number"),
        ("n[1,]", "'' is not a number"),
        ("n[1--2]", "'1--2' is not a number"),
        ("n[a-c]", "'a-c' is not a number"),
        ("n[3-1]", "'3-1' runs backwards"),
        ("n[0-10/2]", "'0-10/2' is not a number"),
        ("@racks", "'@' cannot be part"),
        ("n*", "'*' cannot be part"),
        ("n[1-9]!n3", "'!' cannot be part"),
        ("nœud1", "'œ' cannot be part"),
        ("n1\0", "'\\x00' cannot be part"),
    ],
)
def test_what_is_no_hostlist_is_refused_with_the_way_to_write_one(text: str, part: str) -> None:
    with pytest.raises(ValueError, match=r"write it like n\[001-004,007\],login1") as caught:
        expand(text)
    assert part in str(caught.value)


def test_a_hostlist_too_long_is_refused_before_it_is_expanded() -> None:
    with pytest.raises(ValueError, match="more than 262144 names"):
        expand("n[0-999999999999999999][0-999999999999999999],m[1-5]")
    assert count(f"n[1-{MAX_NAMES}]") == MAX_NAMES
    with pytest.raises(ValueError, match="more than 262144 names"):
        count(f"n[1-{MAX_NAMES}],m")


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ([], ""),
        (["n1"], "n1"),
        (["n000", "n001", "n009"], "n[000-001,009]"),
        (["n10", "n9", "n011"], "n[9-10,011]"),
        (["n2", "n1", "n2"], "n[1-2]"),
        (["b1", "a1", "login"], "a1,b1,login"),
        (["r1n1", "r1n2", "r2n1"], "r1n[1-2],r2n1"),
        (["n1-ib", "n2-ib"], "n1-ib,n2-ib"),
        (["n", "n1", "n2"], "n,n[1-2]"),
    ],
)
def test_names_fold_as_slurm_folds_them(names: list[str], text: str) -> None:
    assert fold(names) == text


def test_what_cannot_be_a_node_is_not_folded() -> None:
    with pytest.raises(ValueError, match=r"'n\[1\]' is not a node's name"):
        fold(["n[1]"])


@given(st.sets(NAMES, min_size=1, max_size=30))
def test_folded_names_expand_to_themselves(names: set[str]) -> None:
    assert members(fold(names)) == names
    assert expand(fold(names)) == sorted(names, key=natural_key)


@given(hostlists())
def test_a_hostlist_never_holds_more_names_than_it_counts(text: str) -> None:
    assert len(expand(text)) <= count(text)


@given(st.text(alphabet="n0123456789[]-, @!/x", max_size=20) | st.text(max_size=10))
def test_any_text_expands_or_is_refused(text: str) -> None:
    try:
        names, refusal = expand(text), ""
    except ValueError as error:
        names, refusal = [], str(error)
    assert bool(names) != bool(refusal)
    assert "\n" not in refusal
    if names:
        assert expand(fold(names)) == names


@given(st.lists(NAMES, min_size=2, unique=True))
def test_natural_order_is_total(names: list[str]) -> None:
    ordered = sorted(names, key=natural_key)
    assert all(natural_key(one) < natural_key(other) for one, other in pairwise(ordered))


@pytest.fixture(scope="module")
def slurm_conf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What Slurm's hostlist commands need: a configuration, and nobody who serves it."""
    if shutil.which("scontrol") is None:
        pytest.skip("Slurm's client commands are not installed")
    path = tmp_path_factory.mktemp("slurm") / "slurm.conf"
    path.write_text("ClusterName=none\nSlurmctldHost=localhost\n")
    return path


def scontrol_show(conf: Path, what: str, argument: str) -> Sequence[str]:
    done = subprocess.run(
        ["scontrol", "show", what, argument],
        env={"SLURM_CONF": str(conf), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return done.stdout.split()


@pytest.mark.lab
@settings(max_examples=60, deadline=None)
@given(text=hostlists())
def test_slurm_expands_a_hostlist_to_the_same_names(slurm_conf: Path, text: str) -> None:
    assert set(scontrol_show(slurm_conf, "hostnames", text)) == set(expand(text))


@pytest.mark.lab
@settings(max_examples=60, deadline=None)
@given(names=st.sets(NAMES, min_size=1, max_size=20))
def test_slurm_reads_a_folded_hostlist_back(slurm_conf: Path, names: set[str]) -> None:
    assert set(scontrol_show(slurm_conf, "hostnames", fold(names))) == names


@pytest.mark.lab
@settings(max_examples=60, deadline=None)
@given(numbers=st.sets(st.integers(0, 1200), min_size=1), width=st.integers(1, 4))
def test_slurm_folds_padded_names_the_same(slurm_conf: Path, numbers: set[int], width: int) -> None:
    names = [f"n{number:0{width}}" for number in numbers]
    assert scontrol_show(slurm_conf, "hostlistsorted", ",".join(names)) == [fold(names)]
