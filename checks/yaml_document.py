"""Reads one YAML document into plain values that know their lines; refuses YAML's surprises.

Plain scalars mean less than in YAML 1.1: yes, no, on, off, true and false are booleans, whole
and decimal numbers are numbers, everything else is text. So 10:30, 010 and 2030-01-01 stay
as they were written. Keys are always text.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import yaml

MAX_BYTES = 256 * 1024

Place = tuple[str | int, ...]
"""The keys and list positions that lead to a value."""

Value = str | int | float | bool | None | tuple["Value", ...] | dict[str, "Value"]

_INT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9]{1,300}\.[0-9]*|\.[0-9]+|[0-9]{1,300}(?=[eE]))(?:[eE][-+]?[0-9]{1,3})?"
)
_TRUE, _FALSE = frozenset(("true", "yes", "on")), frozenset(("false", "no", "off"))
_NULL = frozenset(("", "~", "null"))
_UNUSABLE = re.compile("[\0\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that is wrong in a document."""

    line: int
    place: Place = ()
    reason: str

    def __str__(self) -> str:
        where = dotted(self.place)
        return f"{self.line}: {where}: {self.reason}" if where else f"{self.line}: {self.reason}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A document's value, where each part of it stands, and what is wrong with it as YAML."""

    value: Value = None
    lines: Mapping[Place, int]
    texts: Mapping[Place, str]
    """Scalars as they were written."""
    faults: tuple[Fault, ...] = ()

    def line(self, place: Place) -> int:
        """Return the line of *place*, or of the nearest thing around it that is written."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)

    def fault(self, place: Place, reason: str) -> Fault:
        """Return that *reason* is what is wrong at *place*."""
        return Fault(line=self.line(place), place=place, reason=reason)


def dotted(place: Place) -> str:
    """Return *place* as people write it: nodes.include.features[0]."""
    text = "".join(
        f"[{part}]" if isinstance(part, int) else f".{shown_key(part)}" for part in place
    )
    return text.removeprefix(".")


def shown_key(key: str) -> str:
    """Return *key* as it can stand in a message: short, and on one line."""
    short = key if len(key) <= 40 else key[:37] + "..."
    return short if short.isprintable() and short else repr(short)


def read_document(data: bytes, spellings: Mapping[str, str]) -> Document:
    """Return the one document in *data*; what is wrong with it is in its faults.

    Keys found in *spellings* are read as the name they are mapped to. Lists become tuples.
    """
    if len(data) > MAX_BYTES:
        return _broken(1, f"larger than {MAX_BYTES} bytes; no definition needs that")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return _broken(line, "not UTF-8 text; save the file as UTF-8")
    try:
        root = _compose(text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        return _broken(line, f"not YAML: character #x{int(error.character):04x} is not allowed")
    except yaml.MarkedYAMLError as error:
        return _broken(_line(error), f"not YAML: {_problem(error)}")
    except RecursionError:
        return _broken(1, "not a definition: nested too deeply")
    except (ValueError, OverflowError):
        return _broken(1, "not YAML: an escape such as \\U00110000 names no character")
    return _Reader(spellings).read(root)


class _Loader(yaml.SafeLoader):
    """Refuses references and tags, so that a small file cannot stand for a large one."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        problem = ""
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            problem = "anchors and aliases (& and *) are not supported; write it out, or quote it"
        elif getattr(event, "tag", None):
            problem = "tags (!) are not supported; write the value alone, or quote it"
        if problem:
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        return super().compose_node(parent, index)


class _Reader:
    """Turns a tree of YAML nodes into a Document."""

    def __init__(self, spellings: Mapping[str, str]) -> None:
        self._spellings = spellings
        self._lines: dict[Place, int] = {}
        self._texts: dict[Place, str] = {}
        self._faults: list[Fault] = []

    def read(self, root: yaml.Node | None) -> Document:
        value = None if root is None else self._value(root, ())
        return Document(
            value=value, lines=self._lines, texts=self._texts, faults=tuple(self._faults)
        )

    def _value(self, node: yaml.Node, place: Place) -> Value:
        self._lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return dict(self._pairs(node, place))
        if isinstance(node, yaml.SequenceNode):
            return tuple(
                self._value(item, (*place, index)) for index, item in enumerate(node.value)
            )
        return self._scalar(node, place)

    def _pairs(self, node: yaml.MappingNode, place: Place) -> Iterator[tuple[str, Value]]:
        seen: dict[str, int] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self._fault(line, place, "a key must be a plain name, not a list or a table")
                continue
            if _UNUSABLE.search(key_node.value):
                self._fault(line, place, "a key holds a NUL or half a character; remove the escape")
                continue
            key = self._spellings.get(key_node.value, key_node.value)
            inner = (*place, key)
            if key in seen:
                self._fault(line, inner, f"written twice, first on line {seen[key]}; keep one")
                continue
            seen[key] = self._lines[inner] = line
            yield key, self._value(value_node, inner)

    def _scalar(self, node: yaml.Node, place: Place) -> Value:
        text = str(node.value)
        self._texts[place] = text
        line = self._lines[place]
        if _UNUSABLE.search(text):
            self._fault(line, place, "holds a NUL or half a character; remove the escape")
            return ""
        value = text if getattr(node, "style", None) else _plain(text)
        if value is None and place:
            self._fault(line, place, "is empty; write a value or remove the key")
        return value

    def _fault(self, line: int, place: Place, reason: str) -> None:
        self._faults.append(Fault(line=line, place=place, reason=reason))


def _compose(text: str) -> yaml.Node | None:
    loader = _Loader(text)
    try:
        return loader.get_single_node()
    finally:
        loader.dispose()


def _plain(text: str) -> Value:
    word = text.lower()
    if word in _NULL:
        return None
    if word in _TRUE or word in _FALSE:
        return word in _TRUE
    if _INT.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _broken(line: int, reason: str) -> Document:
    return Document(lines={}, texts={}, faults=(Fault(line=line, reason=reason),))


def _line(error: yaml.MarkedYAMLError) -> int:
    mark = error.problem_mark or error.context_mark
    return mark.line + 1 if mark else 1


def _problem(error: yaml.MarkedYAMLError) -> str:
    text = " ".join((error.problem or error.context or "cannot be read").split())
    if "found another document" in text:
        return "a second document starts here (---); one file holds one check"
    if "'\\t'" in text:
        return f"{text}; indent with spaces"
    if "mapping values are not allowed" in text:
        return f"{text}; quote a text that holds ': '"
    return text
