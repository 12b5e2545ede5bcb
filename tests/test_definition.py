"""One definition file: what its keys become."""

import re
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from checks.definition import CheckDefinition, Confirm, Nodes, Retries, Selector, Timeouts
from checks.definition_file import DefinitionFile, Suspension, load_definition, parse_definition
from checks.reaction import Note, Notice, Reactions, Reservation
from slurm_hooks.batch import Mode, Shape
from slurm_hooks.duration import format_duration, parse_duration
from slurm_hooks.environment import fill_in
from slurm_hooks.errors import ConfigError

DATA = Path(__file__).parent / "data" / "definitions"
SMALLEST = b"name: x\ndescription: d\nmax_age: 7d\ncommand: ['true']\n"


def definition_of(text: bytes | str, name: str = "x") -> CheckDefinition:
    data = text.encode() if isinstance(text, str) else text
    file = parse_definition(data, Path(f"{name}.yaml"))
    assert isinstance(file, DefinitionFile)
    return file.definition


def refusal_of(text: str, name: str = "x") -> str:
    with pytest.raises(ConfigError) as caught:
        parse_definition(text.encode(), Path(f"{name}.yaml"))
    return str(caught.value)


def filled_in(definition: CheckDefinition) -> list[str]:
    """What the runner makes of a definition's command."""
    return fill_in(definition.argv, python=Path("/p"), node="n1", scratch=Path("/s"))


def good(name: str) -> CheckDefinition:
    file = load_definition(DATA / "good" / f"{name}.yaml")
    assert isinstance(file, DefinitionFile)
    return file.definition


def test_every_key_is_read() -> None:
    found = good("everything")
    assert found.summary == "Shows every key."
    assert found.command is not None
    assert found.command[:2] == ("{python}", "-I")
    assert found.max_age == timedelta(hours=36)
    assert found.time_limit == timedelta(seconds=90)
    assert found.schedule == "0 3 * * mon-fri"
    assert found.retry_after == timedelta(hours=2)
    assert found.shape == Shape(
        cpus=4, mem_mb=4096, gpus=8, exclusive=True, mode=Mode.JOBS, max_jobs=4
    )
    assert found.retries == Retries(attempts=2, backoff=timedelta(minutes=15))
    assert found.confirm == Confirm(fails=2, of=3)
    assert found.nodes == Nodes(
        include=Selector(
            hostlist="gpu[001-004,007]",
            features=("h100", "ib"),
            gres="gpu:h100:8",
            partitions=("main", "gpu"),
        ),
        exclude=Selector(hostlist="gpu003"),
    )
    assert found.depends_on == ("storage", "memory")
    assert found.depends_on_everywhere == ("cpu",)
    assert not found.suspend
    assert found.timeouts.pending == timedelta(minutes=3)
    assert found.timeouts.queue == timedelta(minutes=20)
    assert found.metrics["write_bytes_per_s"].warn == 2e9
    assert found.metrics["write_bytes_per_s"].fail == 1e9


def test_a_schedule_that_cron_would_not_take_is_refused_where_it_stands() -> None:
    assert refusal_of(SMALLEST.decode() + 'schedule: "0 25 * * *"\n') == (
        "x.yaml:5: schedule: '0 25 * * *': its hour is wrong; write minute, hour, day, month and "
        'weekday, like "0 3 * * *" for daily at 03:00'
    )


def test_more_fails_than_results_are_never_reached() -> None:
    assert refusal_of(SMALLEST.decode() + "confirm: {fails: 2}\n") == (
        "x.yaml:5: confirm: 2 of 1 is never reached; write of: 2"
    )


def test_every_reaction_is_read() -> None:
    found = good("everything")
    assert found.failure_reactions == Reactions(
        drain=Note(prefix="[hardware_problem]"),
        comment=Note(),
        reserve=Reservation(prefix="quarantine"),
        notify=Notice(webhook="https://alerts.example/hook"),
    )
    assert found.success_reactions == Reactions(
        undrain=Note(prefix="[hardware_problem]"),
        uncomment=Note(),
        unreserve=Reservation(prefix="quarantine"),
        notify=Notice(command=("/usr/local/bin/tell", "ops")),
    )


