"""What a result may do to its node, sentence by sentence; test_policy_properties has the rest."""

from dataclasses import replace
from datetime import timedelta

import pytest

from slurm_hooks.approval import approve, discard
from slurm_hooks.journal import Entry, Verdict, What, Word
from slurm_hooks.journal_lines import dump, load
from slurm_hooks.policy import Case
from slurm_hooks.reaction import Kind, Reacting
from slurm_hooks.record import Evidence, Outcome
from tests.decisions import (
    COMMENT,
    DAY,
    DRAIN,
    DRAINS,
    HOUR,
    MINUTE,
    NODES,
    NOTIFY,
    NOW,
    RESERVE,
    RESERVES,
    UNCOMMENT,
    UNDRAIN,
    UNRESERVE,
    WIDE,
    Cluster,
    case,
    events,
    verdicts,
    words,
)

PASS, FAIL = Outcome.PASS, Outcome.FAIL
HANG = replace(DRAINS, hang_condemns=True)


def only(cluster: Cluster) -> Entry:
    (item,) = cluster.book.items.values()
    return item.entry


def test_a_fail_drains_its_node() -> None:
    cluster = Cluster()
    assert verdicts(cluster.react(case())) == [(Kind.DRAIN, "n0", Verdict.DO)]
    assert only(cluster).text.startswith("bad: gpu: Xid 79 (")


@pytest.mark.parametrize("outcome", [*(set(Outcome) - {PASS, FAIL, Outcome.TIMEOUT}), None])
def test_what_is_neither_pass_nor_fail_does_nothing(outcome: Outcome | None) -> None:
    every = Reacting(on_fail=(DRAIN, COMMENT, NOTIFY, RESERVE), on_pass=(UNDRAIN,))
    cluster = Cluster(rails=replace(WIDE, held=0))
    cluster.react(case(check="other"))  # it waits, and stays so
    assert cluster.react(case(outcome, check="other", at=NOW + MINUTE, reacting=every)) == []
    assert cluster.react(case(outcome, reacting=every)) == []


def test_a_timeout_reacts_only_where_a_hang_condemns_the_node() -> None:
    assert Cluster().react(case(Outcome.TIMEOUT)) == []
    found = Cluster().react(case(Outcome.TIMEOUT, reacting=HANG))
    assert verdicts(found) == [(Kind.DRAIN, "n0", Verdict.DO)]


@pytest.mark.parametrize(
    ("earlier", "verdict"),
    [
        ((), Verdict.NO),
        ((PASS, PASS, FAIL), Verdict.NO),
        ((PASS, FAIL), Verdict.DO),
        ((FAIL,), Verdict.DO),
        ((Outcome.TIMEOUT,), Verdict.NO),
    ],
)
def test_a_fail_reacts_when_enough_of_the_last_results_confirm_it(
    earlier: tuple[Outcome, ...], verdict: Verdict
) -> None:
    twice = replace(DRAINS, confirm_fails=2, confirm_of=3)
    found = Cluster().react(case(reacting=twice, earlier=earlier))
    assert verdicts(found) == [(Kind.DRAIN, "n0", verdict)]


def test_a_hang_confirms_a_fail_where_it_condemns() -> None:
    twice = replace(HANG, confirm_fails=2, confirm_of=2)
    found = Cluster().react(case(reacting=twice, earlier=(Outcome.TIMEOUT,)))
    assert verdicts(found) == [(Kind.DRAIN, "n0", Verdict.DO)]


def test_a_pass_undoes_what_its_own_check_did() -> None:
    cluster = Cluster()
    cluster.react(case(), case(check="cpu", node="n1"))
    cluster.react(case(PASS, at=NOW + MINUTE), case(PASS, "n1", at=NOW + MINUTE))
    assert cluster.held == {"n1"}


def test_a_pass_does_not_undo_what_another_check_did() -> None:
    cluster = Cluster()
    cluster.react(case())
    assert cluster.react(case(PASS, check="cpu", at=NOW + MINUTE)) == []


def test_a_pass_unreserves_whatever_has_its_prefix() -> None:
    cluster = Cluster()
    other = replace(RESERVES, on_fail=(replace(RESERVE, prefix="r"),))
    cluster.react(case(reacting=RESERVES, check="quick"), case(node="n1", reacting=other))
    for node in ("n0", "n1"):
        cluster.react(case(PASS, node, check="thorough", reacting=RESERVES, at=NOW + MINUTE))
    assert cluster.held == {"n1"}


