"""Text for reasons and comments, whatever a program printed, and how Slurm's output is read."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics.hostlist import fold
from slurm_hooks.hostlist import expand
from slurm_hooks.node_text import safe_text
from slurm_hooks.slurm_text import Node, parse_nodes, parse_reservations

AUTHOR = "[slurm@2026-11-22T02:12:39]"
PIECES = st.sampled_from(
    [" Comment=", " Reason=", "\n   Comment=", "\n   Extra=x", "\n\nNodeName=n2 State=DOWN",
     " [root@2026-01-01T00:00:00]", "[", "]", '"', "'", "\\", "#", ";", "\t", "\r", "\x1b[31m",
     "\u2028", "\u202e", "\udcff", "\0", "ü", "(null)", "=", "  ", "+=", "%s", "bad fan"]
)  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=5), max_size=12).map("".join)


def shown(name: str, reason: str, comment: str, extra: str = "") -> str:
    """Return what ``scontrol show node`` prints of texts that it took as arguments (22.05)."""
    lines = [f"NodeName={name} CPUTot=2 ", "   OS=Linux 6.18 #1 SMP State=DOWN ",
             "   RealMemory=1000 AllocMem=0", "   State=IDLE+DRAIN Weight=1",
             "   Partitions=main,background ", "   ExtSensorsTemp=n/s"]  # fmt: skip
    first, *more = reason.removeprefix('"').removesuffix('"').split("\n")
    lines += [f"   Reason={first} {AUTHOR}"] if reason else []
    lines += [" " * 10 + line for line in more]
    lines += [f"   Comment={comment}"] if comment else []
    lines += [f"   Extra={extra}"] if extra else []
    return "\n".join(lines) + "\n\n"


def read(*blocks: str) -> list[Node]:
    return parse_nodes("".join(blocks))


@given(TEXTS, TEXTS, TEXTS, st.integers(0, 80))
def test_safe_texts_come_back_unchanged_whatever_a_program_printed(
    reason: str, comment: str, extra: str, limit: int
) -> None:
    reason, comment, extra = (safe_text(text, limit) for text in (reason, comment, extra))
    nodes = read(shown("n1", reason, comment, extra), shown("n2", "", ""))
    assert [(node.name, node.state, node.reason, node.comment) for node in nodes] == [
        ("n1", "IDLE", reason, comment),
        ("n2", "IDLE", "", ""),
    ]
    assert nodes[0].reason_user == ("slurm" if reason else "")


@given(TEXTS, st.integers(0, 80))
def test_safe_text_keeps_to_its_limit_and_is_left_alone_the_second_time(
    text: str, limit: int
) -> None:
    safe = safe_text(text, limit)
    assert len(safe) <= limit
    assert safe_text(safe, limit) == safe
    assert safe.isprintable()
    assert safe == safe.strip()
    assert '"' not in safe
    safe.encode()


@given(st.text("abc=[]@#;'\\%ü+", max_size=40))
def test_what_scontrol_keeps_is_not_touched(text: str) -> None:
    assert safe_text(text, 40) == text


@given(TEXTS, TEXTS)
def test_a_longer_reason_never_reads_as_the_one_it_begins_with(reason: str, more: str) -> None:
    """A hold is ours where the reason is ours: an admin's addition makes it the admin's."""
    ours = safe_text(reason, 60) or "ours"
    for added in (f"{ours}{more}x", f"{ours}\n{more}x", f" {ours}", f"{ours} "):
        assert read(shown("n1", added, ""))[0].reason != ours


@pytest.mark.parametrize("extra", ["", "Comment=forged"])
@pytest.mark.parametrize("reason", ["", "bad Comment=x [root@2026-01-01T00:00:00]"])
def test_a_comment_of_many_lines_is_read_whole_and_hides_nothing(reason: str, extra: str) -> None:
    comment = "first\n   lower=x\n\nlast "
    node = read(shown("n1", reason, comment, extra), shown("n2", "", ""))[0]
    assert (node.reason, node.comment) == (reason, comment)


def test_the_author_may_be_of_a_domain_and_is_the_last_one_named() -> None:
    text = shown("n1", "bad [x@2026-01-01T00:00:00]", "").replace("slurm@", "ann@site@")
    node = read(text)[0]
    assert (node.reason, node.reason_user) == ("bad [x@2026-01-01T00:00:00]", "ann@site")
    assert node.reason_at == datetime(2026, 11, 22, 2, 12, 39, tzinfo=UTC)


RESERVATION = (
    "ReservationName=a StartTime=x b StartTime=2026-11-22T02:15:24 EndTime=2027-11-22T02:15:24 "
    "Duration=365-00:00:00 Nodes=idle[00000,00002-00003],n001 NodeCnt=4 CoreCnt=8 "
    "Features=(null) PartitionName=(null) Flags=MAINT,IGNORE_JOBS,SPEC_NODES TRES=cpu=8 "
    "Users=root,slurm Groups=(null) Accounts=(null) Licenses=(null) State=ACTIVE "
    "BurstBuffer=(null) Watts=n/a MaxStartDelay=(null)"
)


def test_a_reservation_is_read_whole() -> None:
    (found,) = parse_reservations(RESERVATION + "\n")
    assert found.name == "a StartTime=x b"
    assert found.nodes == ("idle00000", "idle00002", "idle00003", "n001")
    assert (found.users, found.state) == (("root", "slurm"), "ACTIVE")
    assert found.flags == {"MAINT", "IGNORE_JOBS", "SPEC_NODES"}
    assert found.starts_at == datetime(2026, 11, 22, 2, 15, 24, tzinfo=UTC)
    assert found.ends_at == datetime(2027, 11, 22, 2, 15, 24, tzinfo=UTC)


def test_a_reservation_whose_nodes_are_gone_has_none() -> None:
    assert parse_reservations("ReservationName=r StartTime=x Nodes=(null)")[0].nodes == ()
    assert parse_reservations("No reservations in the system\n") == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ""),
        ("n1", "n1"),
        ("n[8-11],login1", "n8 n9 n10 n11 login1"),
        ("n[000-002,009]", "n000 n001 n002 n009"),
        ("n[098-101]", "n098 n099 n100 n101"),
        ("r[1-2]-n[01-02]-ib", "r1-n01-ib r1-n02-ib r2-n01-ib r2-n02-ib"),
    ],
)
def test_hostlists_that_slurm_prints_are_expanded_in_their_order(text: str, names: str) -> None:
    assert expand(text) == names.split()


@given(st.sets(st.from_regex(r"[a-z]{1,3}[0-9]{0,3}(-ib)?", fullmatch=True), min_size=1))
def test_names_folded_as_slurm_folds_them_are_found_again(names: set[str]) -> None:
    assert sorted(expand(fold(names))) == sorted(names)
