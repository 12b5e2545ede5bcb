"""What a check is, as its author writes it: one YAML file, one check."""

import re
import string
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal, NewType

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from analytics.hostlist import count
from analytics.standing import KEPT
from checks.gres import parse_request
from checks.reaction import STRICT, Reactions, after_failure, after_success
from checks.schedule import check_schedule
from slurm_hooks.batch import Mode, Program, Shape
from slurm_hooks.decode import nearest
from slurm_hooks.duration import parse_duration

PLACEHOLDERS = ("python", "node", "scratch")
"""What the runner fills in: the node's Python, its name, and a private directory."""

MAX_ARGUMENT_BYTES = 100_000
"""Linux takes 128 KiB in one argument (execve(2), MAX_ARG_STRLEN)."""

LONGEST = timedelta(days=3650)

MOST_RETRIES = KEPT - 1
"""The history's standing counts no further than KEPT attempts."""

Mebibytes = NewType("Mebibytes", int)
"""Slurm's unit of memory."""


def _duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    length = parse_duration(str(value))
    if length > LONGEST:
        raise ValueError(f"{value!r} is longer than ten years")
    return length


def _positive(length: timedelta) -> timedelta:
    if length <= timedelta(0):
        raise ValueError("must be longer than nothing; write it like 30m, 12h or 7d")
    return length