def test_a_node_returns_once_no_other_check_speaks_against_it() -> None:
    cluster = Cluster()
    cluster.react(case(), case(check="cpu"))
    found = cluster.react(case(PASS, at=NOW + MINUTE))
    assert verdicts(found) == [(Kind.UNDRAIN, "n0", Verdict.WAIT)]
    assert cluster.held == {"n0"}
    cluster.react(case(PASS, check="cpu", at=NOW + MINUTE))
    assert cluster.held == set()
    assert not [item for item in cluster.book.items.values() if not item.over]


def test_both_checks_passing_in_one_pass_return_the_node_in_that_pass() -> None:
    cluster = Cluster()
    cluster.react(case(), case(check="cpu"))
    cluster.react(case(PASS, at=NOW + MINUTE), case(PASS, check="cpu", at=NOW + MINUTE))
    assert cluster.held == set()


@pytest.mark.parametrize("later", [1, -1])
def test_a_node_does_not_return_in_the_pass_in_which_another_check_fails(later: int) -> None:
    cluster = Cluster()
    cluster.react(case())
    other = case(check="cpu", at=NOW + MINUTE + later * timedelta(seconds=10))
    cluster.react(case(PASS, at=NOW + MINUTE), other)
    assert cluster.held == {"n0"}


def test_a_fail_waits_while_its_node_is_being_returned_and_takes_it_then() -> None:
    cluster = Cluster()
    cluster.react(case())
    cluster.consider(case(PASS, at=NOW + MINUTE))
    found = cluster.consider(case(check="cpu", at=NOW + 2 * MINUTE))
    assert verdicts(found) == [(Kind.DRAIN, "n0", Verdict.WAIT)]
    cluster.carry_out()
    cluster.react()
    assert [item.entry.check for item in cluster.book.holds] == ["cpu"]


def test_a_later_fail_takes_back_a_return_that_waits() -> None:
    cluster = Cluster()
    cluster.react(case(), case(check="cpu"))
    cluster.react(case(PASS, at=NOW + MINUTE))
    cluster.react(case(at=NOW + 2 * MINUTE))
    cluster.react(case(PASS, check="cpu", at=NOW + 3 * MINUTE))
    assert cluster.held == {"n0"}


def test_a_later_fail_of_the_check_that_reserved_outweighs_a_thorough_pass() -> None:
    quick, later = case(check="quick", reacting=RESERVES), NOW + 2 * MINUTE
    thorough = case(PASS, check="thorough", reacting=RESERVES, at=NOW + MINUTE)
    cluster = Cluster()
    cluster.react(quick)
    cluster.react(thorough, case(check="quick", reacting=RESERVES, at=later))
    assert cluster.held == {"n0"}
    waits = Cluster()
    waits.react(quick, case(check="cpu"))
    waits.react(thorough)
    waits.react(case(check="quick", reacting=RESERVES, at=later))
    waits.react(case(PASS, check="cpu", at=NOW + 3 * MINUTE))
    assert waits.held == {"n0"}


def test_of_two_new_results_of_a_check_only_the_later_counts() -> None:
    cluster = Cluster()
    found = cluster.react(case(), case(PASS, at=NOW + MINUTE))
    assert verdicts(found) == [(Kind.DRAIN, "n0", Verdict.NO)]
    assert "later result" in only(cluster).why


def test_an_older_result_changes_nothing_that_a_newer_one_decided() -> None:
    cluster = Cluster()
    cluster.react(case(at=NOW))
    assert cluster.react(case(PASS, at=NOW - MINUTE)) == []
    cluster.react(case(PASS, at=NOW + MINUTE))
    assert verdicts(cluster.react(case(at=NOW + 30 * timedelta(seconds=1)))) == [
        (Kind.DRAIN, "n0", Verdict.NO)
    ]


def test_a_pass_returns_no_node_when_a_later_fail_comes_with_it() -> None:
    cluster = Cluster()
    cluster.react(case())
    cluster.react(case(PASS, at=NOW + MINUTE), case(at=NOW + 2 * MINUTE))
    assert cluster.held == {"n0"}


def test_a_node_whose_clock_is_ahead_does_not_outlive_its_later_results() -> None:
    cluster = Cluster()
    cluster.react(case(at=NOW + 10 * DAY))
    cluster.now += HOUR
    cluster.react(case(PASS, at=NOW + HOUR))
    assert cluster.held == set()


