"""What the runner writes down, whatever a check's program does."""

import resource
import sys
import time
from pathlib import Path

import pytest

from slurm_hooks.batch import Program
from slurm_hooks.record import Evidence, Outcome
from slurm_hooks.scratch import visit_scratch
from tests.visits import JOB_ID, Node, processes_of, program


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(root=tmp_path).prepare()


@pytest.mark.parametrize(
    ("script", "outcome", "detail"),
    [
        ("exit 0", Outcome.PASS, ""),
        ("exit 193", Outcome.WARN, ""),
        ("echo bad disk; exit 194", Outcome.FAIL, "bad disk"),
        ("exit 195", Outcome.SKIP, ""),
        ("exit 3", Outcome.ERROR, "exit status 3"),
        ("no-such-command-here", Outcome.ERROR, "exit status 127: command not found"),
        ("kill -SEGV $$", Outcome.ERROR, "killed by SIGSEGV"),
        ("kill -KILL $$", Outcome.ERROR, "killed by SIGKILL (out of memory?)"),
    ],
)
def test_exit_codes_become_outcomes(node: Node, script: str, outcome: Outcome, detail: str) -> None:
    node.plan(program("disk", script))
    assert node.run() == 0
    record = node.records()["disk"]
    assert record.outcome is outcome
    assert record.detail.endswith(detail)


def test_a_record_says_all_that_is_known(node: Node) -> None:
    batch = node.plan(
        program("disk", 'echo "metric read_bytes_per_s 1e9" >>"$CLUSTER_DOCTOR_REPORT"; sleep 0.1')
    )
    node.run()
    record = node.records()["disk"]
    assert (record.batch, record.task, record.attempt) == (batch.id, 3, 0)
    assert (record.node, record.job_id, record.token) == ("n1", JOB_ID, batch.token)
    assert record.evidence is Evidence.RUNNER
    assert (record.exit_code, record.signal) == (0, None)
    assert record.metrics == {"read_bytes_per_s": 1e9}
    assert record.started_at is not None
    assert record.started_at <= record.finished_at
    assert 0.1 <= record.duration_s < 10


def test_a_requeued_visit_is_another_attempt(tmp_path: Path) -> None:
    node = Node(root=tmp_path, environment={"SLURM_RESTART_COUNT": "2"}).prepare()
    node.plan(program("disk", "exit 0"))
    node.run()
    assert node.records()["disk"].attempt == 2


def test_a_program_that_is_not_there_is_an_error(node: Node) -> None:
    node.plan(Program(name="disk", argv=("/no/such/program",), time_limit_s=9.0))
    assert node.run() == 0
    record = node.records()["disk"]
    assert record.outcome is Outcome.ERROR
    assert record.detail == "cannot be started: No such file or directory"


def test_placeholders_are_filled_in_and_other_braces_stay(node: Node) -> None:
    script = "print('{python} {node} {{scratch}} {other}'); raise SystemExit(195)"
    node.plan(Program(name="disk", argv=("{python}", "-c", script), time_limit_s=9.0))
    node.run()
    assert node.records()["disk"].detail == f"{sys.executable} n1 {{scratch}} {{other}}"


def test_what_a_forgotten_job_of_the_same_id_left_is_neither_used_nor_touched(node: Node) -> None:
    """slurmd runs no Prolog, which would make room, for an id that it knows."""
    left = visit_scratch(node.local_dir, job_id=JOB_ID, node=node.node) / "disk"
    left.mkdir(parents=True)
    (left / "data").touch()
    node.plan(program("disk", "[ ! -e data ]"))
    assert node.run() == 0
    assert node.records()["disk"].outcome is Outcome.PASS
    assert (left / "data").exists()


