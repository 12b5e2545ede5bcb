"""The texts of the lab's configuration files, made from its layout and its options."""

import json
from collections.abc import Mapping

from tests.lab.layout import Layout
from tests.lab.spec import Spec
from tests.lab.users import SERVICE, SLURM

Setting = str | int | list[str] | Mapping[str, str | int | list[str]]

DATABASE = "slurm_acct"
LISTEN_ON_LOOPBACK = "NoInAddrAny,NoCtldInAddrAny"
PARTITIONS = """\
PartitionName=main Default=YES Nodes=ALL State=UP PriorityTier=100 PreemptMode=OFF
PartitionName=hidden Hidden=YES Nodes=ALL State=UP PriorityTier=50 PreemptMode=REQUEUE
PartitionName=background Nodes=ALL State=UP PriorityTier=1 PreemptMode=REQUEUE
"""
SCHEDULER = ",".join(
    (
        "batch_sched_delay=0",
        "sched_interval=1",
        "sched_min_interval=0",
        "bf_interval=1",
        "bf_continue",
        "default_queue_depth=10000",
        "bf_max_job_test=10000",
    )
)


def slurm_conf(layout: Layout, spec: Spec, *, with_hooks: bool) -> str:
    """The text of slurm.conf; *with_hooks* once the product's hooks are installed."""
    settings = _daemons(layout, spec) | _behaviour(spec)
    if spec.accounting:
        settings |= _accounting(layout, spec)
    if with_hooks:
        settings |= _hooks(layout)
    settings |= spec.extra
    return _lines(settings) + _nodes(spec) + PARTITIONS


def _daemons(layout: Layout, spec: Spec) -> dict[str, str]:
    return {
        "ClusterName": "lab",
        "SlurmctldHost": "localhost(127.0.0.1)",
        "SlurmctldPort": str(spec.controller_port),
        "SlurmUser": SLURM,
        "SlurmdUser": "root",
        "AuthType": "auth/munge",
        # A requeued job waits for its credential to expire: 121 s unless told otherwise.
        "AuthInfo": f"socket={layout.munge_socket},cred_expire=5",
        "CredType": "cred/munge",
        "CommunicationParameters": LISTEN_ON_LOOPBACK,
        "StateSaveLocation": str(layout.controller),
        "SlurmdSpoolDir": f"{layout.spool}/%n",
        "SlurmctldPidFile": str(layout.pid_file("slurmctld")),
        "SlurmdPidFile": str(layout.pid_file("slurmd-%n")),
        "SlurmctldLogFile": str(layout.log_file("slurmctld")),
        "SlurmdLogFile": str(layout.log_file("slurmd-%n")),
        "SlurmctldDebug": "info",
        "SlurmdDebug": "info",
    }


def _behaviour(spec: Spec) -> dict[str, str]:
    return {
        "ProctrackType": "proctrack/linuxproc",
        "TaskPlugin": "task/none",
        "JobAcctGatherType": "jobacct_gather/linux",
        "SelectType": "select/cons_tres",
        "SelectTypeParameters": "CR_Core",
        "SlurmdParameters": "config_overrides",
        "MailProg": "/bin/true",
        "MpiDefault": "none",
        "ReturnToService": "2",
        "PreemptType": "preempt/partition_prio",
        "PreemptMode": "REQUEUE",
        "SchedulerParameters": SCHEDULER,
        "KillWait": "3",
        "MinJobAge": "300",
        "PrologEpilogTimeout": "60",
        # Ten seconds more, and a node that registers without a batch job that is this old lost it.
        "BatchStartTimeout": "3",
        # With nodes that only look idle slurmctld must never ask them how they are.
        "SlurmdTimeout": "0" if spec.idle_nodes else "10",
        "TreeWidth": "1000",
        "MaxArraySize": "20001",
        "MaxJobCount": "50000",
    }


def _accounting(layout: Layout, spec: Spec) -> dict[str, str]:
    return {
        "AccountingStorageType": "accounting_storage/slurmdbd",
        "AccountingStorageHost": "127.0.0.1",
        "AccountingStoragePort": str(spec.database_port),
        # slurmctld talks to slurmdbd through this socket, not through AuthInfo's.
        "AccountingStoragePass": str(layout.munge_socket),
        "AccountingStoreFlags": "job_comment,job_env,job_script",
    }


def _hooks(layout: Layout) -> dict[str, str]:
    return {
        "Prolog": f"{layout.opt}/prolog/50-cluster-doctor",
        "Epilog": f"{layout.opt}/epilog/50-cluster-doctor",
        "EpilogSlurmctld": f"{layout.opt}/epilog/slurmctld-cluster-doctor",
    }


def _nodes(spec: Spec) -> str:
    last = spec.first_node_port + spec.nodes - 1
    ports = f"[{spec.first_node_port}-{last}]" if spec.nodes > 1 else str(last)
    common = "NodeHostname=localhost NodeAddr=127.0.0.1 CPUs=2 RealMemory=1000 State=UNKNOWN"
    text = f"NodeName={spec.node_list} {common} Port={ports} Features=real\n"
    if spec.idle_nodes:
        idle = f"Port={spec.sink_port} Features=fake Weight=100"
        text += f"NodeName={spec.idle_node_list} {common} {idle}\n"
    return text


def slurmdbd_conf(layout: Layout, spec: Spec) -> str:
    """The text of slurmdbd.conf; the database's socket comes from MYSQL_UNIX_PORT instead."""
    return _lines(
        {
            "AuthType": "auth/munge",
            "AuthInfo": f"socket={layout.munge_socket}",
            "CommunicationParameters": LISTEN_ON_LOOPBACK,
            "DbdHost": "localhost",
            "DbdAddr": "127.0.0.1",
            "DbdPort": str(spec.database_port),
            "SlurmUser": SLURM,
            "StorageType": "accounting_storage/mysql",
            "StorageHost": "localhost",
            "StorageUser": SLURM,
            "StorageLoc": DATABASE,
            "LogFile": str(layout.log_file("slurmdbd")),
            "PidFile": str(layout.pid_file("slurmdbd")),
            "DebugLevel": "info",
        }
    )


def settings_toml(layout: Layout, spec: Spec, changes: Mapping[str, Setting]) -> str:
    """The text of the product's settings; JSON strings, numbers and lists are TOML too.

    Nodes that only look idle are left out: a job that starts on one never ends.
    """
    settings: dict[str, Setting] = {
        "cluster": "lab",
        "service_user": SERVICE,
        "state_dir": str(layout.state),
        "log_dir": str(layout.logs),
        "local_dir": str(layout.local),
        "definitions": [str(layout.definitions)],
        "partition": "background",
        "node_python": str(layout.opt / "bin" / "python"),
        "slurm_bin": "/usr/bin",
        "slurm_conf": str(layout.slurm_conf),
        "max_concurrent_visits": spec.nodes,
        "record_grace": "0s",
        "include_nodes": spec.node_list if spec.idle_nodes else "",
    }
    settings |= changes
    tables = {key: value for key, value in settings.items() if isinstance(value, Mapping)}
    text = _toml({key: value for key, value in settings.items() if key not in tables})
    return text + "".join(f"\n[{name}]\n{_toml(table)}" for name, table in tables.items())


def _toml(settings: Mapping[str, Setting]) -> str:
    return "".join(f"{key} = {json.dumps(value)}\n" for key, value in settings.items())


def _lines(settings: Mapping[str, str]) -> str:
    return "".join(f"{key}={value}\n" for key, value in settings.items())