def test_a_result_that_is_too_old_does_nothing() -> None:
    cluster = Cluster()
    assert verdicts(cluster.react(case(at=NOW - 2 * DAY))) == [(Kind.DRAIN, "n0", Verdict.NO)]
    cluster = Cluster()
    cluster.react(case())
    cluster.now += 2 * DAY
    assert cluster.react(case(PASS, at=NOW + MINUTE)) == []


def test_a_second_fail_does_nothing_while_the_first_ones_drain_stands() -> None:
    cluster = Cluster()
    cluster.react(case())
    assert verdicts(cluster.react(case(at=NOW + MINUTE))) == [(Kind.DRAIN, "n0", Verdict.NO)]
    cluster.happen(cluster.book.holds[0].entry.id, What.LOST)
    cluster.react(case(at=NOW + 2 * MINUTE))
    assert cluster.held == {"n0"}


def test_a_fail_whose_earlier_reaction_is_being_undone_reacts_again() -> None:
    says = replace(DRAINS, on_fail=(COMMENT, DRAIN), on_pass=(UNCOMMENT, UNDRAIN))
    cluster = Cluster()
    cluster.react(case(reacting=says))
    cluster.consider(case(PASS, reacting=says, at=NOW + MINUTE))
    found = cluster.consider(case(reacting=says, at=NOW + 2 * MINUTE))
    assert verdicts(found) == [
        (Kind.COMMENT, "n0", Verdict.DO),
        (Kind.DRAIN, "n0", Verdict.WAIT),
    ]
    cluster.carry_out()
    cluster.react()
    assert cluster.held == {"n0"}


def test_a_fail_takes_the_node_again_when_the_drain_it_had_joined_is_gone() -> None:
    cluster = Cluster()
    cluster.react(case())
    cluster.react(case(check="cpu"))
    cluster.happen(cluster.book.holds[0].entry.id, What.LOST)
    cluster.react(case(check="cpu", at=NOW + MINUTE))
    assert [item.entry.check for item in cluster.book.holds] == ["cpu"]


def test_in_its_probation_a_check_comments_and_does_no_more() -> None:
    every = Reacting(
        on_fail=(DRAIN, NOTIFY, RESERVE), on_pass=(UNDRAIN, NOTIFY, UNRESERVE), probation=True
    )
    cluster = Cluster()
    cluster.react(case(check="quick", reacting=RESERVES))
    found = cluster.react(case(reacting=every, at=NOW + MINUTE))
    assert verdicts(found) == [(Kind.COMMENT, "n0", Verdict.DO)]
    found = cluster.react(case(PASS, reacting=every, at=NOW + 2 * MINUTE))
    assert verdicts(found) == [(Kind.UNCOMMENT, "n0", Verdict.DO)]
    assert cluster.held == {"n0"}


def test_a_check_that_comments_anyway_comments_once_in_its_probation() -> None:
    every = Reacting(on_fail=(DRAIN, COMMENT), on_pass=(UNDRAIN,), probation=True)
    cluster = Cluster()
    cluster.react(case(reacting=every))
    assert only(cluster).prefix == "said"
    assert cluster.react(case(PASS, reacting=every, at=NOW + MINUTE)) == []


def test_a_check_out_of_its_probation_takes_back_its_comment() -> None:
    cluster = Cluster()
    cluster.react(case(reacting=replace(DRAINS, probation=True)))
    found = cluster.react(case(PASS, at=NOW + MINUTE))
    assert verdicts(found) == [(Kind.UNCOMMENT, "n0", Verdict.DO)]


def test_in_shadow_all_is_decided_and_nothing_is_done() -> None:
    bundle = Cluster(rails=replace(WIDE, shadow=True))
    assert verdicts(bundle.react(case())) == [(Kind.DRAIN, "n0", Verdict.WOULD)]
    check = Cluster()
    check.react(case())
    shadow = replace(DRAINS, shadow=True)
    found = check.react(case(PASS, at=NOW + MINUTE, reacting=shadow))
    assert verdicts(found) == [(Kind.UNDRAIN, "n0", Verdict.WOULD)]
    contradiction = case(Outcome.ERROR, evidence=Evidence.CONFLICT, reacting=shadow)
    assert verdicts(check.react(contradiction)) == [(Kind.UNDRAIN, "n0", Verdict.WOULD)]
    assert check.held == {"n0"}


def test_what_waits_does_not_go_once_the_bundle_is_in_shadow() -> None:
    cluster = Cluster(rails=replace(WIDE, held=0))
    cluster.react(case())
    cluster.rails = replace(WIDE, shadow=True)
    assert cluster.react() == []