def test_the_environment_is_what_the_documents_say_and_no_more(tmp_path: Path) -> None:
    node = Node(
        root=tmp_path,
        settings_extra='environment = { SITE = "x", CLUSTER_DOCTOR_NODE = "forged" }',
        environment={"CUDA_VISIBLE_DEVICES": "0,1"},
    ).prepare()
    node.plan(Program(name="disk", argv=("/usr/bin/env",), time_limit_s=9.0))
    node.run()
    log = Path(node.records()["disk"].log_path).read_text()
    found = dict(
        line.split("=", 1) for line in log.splitlines() if "=" in line and not line.startswith("#")
    )
    assert found.pop("TMPDIR") == found.pop("CLUSTER_DOCTOR_SCRATCH") != ""
    assert found.pop("CLUSTER_DOCTOR_REPORT") != ""
    assert found == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "SITE": "x",
        "CUDA_VISIBLE_DEVICES": "0,1",
        "SLURM_JOB_ID": str(JOB_ID),
        "SLURMD_NODENAME": "n1",
        "CLUSTER_DOCTOR_JOB_ID": str(JOB_ID),
        "CLUSTER_DOCTOR_NODE": "n1",
        "CLUSTER_DOCTOR_CHECK": "disk",
        "CLUSTER_DOCTOR_BATCH": "20300101T000000Z-0123abcd",
        "CLUSTER_DOCTOR_TASK": "3",
        "CLUSTER_DOCTOR_PYTHON": sys.executable,
    }


def test_a_check_starts_in_an_empty_directory_of_its_own_that_is_gone_afterwards(
    node: Node,
) -> None:
    script = 'ls -A; touch left; pwd >"$OUT"; exit 195'
    node.plan(*(program(name, script.replace("$OUT", str(node.root / name))) for name in "ab"))
    node.run()
    assert [record.detail for record in node.records().values()] == ["", ""]
    places = [Path((node.root / name).read_text().strip()) for name in "ab"]
    assert places[0] != places[1]
    assert not any(place.parent.exists() for place in places)


def test_the_log_holds_header_output_and_footer(node: Node) -> None:
    node.plan(program("disk", "echo out; echo err >&2; printf unfinished; exit 194"))
    node.run()
    record = node.records()["disk"]
    lines = Path(record.log_path).read_text().splitlines()
    assert lines[0] == f"# disk on n1, job {JOB_ID}"
    assert lines[4:7] == ["out", "err", "unfinished"]
    assert lines[7].startswith("# fail, exit status 194, after 0.")
    folder = node.log_dir / "disk" / "n1"
    assert record.started_at is not None
    name = f"disk_n1_{record.started_at:%Y%m%dT%H%M%SZ}.log"
    assert Path(record.log_path) == folder / name


def test_a_check_runs_without_a_log_where_none_can_be_made(node: Node) -> None:
    (node.log_dir / "disk").write_text("a file where a directory should be")
    node.plan(program("disk", "exit 194"))
    assert node.run() == 0
    record = node.records()["disk"]
    assert (record.outcome, record.log_path) == (Outcome.FAIL, "")
    assert "no log" in record.detail


def test_a_flood_costs_neither_memory_nor_disk_nor_time(tmp_path: Path) -> None:
    node = Node(root=tmp_path, settings_extra="log_limit_bytes = 100_000").prepare()
    flood = "echo first; yes 0123456789abcdef | head -n 12000000; echo last"
    node.plan(program("disk", flood))
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    started = time.monotonic()
    assert node.run() == 0
    assert time.monotonic() - started < 20
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss <= max(before, 60_000)
    log = Path(node.records()["disk"].log_path).read_bytes()
    assert 90_000 < len(log) <= 100_000
    lines = log.decode().splitlines()
    assert lines[4] == "first"
    assert lines[-2] == "last"
    left_out = next(int(line.split()[1]) for line in lines if "bytes left out here" in line)
    kept = sum(len(line) + 1 for line in lines[4:-1] if "left out" not in line)
    assert abs(left_out + kept - 204_000_011) < 100


def test_a_deaf_program_and_its_hidden_children_end_at_the_time_limit(node: Node) -> None:
    script = "trap '' TERM HUP; setsid sleep 1000 & (setsid sh -c 'sleep 1001 &') ; sleep 1002"
    node.plan(program("disk", f"{script}; sleep 1003", limit_s=0.3), program("next", "exit 0"))
    started = time.monotonic()
    assert node.run() == 0
    assert time.monotonic() - started < 6
    assert not processes_of(f"CLUSTER_DOCTOR_JOB_ID={JOB_ID}")
    records = node.records()
    assert records["disk"].outcome is Outcome.TIMEOUT
    assert records["disk"].detail == "over its time limit of 0.3 s"
    assert records["next"].outcome is Outcome.PASS


