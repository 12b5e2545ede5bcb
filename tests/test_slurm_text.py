"""What Slurm prints, and what is made of it."""

from datetime import UTC, datetime

import pytest

from slurm_hooks.slurm_text import (
    SEPARATOR,
    parse_accounting,
    parse_config,
    parse_nodes,
    parse_partitions,
    parse_queue,
)

NODE = """\
NodeName=n001 Arch=x86_64 CoresPerSocket=1 
   CPUAlloc=0 CPUEfctv=2 CPUTot=2 CPULoad=0.68
   AvailableFeatures=h100,ib
   ActiveFeatures=h100,ib
   Gres=gpu:h100:8(S:0-1)
   NodeAddr=127.0.0.1 NodeHostName=vm Port=26011 Version=22.05.8
   OS=Linux 6.18.0 #1 SMP State=DOWN 
   RealMemory=1000 AllocMem=0 FreeMem=900 Sockets=2 Boards=1
   State=IDLE+DRAIN ThreadsPerCore=1 TmpDisk=0 Weight=1 Owner=N/A MCS_label=N/A
   Partitions=main,background 
   BootTime=2026-11-21T10:00:00 SlurmdStartTime=2026-11-21T10:00:00
   LastBusyTime=2026-11-21T11:00:00
   Reason=bad fan [slot 3] State=IDLE [root@2026-11-21T12:30:00]
   Comment=x State=IDLE
"""  # noqa: W291 as Slurm prints it


def test_a_node_is_read_whole() -> None:
    node = parse_nodes(NODE)[0]
    assert (node.name, node.state, set(node.flags)) == ("n001", "IDLE", {"DRAIN"})
    assert (node.cpus, node.real_memory_mb) == (2, 1000)
    assert node.features == ("h100", "ib")
    assert node.gres == "gpu:h100:8(S:0-1)"
    assert node.partitions == ("main", "background")
    assert node.last_busy_at == datetime(2026, 11, 21, 11, 0, tzinfo=UTC)
    assert node.comment == "x State=IDLE"


def test_a_reason_keeps_its_brackets_and_gives_up_its_author() -> None:
    node = parse_nodes(NODE)[0]
    assert node.reason == "bad fan [slot 3] State=IDLE"
    assert node.reason_user == "root"
    assert node.reason_at == datetime(2026, 11, 21, 12, 30, tzinfo=UTC)


def test_what_an_admin_types_never_becomes_the_state() -> None:
    """Comment and reason follow the state, so its first value is Slurm's."""
    node = parse_nodes(NODE.replace("State=IDLE+DRAIN", "State=DOWN*"))[0]
    assert node.state == "DOWN"
    assert "NOT_RESPONDING" in node.flags


@pytest.mark.parametrize(
    ("text", "state", "flags"),
    [
        ("IDLE", "IDLE", set()),
        ("IDLE+PLANNED", "IDLE", {"PLANNED"}),
        ("IDLE+CLOUD+POWERED_DOWN", "IDLE", {"CLOUD", "POWERED_DOWN"}),
        ("MIXED*", "MIXED", {"NOT_RESPONDING"}),
        ("IDLE~", "IDLE", set()),
        ("IDLE+MAINTENANCE+RESERVED", "IDLE", {"MAINTENANCE", "RESERVED"}),
    ],
)
def test_states_are_split_into_base_and_flags(text: str, state: str, flags: set[str]) -> None:
    node = parse_nodes(f"NodeName=a State={text} Partitions=main")[0]
    assert (node.state, set(node.flags)) == (state, flags)


def test_lines_that_are_no_node_are_passed_over() -> None:
    assert parse_nodes("No nodes in the system\n\n") == []


def test_a_queue_line_keeps_spaces_and_bars_in_its_comment() -> None:
    line = SEPARATOR.join(
        ("41", "40", "1", "PENDING", "JobHeldUser", "", "n003", "2026-11-21T12:00:00", "N/A",
         "N/A", "cluster-doctor:x | y z")
    )  # fmt: skip
    task = parse_queue(line + "\n")[0]
    assert (task.job_id, task.array_job_id, task.task) == (41, 40, 1)
    assert task.held_by_us
    assert task.required_node == "n003"
    assert task.started_at is None
    assert task.comment == "cluster-doctor:x | y z"


def test_a_job_that_is_no_array_task_has_no_task_number() -> None:
    line = SEPARATOR.join(("7", "7", "N/A", "RUNNING", "None", "n1", "", "x", "x", "x", "(null)"))
    assert parse_queue(line)[0].task is None


def test_accounting_says_cancelled_whoever_did_it() -> None:
    line = "41|40_1|CANCELLED by 1001|0:0|None assigned|2026-11-21T12:00:00|Unknown|Unknown|name"
    task = parse_accounting(line)[0]
    assert (task.state, task.node, task.comment) == ("CANCELLED", "", "name")
    assert task.ended


def test_partitions_and_settings_are_read() -> None:
    text = "PartitionName=background AllowGroups=ALL PreemptMode=REQUEUE PriorityTier=1 Nodes=n0\n"
    assert parse_partitions(text)[0].priority_tier == 1
    assert parse_config("ClusterName             = lab\nX\n")["ClusterName"] == "lab"