def test_a_return_that_waits_does_not_go_once_the_bundle_is_in_shadow() -> None:
    cluster = Cluster()
    cluster.react(case(), case(check="cpu"))
    cluster.react(case(PASS, at=NOW + MINUTE))
    for item in list(cluster.book.items.values()):
        if item.entry.check == "cpu":
            cluster.happen(item.entry.id, What.LOST)
    cluster.rails = replace(WIDE, shadow=True)
    assert cluster.react() == []
    cluster.rails = WIDE
    cluster.react()
    assert cluster.held == set()


def test_what_waits_for_room_goes_when_there_is_some_the_oldest_first() -> None:
    cluster = Cluster(rails=replace(WIDE, held=1))
    cluster.react(case())
    cluster.react(case(node="n1"))
    cluster.react(case(node="n2"))
    cluster.react(case(PASS, at=NOW + MINUTE))
    cluster.react()
    assert cluster.held == {"n1"}


def test_what_has_waited_too_long_is_given_up() -> None:
    cluster = Cluster(rails=replace(WIDE, held=0))
    cluster.react(case())
    cluster.now += DAY
    cluster.rails = WIDE
    assert events(cluster.react()) == [(only(cluster).id, What.EXPIRED)]
    assert cluster.react() == []


def test_what_waits_is_superseded_by_a_later_pass_even_when_room_comes_with_it() -> None:
    cluster = Cluster(rails=replace(WIDE, held=0))
    cluster.react(case())
    cluster.rails = WIDE
    found = cluster.react(case(PASS, at=NOW + MINUTE))
    assert events(found) == [(only(cluster).id, What.SUPERSEDED)]


def test_what_waits_is_superseded_by_a_later_fail_that_waits_in_its_place() -> None:
    cluster = Cluster(rails=replace(WIDE, held=0))
    cluster.react(case())
    found = cluster.react(case(at=NOW + MINUTE))
    assert [what for _, what in events(found)] == [What.SUPERSEDED]
    assert verdicts(found) == [(Kind.DRAIN, "n0", Verdict.WAIT)]


def test_a_waiting_return_ends_when_somebody_else_returns_the_node() -> None:
    cluster = Cluster()
    cluster.react(case(), case(check="cpu"))
    cluster.react(case(PASS, at=NOW + MINUTE))
    for item in list(cluster.book.items.values()):
        if item.stands:
            cluster.happen(item.entry.id, What.LOST)
    found = cluster.react()
    assert [what for _, what in events(found)] == [What.SUPERSEDED]


def test_what_is_not_seen_done_yet_is_undone_after_it_was() -> None:
    cluster = Cluster()
    cluster.consider(case())
    cluster.now += MINUTE
    found = cluster.consider(case(PASS, at=NOW + MINUTE))
    assert verdicts(found) == [(Kind.UNDRAIN, "n0", Verdict.WAIT)]
    cluster.carry_out()
    assert cluster.held == {"n0"}
    cluster.react()
    assert cluster.held == set()


def contradicted(found: Case) -> Case:
    said = replace(found.record, evidence=Evidence.CONFLICT, outcome=Outcome.ERROR)
    return replace(found, record=said)


def test_a_contradiction_withdraws_what_was_done() -> None:
    cluster = Cluster()
    cluster.react(case())
    cluster.react(contradicted(case()))
    assert cluster.held == set()


def test_a_contradiction_withdraws_what_waits() -> None:
    cluster = Cluster(rails=replace(WIDE, held=0))
    cluster.react(case())
    assert events(cluster.react(contradicted(case()))) == [(only(cluster).id, What.SUPERSEDED)]


def test_a_contradiction_that_is_considered_twice_does_not_end_its_own_withdrawal() -> None:
    cluster = Cluster()
    cluster.consider(case())
    cluster.consider(contradicted(case()))
    assert cluster.consider(contradicted(case())) == []
    cluster.carry_out()
    cluster.react()
    assert cluster.held == set()


@pytest.mark.parametrize("order", [1, -1])
def test_a_result_does_nothing_that_comes_with_its_contradiction_or_after_it(order: int) -> None:
    cluster = Cluster()
    found = cluster.react(*[case(), contradicted(case())][::order])
    assert verdicts(found) == [(Kind.DRAIN, "n0", Verdict.NO)]
    assert cluster.react(case()) == []


def test_a_pass_that_is_contradicted_ends_nothing_that_waits() -> None:
    cluster = Cluster(rails=replace(WIDE, held=0))
    cluster.react(case())
    passed = case(PASS, at=NOW + MINUTE)
    assert events(cluster.react(passed, contradicted(passed))) == []


