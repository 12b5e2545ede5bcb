"""Turns parsed JSON or TOML into frozen dataclasses, or says which key is wrong and why."""

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from math import isfinite
from typing import TypeVar

T = TypeVar("T")

_NAMES = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}


class DecodeError(ValueError):
    """A value has the wrong shape; the message starts with the path to it."""


def decode(kind: type[T], value: object, where: str = "") -> T:
    """Return *value* as a *kind*: dataclass, enum, datetime, scalar, tuple, dict or a union.

    Keys without a field are refused with the nearest known name. Times are ISO 8601
    with an offset and come back in UTC. Numbers must be finite.

    Raises:
        DecodeError: the first thing that does not fit, with its path, such as
            ``visits[3].node: expected text, got 5``.
    """
    return typing.cast("T", _decode(kind, value, where))


def encode(value: object) -> object:
    """Return *value* as what json.dumps takes; `decode` is its inverse."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value)
        }
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    return value


def nearest(name: str, known: Sequence[str]) -> str:
    """Return `` (did you mean 'x'?)`` for the closest of *known*, or nothing."""
    import difflib  # noqa: PLC0415 only a mistake needs it, and users wait for the node Epilog

    found = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""


def _decode(kind: object, value: object, where: str) -> object:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (types.UnionType, typing.Union):
        return _decode_union(arguments, value, where)
    if origin is tuple:
        return _decode_tuple(arguments[0], value, where)
    if origin is dict:
        return _decode_dict(arguments[1], value, where)
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _decode_dataclass(kind, value, where)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _decode_enum(kind, value, where)
    if kind is datetime:
        return _decode_time(value, where)
    if kind is object:
        return value
    return _decode_scalar(kind, value, where)


def _decode_scalar(kind: object, value: object, where: str) -> object:
    if kind is float and type(value) is int:
        try:
            value = float(value)
        except OverflowError:
            raise _wrong(where, "a finite number", value) from None
    if kind not in _NAMES or type(value) is not kind:
        expected = _NAMES.get(typing.cast("type", kind), str(kind))
        raise _wrong(where, expected, value)
    if isinstance(value, float) and not isfinite(value):
        raise _wrong(where, "a finite number", value)
    return value


def _decode_dataclass(kind: type, value: object, where: str) -> object:
    if not isinstance(value, Mapping):
        raise _wrong(where, "a table", value)
    hints = _hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for key in value:
        if key not in fields:
            raise DecodeError(f"{_join(where, str(key))}: unknown key{nearest(key, [*fields])}")
    found = {}
    for name, field in fields.items():
        if name in value:
            found[name] = _decode(hints[name], value[name], _join(where, name))
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise DecodeError(f"{_join(where, name)}: missing")
    return kind(**found)


@functools.cache
def _hints(kind: type) -> dict[str, object]:
    return typing.get_type_hints(kind)


def _decode_union(arguments: tuple[object, ...], value: object, where: str) -> object:
    if value is None and type(None) in arguments:
        return None
    failures = []
    for argument in arguments:
        if argument is type(None):
            continue
        try:
            return _decode(argument, value, where)
        except DecodeError as error:
            failures.append(error)
    raise failures[0]


def _decode_tuple(item: object, value: object, where: str) -> object:
    if not isinstance(value, list | tuple):
        raise _wrong(where, "a list", value)
    return tuple(_decode(item, one, f"{where}[{index}]") for index, one in enumerate(value))


def _decode_dict(item: object, value: object, where: str) -> object:
    if not isinstance(value, Mapping):
        raise _wrong(where, "a table", value)
    return {str(key): _decode(item, one, _join(where, str(key))) for key, one in value.items()}


def _decode_enum(kind: type[Enum], value: object, where: str) -> object:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(str(member.value) for member in kind)
        raise _wrong(where, f"one of {known}", value) from None


def _decode_time(value: object, where: str) -> object:
    try:
        time = datetime.fromisoformat(typing.cast("str", value))
    except (TypeError, ValueError):
        raise _wrong(where, "an ISO 8601 time", value) from None
    if time.tzinfo is None:
        raise _wrong(where, "a time with its offset from UTC", value)
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise _wrong(where, "a time within the calendar", value) from None


def _join(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key


def _wrong(where: str, expected: str, value: object) -> DecodeError:
    shown = repr(value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    return DecodeError(f"{where or 'value'}: expected {expected}, got {shown}")
