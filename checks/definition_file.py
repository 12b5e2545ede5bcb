"""Reads one definition file: every error in it comes with its line, key and remedy."""

import re
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from checks.definition import CheckDefinition
from checks.reaction import SPELLINGS
from checks.yaml_document import MAX_BYTES, Document, Fault, Place, Value, read_document
from slurm_hooks.decode import nearest
from slurm_hooks.errors import ConfigError

_MOST_FAULTS = 20
"""More than these are counted, not shown."""

_EXPECTED = {
    "string_type": "text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "dict_type": "a table of keys",
    "model_type": "a table of keys",
}
_EXAMPLES = {
    "name": "name: disk",
    "description": "description: The disk takes and returns data",
    "max_age": "max_age: 7d",
    "unit": "unit: bytes/s",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionFile:
    """One file that was read without a fault."""

    path: Path
    definition: CheckDefinition
    document: Document

    def error(self, key: str, reason: str) -> str:
        """Return the message that *reason* is what is wrong with *key* here."""
        return f"{self.path}:{self.document.fault((key,), reason)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Suspension:
    """A file that says nothing but ``suspend: true`` of a check defined elsewhere."""

    path: Path


def load_definition(path: Path) -> DefinitionFile | Suspension:
    """Read and check the file at *path*.

    Raises:
        ConfigError: it cannot be read, or as `parse_definition`.
    """
    try:
        if not path.is_file():
            raise ConfigError(f"{path}: not a regular file; remove it or write a definition there")
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot read it: {error.strerror}; check its owner and mode"
        ) from error
    return parse_definition(data, path)


def parse_definition(data: bytes, path: Path) -> DefinitionFile | Suspension:
    """Return what *data* holds; *path* gives the check's name and stands in messages.

    Raises:
        ConfigError: it is wrong; one line for each fault.
    """
    document = read_document(data, SPELLINGS)
    value = document.value
    faults = list(document.faults)
    if not document.lines and not faults:
        faults.append(document.fault((), "the file is empty; write a definition or remove it"))
    elif document.lines and not isinstance(value, dict):
        faults.append(document.fault((), "expected keys such as name, command and max_age"))
    if not isinstance(value, dict):
        raise ConfigError(_message(path, faults))
    faults.extend(_misnamed(document, value, path.stem))
    suspends = {key: value[key] for key in value if key != "name"} == {"suspend": True}
    definition = None if suspends else _validated(document, value, faults)
    if faults:
        raise ConfigError(_message(path, faults))
    if definition is None:
        return Suspension(path=path)
    return DefinitionFile(path=path, definition=definition, document=document)


def _misnamed(document: Document, value: dict[str, Value], stem: str) -> Iterator[Fault]:
    name = value.get("name")
    if isinstance(name, str) and name != stem:
        reason = f"{name!r} is not the file's name; write name: {stem}, or rename the file"
        yield document.fault(("name",), reason)


def _validated(
    document: Document, value: dict[str, Value], faults: list[Fault]
) -> CheckDefinition | None:
    """Return the definition, or None with what is wrong added to *faults*."""
    try:
        return CheckDefinition.model_validate(value)
    except ValidationError as error:
        # What is empty was found by read_document; pydantic calls it the wrong type once more.
        empty = {fault.place for fault in faults}
        faults.extend(
            document.fault(_place(one), _reason(document, _place(one), one))
            for one in error.errors(include_url=False)
            if one["input"] is not None or _place(one) not in empty
        )
        return None


def _message(path: Path, faults: list[Fault]) -> str:
    ordered = sorted(faults, key=lambda fault: fault.line)
    lines = [f"{path}:{fault}" for fault in ordered[:_MOST_FAULTS]]
    if len(ordered) > _MOST_FAULTS:
        lines.append(f"{path}: and {len(ordered) - _MOST_FAULTS} more")
    return "\n".join(lines)


def _place(error: ErrorDetails) -> Place:
    """Return where *error* is; pydantic marks a wrong key of a table with an item of its own."""
    return tuple(part for part in error["loc"] if part != "[key]")


def _reason(document: Document, place: Place, error: ErrorDetails) -> str:
    kind = error["type"]
    if kind == "missing":
        example = _EXAMPLES.get(str(place[-1]))
        return f"missing; write it like {example}" if example else "missing; write it"
    if kind == "extra_forbidden":
        return _unknown(place)
    if kind in _EXPECTED:
        return _wrong_type(_EXPECTED[kind], document.texts.get(place), error["input"])
    if kind == "value_error":
        return str(error["ctx"]["error"])
    text = re.sub(r"^(Input|Value) should ", "must ", error["msg"])
    written = document.texts.get(place)
    return text if written is None else f"{text}, not {_shown(written)}"


def _wrong_type(expected: str, written: str | None, value: object) -> str:
    if written is None:
        got = "a list" if isinstance(value, tuple) else "a table of keys"
        return f"expected {expected}, got {got}"
    if expected == "text":
        read = str(value).lower()
        return f"expected text, but {_shown(written)} is read as {read}; put it in quotes"
    return f"expected {expected}, got {_shown(written)}"


def _unknown(place: Place) -> str:
    known = sorted(_known_keys(place[:-1]))
    found = nearest(str(place[-1]), known)
    return f"unknown key{found}" if found else f"unknown key; known here: {', '.join(known)}"


def _known_keys(place: Place) -> Iterator[str]:
    model: type[BaseModel] = CheckDefinition
    for part in place:
        field = model.model_fields.get(str(part))
        if field is not None:
            model = next(_models(field.annotation), model)
    yield from model.model_fields


def _models(kind: object) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for argument in typing.get_args(kind):
        yield from _models(argument)


def _shown(text: str) -> str:
    return repr(text if len(text) <= 60 else text[:57] + "...")