def test_reactions_spelled_as_in_active_checks_are_the_same_reactions() -> None:
    found = good("activecheck")
    assert found.failure_reactions == Reactions(
        drain=Note(prefix="[node_problem]"),
        comment=Note(prefix="[node_problem]"),
        reserve=Reservation(prefix="suspicious"),
    )
    assert found.success_reactions == Reactions(unreserve=Reservation(prefix="suspicious"))


def test_the_smallest_definition_has_the_documented_defaults() -> None:
    found = good("smallest")
    assert found.time_limit == timedelta(minutes=5)
    assert found.retry_after == timedelta(hours=1)
    assert found.shape == Shape()
    assert found.nodes == Nodes()
    assert found.timeouts == Timeouts()
    assert (found.timeouts.pending, found.timeouts.queue) == (None, None)
    assert found.failure_reactions == found.success_reactions == Reactions()


def test_a_program_is_what_the_runner_needs_to_know() -> None:
    program = good("everything").program(("storage",))
    assert program.name == "everything"
    assert program.argv[-1] == "{{literal}}"
    assert program.time_limit_s == 90.0
    assert program.depends_on == ("storage",)


def test_placeholders_are_what_the_runner_fills_in() -> None:
    found = definition_of(
        "name: x\ndescription: d\nmax_age: 7d\n"
        "command: ['{python}', 'on-{node}:{scratch}', '{{node}}', '{{{node}}}', '}}{{']\n"
    )
    assert filled_in(found) == ["/p", "on-n1:/s", "{node}", "{n1}", "}{"]


@given(st.text(alphabet="{}node scratch$", max_size=30).filter(str.strip))
def test_a_script_reaches_the_node_as_it_was_written(script: str) -> None:
    found = CheckDefinition(name="x", description="d", script=script, max_age=timedelta(days=7))
    assert filled_in(found)[3] == script.strip()