def test_a_program_may_end_in_order_when_its_time_is_up(node: Node) -> None:
    script = "trap 'echo stopping in order; exit 0' TERM; while :; do sleep 0.01; done"
    node.plan(program("disk", script, limit_s=0.3))
    node.run()
    record = node.records()["disk"]
    assert record.outcome is Outcome.TIMEOUT
    assert record.detail == "stopping in order; over its time limit of 0.3 s"


def test_what_a_program_leaves_behind_ends_with_it(node: Node) -> None:
    node.plan(program("disk", "setsid sleep 1000 >/dev/null & (sleep 1001 &) ; exit 0"))
    assert node.run() == 0
    assert node.records()["disk"].outcome is Outcome.PASS
    assert not processes_of(f"CLUSTER_DOCTOR_JOB_ID={JOB_ID}")


def test_processes_that_fork_away_from_the_scan_are_caught(node: Node) -> None:
    hop = "import os\nos.setsid()\nwhile True:\n    if os.fork(): os._exit(0)\n"
    node.plan(program("disk", f"{sys.executable} -c '{hop}' & exit 0"), program("next", "exit 0"))
    assert node.run() == 0
    assert not processes_of(f"CLUSTER_DOCTOR_JOB_ID={JOB_ID}")
    assert [one.outcome for one in node.records().values()] == [Outcome.PASS, Outcome.PASS]


def test_a_check_whose_dependency_did_not_pass_is_skipped(node: Node) -> None:
    node.plan(
        program("ok", "exit 193"),
        program("bad", "exit 194"),
        program("after-ok", "exit 0", needs=("ok", "not-in-this-visit")),
        program("after-bad", "exit 0", needs=("ok", "bad")),
        program("after-skip", "exit 0", needs=("after-bad",)),
    )
    node.run()
    records = node.records()
    assert records["after-ok"].outcome is Outcome.PASS
    assert records["after-bad"].outcome is Outcome.SKIP
    assert records["after-bad"].detail == "needs bad, which ended fail"
    assert records["after-skip"].detail == "needs after-bad, which ended skip"


def test_on_another_node_than_planned_nothing_runs(node: Node) -> None:
    mark = node.root / "ran"
    node.plan(program("a", f"touch {mark}"), program("b", f"touch {mark}"), node="n2")
    assert node.run() == 0
    for record in node.records().values():
        assert (record.outcome, record.node) == (Outcome.ERROR, "n2")
        assert record.detail == "pinned to n2, ran on n1"
    assert len(node.records()) == 2
    assert not mark.exists()


def test_a_check_for_which_no_time_is_left_is_not_started(node: Node) -> None:
    node.plan(program("a", "sleep 60"), program("b", "exit 0"), time_limit_s=4.0)
    node.run()
    records = node.records()
    assert records["a"].outcome is Outcome.TIMEOUT
    assert records["b"].outcome is Outcome.NOT_STARTED


def test_a_fault_of_our_own_costs_one_check_and_no_record(node: Node) -> None:
    broken = Program(name="a", argv=(), time_limit_s=9.0)
    node.plan(broken, program("b", "exit 0"))
    assert node.run() == 0
    records = node.records()
    assert records["a"].outcome is Outcome.ERROR
    assert records["b"].outcome is Outcome.PASS


def test_a_task_without_a_visit_says_so(node: Node) -> None:
    node.plan(program("a", "exit 0"))
    stranger = Node(root=node.root, environment={"SLURM_ARRAY_TASK_ID": "99"})
    with stranger.starting() as process:
        said, _ = process.communicate(timeout=30)
        assert process.returncode == 1
    assert b"has no visit for array task 99" in said
    assert node.records() == {}


@pytest.mark.parametrize("missing", ["SLURM_JOB_ID", "SLURM_ARRAY_TASK_ID", "SLURMD_NODENAME"])
def test_outside_an_array_task_it_says_what_is_missing(node: Node, missing: str) -> None:
    node.plan(program("a", "exit 0"))
    stranger = Node(root=node.root, environment={missing: ""})
    with stranger.starting() as process:
        said, _ = process.communicate(timeout=30)
        assert process.returncode == 1
    assert said.decode().startswith(f"cluster-doctor: {missing} is not set; ")
