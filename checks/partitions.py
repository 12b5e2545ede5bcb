"""Refuses partitions in which visits would be in users' way. Pure."""

from collections.abc import Mapping, Sequence

from slurm_hooks.errors import ConfigError
from slurm_hooks.settings import Settings
from slurm_hooks.slurm_text import Partition


def check_partition(
    settings: Settings, partitions: Sequence[Partition], config: Mapping[str, str]
) -> None:
    """Refuse a partition whose jobs users would have to wait for.

    Raises:
        ConfigError: it is missing, not of the lowest tier, or not preemptible; the
            message holds the slurm.conf lines to add.
    """
    name = settings.partition
    remedy = (
        "; add to slurm.conf: PreemptType=preempt/partition_prio PreemptMode=REQUEUE and "
        f"PartitionName={name} Nodes=ALL PriorityTier=1 PreemptMode=REQUEUE"
    )
    ours = next((one for one in partitions if one.name == name), None)
    if ours is None:
        raise ConfigError(f"{settings.path}: partition: Slurm has no partition {name!r}{remedy}")
    if config.get("PreemptType") != "preempt/partition_prio":
        raise ConfigError(f"slurm.conf: PreemptType is {config.get('PreemptType')!r}{remedy}")
    if ours.preempt_mode.split(",")[0] in {"OFF", "GANG", "SUSPEND", "WITHIN"}:
        raise ConfigError(f"partition {name}: PreemptMode is {ours.preempt_mode}{remedy}")
    equals = [one.name for one in partitions if one.priority_tier <= ours.priority_tier]
    if equals != [name]:
        others = ", ".join(one for one in equals if one != name)
        raise ConfigError(
            f"partition {name}: jobs in {others} would wait for checks, because its PriorityTier "
            f"is not higher{remedy}"
        )


def check_single_partition(settings: Settings, partitions: Sequence[Partition]) -> None:
    """Refuse a partition for jobs of their own that could take nodes from users' jobs.

    Raises:
        ConfigError: it is missing, or of a higher tier than one of users' partitions.
    """
    name = settings.partition_single
    remedy = (
        f"; add to slurm.conf: PartitionName={name} Nodes=ALL Hidden=YES PriorityTier=2 "
        "PreemptMode=REQUEUE, with a higher PriorityTier for users' partitions; "
        "or give the checks mode: array"
    )
    single = next((one for one in partitions if one.name == name), None)
    if single is None:
        raise ConfigError(
            f"{settings.path}: partition_single: Slurm has no partition {name!r}{remedy}"
        )
    lower = [
        one.name
        for one in partitions
        if one.priority_tier < single.priority_tier and one.name != settings.partition
    ]
    if lower:
        raise ConfigError(
            f"partition {name}: checks could preempt jobs in {', '.join(lower)}, because its "
            f"PriorityTier is higher{remedy}"
        )