def test_a_withdrawal_that_waits_ends_with_a_later_fail_and_not_with_a_later_pass() -> None:
    for outcome, held in ((FAIL, {"n0"}), (PASS, set())):
        cluster = Cluster()
        never = replace(DRAINS, on_pass=())
        cluster.react(case(reacting=never), case(check="cpu"))
        cluster.react(contradicted(case(reacting=never)))
        cluster.react(case(outcome, reacting=never, at=NOW + MINUTE))
        cluster.react(case(PASS, check="cpu", at=NOW + MINUTE))
        assert cluster.held == held


def test_contradicted_fails_suspend_nothing() -> None:
    cluster = Cluster(rails=replace(WIDE, suspect=2))
    fails = [case(node=node) for node in NODES]
    cluster.react(*fails, *map(contradicted, fails))
    assert words(cluster.lines) == []


def test_a_contradiction_leaves_what_stands_for_a_later_fail_as_well() -> None:
    cluster = Cluster()
    cluster.react(case())
    cluster.react(case(at=NOW + MINUTE))
    assert cluster.react(contradicted(case())) == []
    assert cluster.held == {"n0"}


def test_a_withdrawn_drain_stays_while_another_check_speaks_against_the_node() -> None:
    cluster = Cluster()
    cluster.react(case(), case(check="cpu"))
    cluster.react(contradicted(case()))
    assert cluster.held == {"n0"}


def test_a_pass_says_its_comment_once() -> None:
    praise = Reacting(on_pass=(COMMENT,))
    cluster = Cluster()
    cluster.react(case(PASS, reacting=praise))
    assert cluster.react(case(PASS, reacting=praise, at=NOW + MINUTE)) == []


def test_a_pass_takes_back_the_comment_of_a_fail_although_another_check_fails() -> None:
    says = Reacting(on_fail=(COMMENT,), on_pass=(UNCOMMENT,))
    cluster = Cluster()
    cluster.react(case(reacting=says), case(check="cpu"))
    found = cluster.react(case(PASS, reacting=says, at=NOW + MINUTE))
    assert verdicts(found) == [(Kind.UNCOMMENT, "n0", Verdict.DO)]


def test_a_pass_keeps_what_it_said_itself() -> None:
    praise = Reacting(on_pass=(COMMENT, UNCOMMENT))
    cluster = Cluster()
    cluster.react(case(PASS, reacting=praise))
    assert cluster.react(case(PASS, reacting=praise, at=NOW + MINUTE)) == []


def test_what_two_checks_may_undo_is_undone_once() -> None:
    cluster = Cluster()
    cluster.react(case(reacting=RESERVES, check="quick"))
    passed = [case(PASS, check=name, reacting=RESERVES, at=NOW + MINUTE) for name in ("quick", "x")]
    assert len(verdicts(cluster.consider(*passed))) == 1
    waits = Cluster()
    waits.react(case(reacting=RESERVES, check="quick"), case(check="cpu"))
    waits.react(*passed)
    found = waits.consider(case(PASS, check="cpu", at=NOW + MINUTE))
    assert len([what for _, what in events(found) if what is What.ALLOWED]) == 1


def test_a_check_returns_a_drain_of_its_own_although_its_reservation_stands() -> None:
    both = Reacting(on_fail=(DRAIN, RESERVE), on_pass=(UNDRAIN,))
    cluster = Cluster()
    cluster.react(case(reacting=both))
    found = cluster.react(case(PASS, reacting=both, at=NOW + MINUTE))
    assert verdicts(found) == [(Kind.UNDRAIN, "n0", Verdict.DO)]


def test_a_check_does_not_unreserve_what_has_another_prefix() -> None:
    other = replace(RESERVES, on_pass=(replace(UNRESERVE, prefix="r"),))
    cluster = Cluster()
    cluster.react(case(reacting=other))
    assert cluster.react(case(PASS, reacting=other, at=NOW + MINUTE)) == []


def test_what_is_decided_is_what_will_be_read_back() -> None:
    cluster = Cluster(now=NOW + timedelta(microseconds=1234))
    cluster.rails = replace(WIDE, suspect=0)
    found = cluster.consider(case())
    assert load(dump(found)) == found


def test_a_notice_is_decided_and_then_nothing_is_left_to_do_here() -> None:
    cluster = Cluster()
    cluster.consider(case(reacting=Reacting(on_fail=(NOTIFY,))))
    assert [item.over for item in cluster.book.items.values()] == [True]


