"""Every error this project raises on purpose.

ClusterDoctorError
├── ConfigError        a file an operator wrote is wrong; nothing was done
├── SlurmError         Slurm refused, or gave no answer in time
│   └── UnreachableError    there is no sense in asking it anything else now
├── StateError         the state directory could not be read or written
├── RecordError        a record is not one of ours, not whole, or too new
├── ScheduleError      scrontab, crontab or systemd refused
└── StoreError         the history refused, or gave no answer in time
    └── UnansweredError     whether it did what was asked cannot be told

Commands print the message and exit 1. Hooks log it and exit 0.
"""


class ClusterDoctorError(Exception):
    """Base class; caught only at an entry point."""


class ConfigError(ClusterDoctorError):
    """A settings file or a definition is wrong; the message names file, key and remedy."""


class SlurmError(ClusterDoctorError):
    """Slurm refused a command, or did not answer before its deadline."""


class UnreachableError(SlurmError):
    """slurmctld or the command itself cannot be reached: the next question would fare no better."""


class StateError(ClusterDoctorError):
    """The state directory is missing, full, read-only or not ours."""


class RecordError(ClusterDoctorError):
    """A file claims to be a record and is not: foreign, torn, forged or from a newer version."""


class ScheduleError(ClusterDoctorError):
    """What starts sweeps refused a change, or our block in it is damaged."""


class StoreError(ClusterDoctorError):
    """The history could not be read or written."""


class UnansweredError(StoreError):
    """The connection broke before the answer was there; asking again may help."""
