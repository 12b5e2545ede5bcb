"""run, cancel and retry on a real cluster: at once, by the same path, with the same records."""

import subprocess

import pytest

from tests.lab import Lab
from tests.lab.users import SERVICE
from tests.site import history, suspend_shipped

pytestmark = pytest.mark.lab


@pytest.fixture
def site(lab: Lab) -> Lab:
    """A lab where only the checks that a test adds are active, and no sweep finds them due."""
    suspend_shipped(lab)
    lab.configure(max_concurrent_visits=8, record_grace="0s")
    return lab


def doctor(lab: Lab, *arguments: str, code: int = 0) -> "subprocess.CompletedProcess[str]":
    lab.wait_for(lambda: not any("comp" in s for s in lab.states().values()), 20, "no epilog")
    done = lab.run_as_service(["cluster-doctor", *arguments], check=False)
    assert done.returncode == code, (done.stdout, done.stderr)
    return done


def outcomes(lab: Lab) -> list[tuple[str, str, str]]:
    return sorted((row.node, row.check, row.outcome) for row in history(lab))


def queue(lab: Lab, state: str) -> list[str]:
    argv = ["squeue", "-a", "-h", "--array", "-t", state, "-u", SERVICE, "-o", "%i"]
    return lab.run(argv).stdout.split()


def wait_for_visits(lab: Lab, state: str, count: int) -> None:
    lab.wait_for(lambda: len(queue(lab, state)) >= count, 20, f"{count} visits {state}")


def table(text: str) -> list[list[str]]:
    return [line.split() for line in text.splitlines()]


def test_it_runs_what_is_asked_for_where_it_is_asked_for_and_shows_how_it_ended(site: Lab) -> None:
    site.add_check("quick")
    site.add_check("other")
    doctor(site, "run", "quick", "-w", "n[000-001]", "--wait")
    site.fault("n001", "quick", "fail")
    done = doctor(site, "run", "quick", "-w", "n[000-001]", "--wait", code=1)
    results = [line[:3] for line in table(done.stdout)]
    assert ["n000", "quick", "pass"] in results
    assert ["n001", "quick", "fail"] in results
    assert "2 of 2 checks" in done.stderr
    assert outcomes(site) == [
        ("n000", "quick", "pass"),
        ("n000", "quick", "pass"),
        ("n001", "quick", "fail"),
        ("n001", "quick", "pass"),
    ]


def test_a_dependency_comes_first_unless_it_is_fresh_and_passed(site: Lab) -> None:
    site.add_check("base")
    site.add_check("above", depends_on=["base"])
    doctor(site, "run", "above", "-w", "n000", "--wait")
    doctor(site, "run", "above", "-w", "n000", "--wait")
    assert [row.check for row in history(site)] == ["base", "above", "above"]


def test_nodes_that_are_not_free_are_left_out_with_the_reason(site: Lab) -> None:
    site.add_check("quick")
    site.occupy("n001")
    site.drain("n002", "bad fan")
    done = doctor(site, "run", "quick", "-w", "n[000-002]", "--wait", code=3)
    assert ["n001", "quick", "busy", "jobs"] in [line[:4] for line in table(done.stdout)]
    assert "bad fan" in done.stdout
    assert outcomes(site) == [("n000", "quick", "pass")]
    none = doctor(site, "run", "quick", "-w", "n[001-002]", code=1)
    assert "nothing was submitted" in none.stderr


def test_with_now_a_visit_waits_for_its_node_and_no_sweep_gives_it_up(site: Lab) -> None:
    site.add_check("quick")
    site.configure(max_concurrent_visits=8, record_grace="0s", include_nodes="n001")
    job = site.occupy("n001")
    doctor(site, "run", "quick", "-w", "n001", "--now")
    wait_for_visits(site, "PD", 1)
    doctor(site, "sweep")
    assert len(queue(site, "PD")) == 1
    assert site.run(["squeue", "-h", "-t", "R", "-j", str(job)]).stdout
    site.release(job)
    site.wait_for(lambda: not queue(site, "PD,R,CG"), 30, "the visit to run")
    doctor(site, "sweep")
    assert outcomes(site) == [("n001", "quick", "pass")]


def test_checks_of_several_shapes_are_visits_one_after_the_other(site: Lab) -> None:
    site.add_check("small")
    site.add_check("large", resources={"cpus": 2}, depends_on=["small"])
    doctor(site, "run", "large", "small", "-w", "n[000-001]", "--wait")
    found = history(site)
    assert sorted((row.node, row.check, row.outcome) for row in found) == [
        (node, check, "pass") for node in ("n000", "n001") for check in ("large", "small")
    ]
    assert len({row.batch for row in found}) == 2


def test_without_wait_what_needs_a_second_visit_is_named(site: Lab) -> None:
    site.add_check("small")
    site.add_check("large", resources={"cpus": 2})
    done = doctor(site, "run", "large", "small", "-w", "n000", code=3)
    assert "a visit of its own" in done.stdout


def test_a_cancelled_visit_says_by_whom_whether_it_ran_or_not(site: Lab) -> None:
    site.add_check("slow", command=["sleep", "60"])
    site.configure(max_concurrent_visits=1, record_grace="0s")
    doctor(site, "run", "slow", "-w", "n[000-001]")
    wait_for_visits(site, "R", 1)
    done = doctor(site, "cancel", "-w", "n[000-001]")
    assert len(done.stdout.splitlines()) == 2
    site.wait_for(lambda: not queue(site, "PD,R,CG"), 20, "the visits to end")
    site.configure(record_grace="0s", include_nodes="n007")
    doctor(site, "sweep")
    found = {row.node: row for row in history(site)}
    assert sorted(row.outcome for row in found.values()) == ["cancelled", "not_started"]
    assert all("(cancelled by " in row.detail for row in found.values())