def test_a_script_runs_as_written_once_placeholders_are_filled_in() -> None:
    found = definition_of(
        "name: x\ndescription: d\nmax_age: 7d\n"
        "script: |\n  who=${0}\n  printf '%s {node} {{}}' \"${who}\"\n"
    )
    done = subprocess.run(filled_in(found), capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout == "x {node} {{}}"


def test_a_script_stops_at_its_first_failing_command() -> None:
    found = definition_of("name: x\ndescription: d\nmax_age: 7d\nscript: |\n  false\n  exit 0\n")
    assert subprocess.run(filled_in(found), timeout=30, check=False).returncode == 1


@pytest.mark.parametrize("name", ["keys", "values", "together"])
def test_every_fault_of_a_file_is_told_with_its_line_and_remedy(name: str) -> None:
    path = DATA / "bad" / f"{name}.yaml"
    with pytest.raises(ConfigError) as caught:
        load_definition(path)
    expected = path.with_suffix(".expected").read_text()
    assert str(caught.value).replace(f"{DATA}/", "") + "\n" == expected


@pytest.mark.parametrize(
    ("mem", "mebibytes"),
    [("500", 500), ("500M", 500), ("4G", 4096), ("1T", 1048576), ("1500K", 2), ("4gb", 4096)],
)
def test_memory_is_written_as_for_slurm(mem: str, mebibytes: int) -> None:
    found = definition_of(SMALLEST.decode() + f"resources: {{mem: {mem}}}\n")
    assert found.shape.mem_mb == mebibytes


@pytest.mark.parametrize("mem", ["-1", "4 G", "1.5G", "yes", "[4G]", "4P", "'\u0661G'"])
def test_other_amounts_of_memory_are_refused(mem: str) -> None:
    message = refusal_of(SMALLEST.decode() + f"resources: {{mem: {mem}}}\n")
    assert message.startswith("x.yaml:5: resources.mem: ")
    assert message.endswith("write it like 500M, 4G or 1T")


@pytest.mark.parametrize("name", ["Disk", "1disk", "disk_test", "d" * 41, "disk test", "-d"])
def test_a_name_that_could_not_be_a_file_or_job_name_is_refused(name: str) -> None:
    message = refusal_of(f"name: {name}\ndescription: d\nmax_age: 7d\ncommand: [x]\n", name)
    assert f"{name!r} is not a check's name; use at most 40" in message


@pytest.mark.parametrize("prefix", ['"\\n"', "''", "' '", "ü", "x" * 65, '"\\e[31m"'])
def test_a_prefix_that_slurm_could_not_show_on_one_line_is_refused(prefix: str) -> None:
    text = SMALLEST.decode() + f"failure_reactions: {{drain: {{prefix: {prefix}}}}}\n"
    assert "is not one line of 1 to 64 ASCII characters" in refusal_of(text)


@pytest.mark.parametrize("url", ["ftp://x/y", "https://", "alerts", "http://[", "http://a b/"])
def test_a_webhook_is_a_web_address(url: str) -> None:
    text = SMALLEST.decode() + f"failure_reactions: {{notify: {{webhook: '{url}'}}}}\n"
    assert "is not a web address; write it like https://host/path" in refusal_of(text)


def test_an_argument_too_long_for_linux_is_refused() -> None:
    message = refusal_of(f"name: x\ndescription: d\nmax_age: 7d\nscript: '{'é' * 60_000}'\n")
    assert message == (
        "x.yaml:4: script: is 120000 bytes long; Linux takes 100000 here, so install it as a file"
    )


@pytest.mark.parametrize("argument", ["{node.name}", "{0}", "{}", "{nod}", "a{b}", "{", "}", "{{}"])
def test_an_unknown_placeholder_is_refused(argument: str) -> None:
    message = refusal_of(f"name: x\ndescription: d\nmax_age: 7d\ncommand: ['{argument}']\n")
    assert message.startswith(f"x.yaml:4: command[0]: '{argument}'")
    assert message.endswith("write {{ and }} for braces that mean themselves")


@pytest.mark.parametrize("argument", ["{node!r}", "{node:>9}", "{node:{python}}"])
def test_a_placeholder_has_no_format(argument: str) -> None:
    message = refusal_of(f"name: x\ndescription: d\nmax_age: 7d\ncommand: ['{argument}']\n")
    assert message.endswith("a placeholder has no format; write {node}")


@pytest.mark.parametrize("argv", ["[]", "['']", "['', a]"])
def test_a_command_names_a_program(argv: str) -> None:
    message = refusal_of(f"name: x\ndescription: d\nmax_age: 7d\ncommand: {argv}\n")
    assert message.startswith("x.yaml:4: command: names no program; write it like")


def test_a_file_may_do_nothing_but_suspend() -> None:
    assert parse_definition(b"suspend: true", Path("x.yaml")) == Suspension(path=Path("x.yaml"))
    named = parse_definition(b"name: x\nsuspend: yes\n", Path("x.yaml"))
    assert named == Suspension(path=Path("x.yaml"))
    assert "max_age: missing" in refusal_of("suspend: false")


@given(st.integers(1, 3650 * 86400))
def test_a_duration_survives_being_written_out(seconds: int) -> None:
    found = definition_of(SMALLEST.replace(b"7d", f"{seconds}s".encode()))
    assert found.max_age == timedelta(seconds=seconds)
    shown = parse_duration(format_duration(found.max_age))
    assert shown <= found.max_age < shown + max(shown, timedelta(seconds=1))


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_refused_as_one(text: str) -> None:
    values = {"name": "x", "description": "d", "command": ("true",), "max_age": text}
    if re.fullmatch(r"(\d{1,9}[smhdw])+", text) and not re.fullmatch(r"(0+[smhdw])+", text):
        assert CheckDefinition.model_validate(values).max_age > timedelta(0)
        return
    with pytest.raises(ValidationError) as caught:
        CheckDefinition.model_validate(values)
    assert [one["loc"] for one in caught.value.errors()] == [("max_age",)]