def suspended(reacting: Reacting = DRAINS) -> Cluster:
    cluster = Cluster(rails=replace(WIDE, suspect=2, held=2))
    cluster.react(*(case(node=node, reacting=reacting) for node in NODES[:4]))
    return cluster


def test_a_check_that_fails_on_too_many_nodes_takes_none_and_is_told_of_once() -> None:
    cluster = suspended(replace(DRAINS, on_fail=(DRAIN, NOTIFY)))
    assert cluster.held == set()
    assert [(word.check, word.word) for word in words(cluster.lines)] == [("gpu", Word.SUSPENDED)]
    assert "suspect the check or the fabric" in words(cluster.lines)[0].detail
    found = cluster.react(case(node="n4"), case(node="n5", check="cpu"))
    assert words(found) == []
    assert cluster.held == {"n5"}


def test_a_check_is_suspended_by_fails_that_come_one_after_the_other() -> None:
    cluster = Cluster(rails=replace(WIDE, suspect=2))
    for node in NODES:
        cluster.react(case(node=node))
    assert cluster.held == {"n0", "n1"}


def test_fails_that_lie_further_apart_than_the_window_suspend_nothing() -> None:
    cluster = Cluster(rails=replace(WIDE, suspect=2))
    for node in NODES:
        cluster.now += HOUR
        cluster.react(case(node=node))
    assert cluster.held == set(NODES)


def test_old_results_that_come_late_suspend_nothing() -> None:
    cluster = Cluster(rails=replace(WIDE, suspect=2))
    cluster.react(*(case(node=node, at=NOW - 2 * DAY) for node in NODES))
    cluster.react(case(at=NOW + MINUTE))
    assert cluster.held == {"n0"}


def test_withdrawals_suspend_nothing() -> None:
    cluster = Cluster(rails=replace(WIDE, suspect=2))
    cluster.react(*(case(node=node) for node in NODES[:2]))
    cluster.react(*(contradicted(case(node=node, batch=f"b{node}")) for node in NODES))
    assert words(cluster.lines) == []


def test_approval_lets_go_what_waits_as_far_as_there_is_room() -> None:
    cluster = suspended()
    cluster.write(approve(cluster.book, "gpu", by="anna", now=cluster.now))
    cluster.react()
    assert len(cluster.held) == 2
    cluster.rails = replace(cluster.rails, held=10)
    cluster.react()
    assert cluster.held == set(NODES[:4])


def test_after_a_word_the_count_of_fails_begins_anew() -> None:
    for word in (approve, discard):
        cluster = suspended()
        cluster.write(word(cluster.book, "gpu", by="anna", now=cluster.now))
        found = cluster.react(case(node="n4"), case(node="n5"))
        assert words(found) == []
        cluster.react(case(at=NOW + 2 * MINUTE))
        assert [one.word for one in words(cluster.lines)][-1] is Word.SUSPENDED


def test_results_that_are_considered_again_after_the_word_do_not_suspend_again() -> None:
    cluster = suspended()
    cluster.write(discard(cluster.book, "gpu", by="anna", now=cluster.now))
    assert cluster.react(*(case(node=node) for node in NODES[:4])) == []


def test_discarding_gives_up_what_waits() -> None:
    cluster = suspended()
    cluster.write(discard(cluster.book, "gpu", by="anna", now=cluster.now))
    assert cluster.book.waiting == []
    assert cluster.react() == []


def test_one_approved_entry_goes_while_its_check_stays_suspended() -> None:
    cluster = suspended()
    entry = next(item.entry for item in cluster.book.waiting if item.entry.node == "n3")
    cluster.write(approve(cluster.book, entry.id[:8], by="anna", now=cluster.now))
    cluster.react()
    assert cluster.held == {"n3"}


def test_one_approved_entry_still_waits_for_room() -> None:
    cluster = suspended()
    cluster.rails = replace(cluster.rails, held=0)
    entry = cluster.book.waiting[0].entry
    cluster.write(approve(cluster.book, entry.id, by="anna", now=cluster.now))
    assert cluster.react() == []


def test_a_pass_of_a_suspended_check_still_undoes_what_it_did() -> None:
    cluster = Cluster(rails=replace(WIDE, suspect=2))
    for node in NODES[:4]:
        cluster.react(case(node=node))
    cluster.react(case(PASS, at=NOW + 4 * MINUTE))
    assert cluster.held == {"n1"}
