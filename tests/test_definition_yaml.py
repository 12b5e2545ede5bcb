"""YAML at its worst: whatever a definition file holds, the answer is one error in words."""

import os
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.definition import CheckDefinition
from checks.definition_file import load_definition, parse_definition
from checks.yaml_document import MAX_BYTES, read_document
from slurm_hooks.errors import ConfigError

PATH = Path("x.yaml")
KEYS = [*CheckDefinition.model_fields, "prefix", "unit", "include", "drain", "failureReactions"]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["x", "7d", "n[1-3]", "{node}", "{", "4G"])
    | st.text(max_size=8)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), inner, max_size=5)
    ),
    max_leaves=15,
)


def assert_refused_in_words_or_read(data: bytes) -> None:
    """Any other exception than ConfigError fails the test."""
    try:
        found, message = str(parse_definition(data, PATH).path), ""
    except ConfigError as error:
        found, message = "", str(error)
    assert found == "x.yaml" or all(one.startswith("x.yaml:") for one in message.split("\n"))
    assert message.encode().decode() == message


def refusal_of(data: bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_definition(data, PATH)
    return str(caught.value)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_in_words(data: bytes) -> None:
    assert_refused_in_words_or_read(data)


@given(st.text(alphabet="ax:-[]{}#&*!|>'\"%@`?,\n\t \\\0\x07<=~.1", max_size=60))
def test_any_punctuation_is_read_or_refused_in_words(text: str) -> None:
    assert_refused_in_words_or_read(text.encode())


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=12), st.booleans())
def test_any_values_are_read_or_refused_in_words(value: dict[str, object], flow: bool) -> None:
    assert_refused_in_words_or_read(yaml.safe_dump(value, default_flow_style=flow).encode())


@given(VALUES)
def test_any_value_at_any_known_key_is_read_or_refused_in_words(value: object) -> None:
    tree: object = value
    for key in ("prefix", "drain", "failure_reactions"):
        tree = {key: tree}
    assert_refused_in_words_or_read(yaml.safe_dump(tree).encode())


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "x.yaml:1: the file is empty; write a definition or remove it"),
        (b"# only a comment\n", "x.yaml:1: the file is empty; write a definition or remove it"),
        (b"~", "x.yaml:1: expected keys such as name, command and max_age"),
        (b"- a", "x.yaml:1: expected keys such as name, command and max_age"),
        (b"a: b\n\n\xff", "x.yaml:3: not UTF-8 text; save the file as UTF-8"),
        (b"a: 1\nb: \x07", "x.yaml:2: not YAML: character #x0007 is not allowed"),
        (
            b"a:\n\tb: 2",
            (
                "x.yaml:2: not YAML: found character '\\t' that cannot start any token; "
                "indent with spaces"
            ),
        ),
        (
            b"description: a: b",
            "x.yaml:1: not YAML: mapping values are not allowed here; quote a text that holds ': '",
        ),
        (
            b"a: 1\n---\nb: 2",
            "x.yaml:2: not YAML: a second document starts here (---); one file holds one check",
        ),
        (b"[" * 9000, "x.yaml:1: not a definition: nested too deeply"),
        (b"{a: " * 9000, "x.yaml:1: not a definition: nested too deeply"),
        (b"- " * 9000, "x.yaml:1: not a definition: nested too deeply"),
        (b"x" * 262145, "x.yaml:1: larger than 262144 bytes; no definition needs that"),
        (
            b"a: &b 1",
            (
                "x.yaml:1: not YAML: anchors and aliases (& and *) are not supported; "
                "write it out, or quote it"
            ),
        ),
        (
            b"a: 1\nb: *",
            "x.yaml:2: not YAML: expected alphabetic or numeric character, but found '\\x00'",
        ),
        (
            b"a: !!python/object/apply:os.abort []",
            "x.yaml:1: not YAML: tags (!) are not supported; write the value alone, or quote it",
        ),
        (
            b'a: "\\UFFFFFFFF"',
            "x.yaml:1: not YAML: an escape such as \\U00110000 names no character",
        ),
    ],
)
def test_what_is_no_document_is_refused_with_its_line(data: bytes, message: str) -> None:
    assert refusal_of(data) == message


@pytest.mark.parametrize("key", ['"\\0"', '"a\\nb"', '"\\ud800"', "''", "<<", "a" * 900, "null"])
def test_a_strange_key_is_refused_on_one_short_line(key: str) -> None:
    message = refusal_of(f"{key}: 1\nsuspend: true".encode())
    first = message.split("\n")[0]
    assert first.startswith("x.yaml:1: ")
    assert "key" in message
    assert max(map(len, message.split("\n"))) < 400


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("yes", True),
        ("Off", False),
        ("12", 12),
        ("-3", -3),
        ("010", "010"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("10:30", "10:30"),
        ("2030-01-01", "2030-01-01"),
        ("1.5", 1.5),
        ("2e9", 2e9),
        (".5", 0.5),
        (".inf", ".inf"),
        ("1e9999", "1e9999"),
        ("9" * 5000, "9" * 5000),
        ("'12'", "12"),
        ("1.2.3", "1.2.3"),
        ("y", "y"),
    ],
)
def test_a_plain_scalar_is_what_a_person_would_read(written: str, read: object) -> None:
    document = read_document(f"a: {written}".encode(), {})
    assert document.value == {"a": read}
    assert type(document.value["a"]) is type(read)


def test_a_file_of_a_thousand_faults_is_refused_quickly() -> None:
    data = b"".join(b"k%d: 1\n" % number for number in range(MAX_BYTES // 12))
    started = time.monotonic()
    message = refusal_of(data)
    assert time.monotonic() - started < 30
    assert len(message.split("\n")) == 21
    assert message.endswith("more")


def test_what_is_not_a_file_is_refused_and_never_waited_for(tmp_path: Path) -> None:
    pipe = tmp_path / "x.yaml"
    os.mkfifo(pipe)
    with pytest.raises(ConfigError, match="not a regular file"):
        load_definition(pipe)


def test_a_file_larger_than_allowed_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    with path.open("wb") as stream:
        stream.truncate(1 << 40)
    with pytest.raises(ConfigError, match="larger than 262144 bytes"):
        load_definition(path)