def test_retry_runs_what_did_not_judge_and_nothing_else(site: Lab) -> None:
    site.add_check("quick")
    site.fault("n001", "quick", "crash")
    doctor(site, "run", "quick", "-w", "n[000-001]", "--wait", code=1)
    site.clear_fault("n001", "quick")
    doctor(site, "retry", "--wait")
    assert outcomes(site) == [
        ("n000", "quick", "pass"),
        ("n001", "quick", "error"),
        ("n001", "quick", "pass"),
    ]
    assert "nothing to retry" in doctor(site, "retry").stderr


def test_a_node_that_a_sweep_visits_is_left_out_and_the_batch_is_named(site: Lab) -> None:
    under_way = site.root / "under-way"
    under_way.touch()
    site.add_check("quick", command=["sh", "-c", f"while [ -e {under_way} ]; do sleep 0.1; done"])
    sweep = site.start_as_service(["cluster-doctor", "sweep", "--wait"])
    wait_for_visits(site, "R", 1)
    done = doctor(site, "run", "quick", "-w", "n000", "--wait", code=1)
    under_way.unlink()
    sweep.communicate(timeout=60)
    batch = history(site)[0].batch
    assert f"visited by batch {batch}" in done.stdout
    assert [row.outcome for row in history(site) if row.node == "n000"] == ["pass"]


def test_wrong_use_is_exit_2_and_an_unknown_node_is_named(site: Lab) -> None:
    site.add_check("quick")
    assert "did you mean 'quick'" in doctor(site, "run", "quik", "-w", "n000", code=2).stderr
    assert "no node 'n999'" in doctor(site, "run", "quick", "-w", "n999", code=1).stderr
    assert "--all" in doctor(site, "cancel", code=2).stderr
    refused = site.run(["cluster-doctor", "cancel", "--all"], check=False)
    assert "runuser -u cluster-doctor -- cluster-doctor cancel" in refused.stderr


def test_a_job_for_each_node_runs_in_the_hidden_partition_by_the_same_path(site: Lab) -> None:
    site.add_check("alone", mode="jobs")
    doctor(site, "sweep", "--wait")
    found = history(site)
    assert sorted(row.node for row in found) == sorted(site.nodes)
    assert {(row.outcome, row.partition) for row in found} == {("pass", "hidden")}
    assert len({row.job for row in found}) == len(site.nodes)
    assert {row.task for row in found} == set(range(len(site.nodes)))


def test_one_job_visits_one_node_at_a_time(site: Lab) -> None:
    site.add_check("alone", mode="job")
    for _ in range(2):
        doctor(site, "sweep", "--wait")
    assert [row.node for row in history(site)] == ["n000", "n001"]
    doctor(site, "run", "alone", "-w", "n[000,005]", "--wait")
    assert sorted(row.node for row in history(site)) == ["n000", "n000", "n001", "n005"]


def test_a_job_of_its_own_can_be_cancelled_and_says_so(site: Lab) -> None:
    site.add_check("alone", mode="jobs", command=["sleep", "60"])
    doctor(site, "run", "alone", "-w", "n[000-001]")
    wait_for_visits(site, "R", 2)
    doctor(site, "cancel", "-w", "n001")
    site.wait_for(lambda: len(queue(site, "R,CG")) == 1, 20, "one visit to end")
    doctor(site, "cancel", "--all")
    site.wait_for(lambda: not queue(site, "R,CG"), 20, "the other to end")
    words = site.state_dir / "controller"
    site.wait_for(lambda: len(list(words.glob("*.[01].0.json"))) == 2, 20, "the hook's words")
    site.configure(record_grace="0s", include_nodes="n007")
    doctor(site, "sweep")
    assert {row.outcome for row in history(site)} == {"cancelled"}
    assert all("(cancelled by " in row.detail for row in history(site))


def test_a_users_job_takes_the_node_from_a_job_of_its_own_too(site: Lab) -> None:
    site.add_check("alone", mode="jobs", command=["sleep", "60"])
    doctor(site, "run", "alone", "-w", "n000")
    wait_for_visits(site, "R", 1)
    site.occupy("n000")
    site.configure(record_grace="0s", include_nodes="n007")
    doctor(site, "sweep")
    assert [row.outcome for row in history(site)] == ["preempted"]


def test_a_job_of_its_own_that_somebody_cancels_before_it_starts_says_so(site: Lab) -> None:
    """squeue then shows no array number any more."""
    site.add_check("alone", mode="jobs")
    site.occupy("n000")
    site.occupy("n001")
    doctor(site, "run", "alone", "-w", "n[000-001]", "--now")
    wait_for_visits(site, "PD", 2)
    site.run(["scancel", "-u", SERVICE])
    site.wait_for(lambda: not queue(site, "PD"), 20, "them to be gone")
    site.configure(record_grace="0s", include_nodes="n007")
    doctor(site, "sweep")
    assert [row.outcome for row in history(site)] == ["not_started"] * 2
    assert {row.detail for row in history(site)} == {"the visit was cancelled before it started"}