def _mebibytes(value: object) -> Mebibytes:
    found = re.fullmatch(r"([0-9]{1,12})([KMGT]?)B?", str(value), re.IGNORECASE)
    if not found or isinstance(value, bool):
        raise ValueError(f"{value!r} is not an amount of memory; write it like 500M, 4G or 1T")
    kibibytes = (
        int(found[1]) * {"K": 1, "": 1024, "M": 1024, "G": 1024**2, "T": 1024**3}[found[2].upper()]
    )
    return Mebibytes(-(-kibibytes // 1024))


def _share(value: object) -> float:
    found = re.fullmatch(r"([0-9]{1,4}(?:\.[0-9]{1,3})?)%", str(value))
    if not found or float(found[1]) == 0:
        raise ValueError(f"{value!r} is not a share; write it like 5% or 7.5%")
    return float(found[1]) / 100


def _name(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", text):
        raise ValueError(
            f"{text!r} is not a check's name; use at most 40 lower-case letters, digits and -, "
            "a letter first"
        )
    return text


def _metric_name(text: str) -> str:
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,62}", text):
        raise ValueError("is not a metric's name; use lower-case letters, digits and _")
    return text


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("is blank; write at least one line")
    return text.strip()


def _word(text: str) -> str:
    if not re.fullmatch(r"[^\s,&|()\[\]*!]{1,128}", text):
        raise ValueError(f"{text!r} is not one name; write a list of names, like [a100, ib]")
    return text


def _hostlist(text: str) -> str:
    count(text)
    return text


def _gres(text: str) -> str:
    parse_request(text)
    return text


def _argument(text: str) -> str:
    size = len(text.encode())
    if size > MAX_ARGUMENT_BYTES:
        raise ValueError(
            f"is {size} bytes long; Linux takes {MAX_ARGUMENT_BYTES} here, so install it as a file"
        )
    return text


def _placeholders(text: str) -> str:
    remedy = "write {{ and }} for braces that mean themselves"
    try:
        fields = list(string.Formatter().parse(text))
    except ValueError:
        raise ValueError(f"{_short(text)} has a brace without its partner; {remedy}") from None
    for _, name, form, conversion in fields:
        if name is None or (name in PLACEHOLDERS and not form and not conversion):
            continue
        if name in PLACEHOLDERS:
            raise ValueError(f"{_short(text)}: a placeholder has no format; write {{{name}}}")
        found = nearest(name, PLACEHOLDERS) or "; known are {python}, {node} and {scratch}"
        raise ValueError(
            f"{_short(text)}: unknown placeholder {_short('{' + name + '}')}{found}; {remedy}"
        )
    return text


def _some(argv: tuple[str, ...]) -> tuple[str, ...]:
    if not argv or not argv[0]:
        raise ValueError("names no program; write it like [/opt/site/check, --fast]")
    return argv


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")


Duration = Annotated[timedelta, BeforeValidator(_duration)]
"""Written like 30m, 12h or 7d."""

PositiveDuration = Annotated[Duration, AfterValidator(_positive)]
CheckName = Annotated[str, AfterValidator(_name)]
Text = Annotated[str, AfterValidator(_text)]
Word = Annotated[str, AfterValidator(_word)]
Argument = Annotated[str, AfterValidator(_argument), AfterValidator(_placeholders)]


_EACH_WORKER = {"eachWorkerJobArray": "array", "eachWorkerJobs": "jobs"}
"""How ActiveCheck resources write the mode."""


def _named(modes: Mapping[str, object]) -> str:
    return " and ".join(key for key, mode in _EACH_WORKER.items() if mode in modes)


class Resources(BaseModel):
    """What a visit that runs this check asks Slurm for."""

    model_config = STRICT

    cpus: Annotated[int, Field(ge=1, le=100_000)] = 1
    mem: Annotated[Mebibytes, BeforeValidator(_mebibytes)] = Mebibytes(0)
    """In MiB; 0 leaves it to the partition."""
    gpus: Annotated[int, Field(ge=0, le=1024)] = 0
    exclusive: bool = False


class Selector(BaseModel):
    """Describes nodes; every key that is given must match."""

    model_config = STRICT

    hostlist: Annotated[str, AfterValidator(_hostlist)] | None = None
    features: tuple[Word, ...] = ()
    """All of them."""
    gres: Annotated[str, AfterValidator(_gres)] | None = None
    """Like gpu, gpu:h100 or gpu:h100:8, the last for at least eight."""
    partitions: tuple[Word, ...] = ()
    """At least one of them."""

    @model_validator(mode="after")
    def _not_empty(self) -> "Selector":
        if not (self.hostlist or self.features or self.gres or self.partitions):
            raise ValueError("describes no nodes; give hostlist, features, gres or partitions")
        return self


class Nodes(BaseModel):
    """Where the check applies: everywhere, unless told otherwise."""

    model_config = STRICT

    include: Selector | None = None
    exclude: Selector | None = None


class Timeouts(BaseModel):
    """How long a visit for this check may wait."""

    model_config = STRICT

    pending: PositiveDuration | None = None
    """For Slurm to start it once it could; None leaves it to the settings."""
    queue: PositiveDuration | None = None
    """In all, its turn in a batch included; None leaves it to the settings."""


class Retries(BaseModel):
    """How soon an attempt that judged nothing is repeated."""

    model_config = STRICT

    attempts: Annotated[int, Field(ge=0, le=MOST_RETRIES)] = 0
    """After an error or a timeout; then retry_after counts."""
    backoff: PositiveDuration = timedelta(minutes=10)
    """Before the first repetition; twice as long before each further one."""


class Confirm(BaseModel):
    """How many fails make a fail."""

    model_config = STRICT

    fails: Annotated[int, Field(ge=1, le=KEPT)] = 1
    of: Annotated[int, Field(ge=1, le=KEPT)] = 1
    """Among so many of the last judged results."""

    @model_validator(mode="after")
    def _can_be_reached(self) -> "Confirm":
        if self.fails > self.of:
            raise ValueError(f"{self.fails} of {self.of} is never reached; write of: {self.fails}")
        return self


class Regression(BaseModel):
    """How much worse than its baseline a metric may be; analytics/regression.py compares."""

    model_config = STRICT

    warn: Annotated[float, BeforeValidator(_share)] | None = None
    """The loss as a share of the baseline, which is a median."""
    fail: Annotated[float, BeforeValidator(_share)] | None = None
    mads: Annotated[float, Field(ge=1, le=1000)] = 6
    """The loss must be so many times the baseline's median absolute deviation, too."""

    @model_validator(mode="after")
    def _warns_first(self) -> "Regression":
        if self.warn is None and self.fail is None:
            raise ValueError("says nothing; give warn or fail, like {warn: 5%, fail: 10%}")
        if self.warn is not None and self.fail is not None and self.warn >= self.fail:
            raise ValueError("warn must be reached before fail; give warn the smaller loss")
        return self


class Metric(BaseModel):
    """A number that the check's program reports."""

    model_config = STRICT

    unit: Text
    description: Text
    better: Literal["higher", "lower"] | None = None
    warn: Annotated[float, Field(allow_inf_nan=False)] | None = None
    fail: Annotated[float, Field(allow_inf_nan=False)] | None = None
    regression: Regression | None = None

    @model_validator(mode="after")
    def _regression_has_a_side(self) -> "Metric":
        if self.regression is None:
            return self
        if self.better is None:
            raise ValueError("regression needs to know which side is good; add better: higher")
        most = max(self.regression.warn or 0, self.regression.fail or 0)
        if self.better == "higher" and most >= 1:
            raise ValueError(
                f"regression: with better: higher a loss of {most:.0%} is never reached; "
                "write less than 100%"
            )
        return self

    @model_validator(mode="after")
    def _thresholds_have_a_side(self) -> "Metric":
        warn, fail = self.warn, self.fail
        if self.better is None and (warn is not None or fail is not None):
            raise ValueError("thresholds need to know which side is good; add better: higher")
        if warn is None or fail is None or warn == fail:
            return self
        if (self.better == "higher") != (warn > fail):
            raise ValueError(f"with better: {self.better}, warn must be reached before fail")
        return self


class CheckDefinition(BaseModel):
    """One file. Unknown keys are refused."""

    model_config = STRICT

    name: CheckName
    description: Text
    command: Annotated[tuple[Argument, ...], AfterValidator(_some)] | None = None
    script: Annotated[str, AfterValidator(_text), AfterValidator(_argument)] | None = Field(
        default=None, validate_default=True
    )
    max_age: PositiveDuration
    """A proof older than this is stale."""
    schedule: Annotated[str, AfterValidator(check_schedule)] | None = None
    """Times at which it is due besides, as cron(5) writes them."""
    run_after_creation: bool = True
    """Whether it is due at once where it never ran; else as if judged when first seen."""
    time_limit: PositiveDuration = timedelta(minutes=5)
    retry_after: Duration = timedelta(hours=1)
    """How long an attempt that judged nothing keeps the check from being tried there again."""
    retries: Retries = Retries()
    confirm: Confirm = Confirm()
    resources: Resources = Resources()
    mode: Literal["array", "jobs", "job"] = "array"
    """How its visits are submitted."""
    max_jobs: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    """No more of its visits at once, the stalest nodes first; 0 leaves that to the settings."""
    nodes: Nodes = Nodes()
    depends_on: tuple[CheckName, ...] = ()
    depends_on_everywhere: tuple[CheckName, ...] = ()
    """Checks that must have passed on all their nodes before this one runs anywhere."""
    suspend: bool = False
    timeouts: Timeouts = Timeouts()
    metrics: dict[Annotated[str, AfterValidator(_metric_name)], Metric] = {}
    failure_reactions: Annotated[Reactions, AfterValidator(after_failure)] = Reactions()
    success_reactions: Annotated[Reactions, AfterValidator(after_success)] = Reactions()
    hang_condemns: bool = False
    """Whether a timeout is a fail to the reactions: the node hangs, not the program."""
    shadow: bool = False
    """Whether its reactions are decided and written down, and not done."""

    @model_validator(mode="before")
    @classmethod
    def _mode_of_active_checks(cls, data: object) -> object:
        """Read the two booleans of ActiveCheck resources; without either it is one job."""
        if not isinstance(data, dict) or not any(key in data for key in _EACH_WORKER):
            return data
        given = {_EACH_WORKER[key]: data[key] for key in _EACH_WORKER if key in data}
        if "mode" in data or not all(isinstance(value, bool) for value in given.values()):
            raise ValueError(f"write mode: array, jobs or job instead of {_named(given)}")
        if sum(given.values()) > 1:
            raise ValueError(f"write one of {_named(given)}")
        mode = next((name for name, value in given.items() if value), "job")
        return {"mode": mode, **{k: v for k, v in data.items() if k not in _EACH_WORKER}}

    @field_validator("script")
    @classmethod
    def _exactly_one(cls, script: str | None, info: ValidationInfo) -> str | None:
        if "command" in info.data and (info.data["command"] is None) == (script is None):
            raise ValueError("write exactly one of command and script")
        return script

    @property
    def summary(self) -> str:
        """The first line of the description."""
        return self.description.splitlines()[0]

    @property
    def shape(self) -> Shape:
        """What a visit must ask Slurm for to run this check."""
        wanted = self.resources
        return Shape(
            cpus=wanted.cpus,
            mem_mb=wanted.mem,
            gpus=wanted.gpus,
            exclusive=wanted.exclusive,
            mode=Mode(self.mode),
            max_jobs=self.max_jobs,
        )

    @property
    def argv(self) -> tuple[str, ...]:
        """The program and its arguments, placeholders not yet filled in."""
        if self.command is not None:
            return self.command
        script = (self.script or "").replace("{", "{{").replace("}", "}}")
        return ("/bin/bash", "-eu", "-c", script, self.name)

    def program(self, depends_on: tuple[str, ...]) -> Program:
        """Return what the runner needs to know; it waits for *depends_on* to pass."""
        return Program(
            name=self.name,
            argv=self.argv,
            time_limit_s=self.time_limit.total_seconds(),
            depends_on=depends_on,
        )
