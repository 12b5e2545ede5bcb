"""docs/definitions.md says what the code does."""

import re
import typing
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from checks.definition import CheckDefinition
from checks.definition_file import DefinitionFile, parse_definition
from checks.reaction import SPELLINGS, Notice, Reactions
from slurm_hooks.duration import format_duration

DOC = (Path(__file__).parents[1] / "docs" / "definitions.md").read_text()
ROWS = {
    found[0]: found[1:]
    for found in re.findall(
        r"^\| `([^`]+)` \| (.+?) \| (.*?) \|(?: (.*?) ?\|)?$", DOC, re.MULTILINE
    )
}


Tree = dict[str, "str | Tree"]


def fields_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Every key as the document writes it, and its default."""
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        inner = next(models_in(field.annotation), None)
        if inner is None or inner is Reactions:
            yield key, field.default
        elif name == "metrics":
            yield from fields_of(inner, f"{key}.<name>.")
        else:
            yield from fields_of(inner, f"{key}.")


def models_in(kind: object) -> Iterator[type[BaseModel]]:
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    for argument in typing.get_args(kind):
        yield from models_in(argument)


def planted(tree: Tree, keys: list[str], text: str) -> None:
    *outer, last = keys
    for key in outer:
        branch = tree.setdefault(key, {})
        assert isinstance(branch, dict)
        tree = branch
    tree[last] = text


def as_block(tree: Tree, indent: str = "") -> Iterator[str]:
    for key, inner in tree.items():
        if isinstance(inner, str):
            yield f"{indent}{key}: {inner}"
        else:
            yield f"{indent}{key}:"
            yield from as_block(inner, indent + "  ")


def test_every_key_is_documented_and_no_other() -> None:
    groups = {"nodes.include", "nodes.exclude"}
    known = {key for key, _ in fields_of(CheckDefinition)}
    first_table = DOC.split("## Keys")[1].split("## When a check is due")[0]
    assert set(re.findall(r"^\| `([^`]+)`", first_table, re.MULTILINE)) - groups == known


def test_the_documented_defaults_are_the_defaults() -> None:
    for key, default in fields_of(CheckDefinition):
        written = ROWS[key][1]
        if default is PydanticUndefined:
            assert written == "required", key
        elif isinstance(default, timedelta):
            assert written == f"`{format_duration(default)}`", key
        elif isinstance(default, bool | int):
            assert written == f"`{str(default).lower()}`", key
        elif isinstance(default, str):
            assert written == f"`{default}`", key
        else:
            assert "`" not in written, key


def test_every_documented_example_is_accepted() -> None:
    for other in ("command", "script"):
        tree: Tree = {}
        for key, default in fields_of(CheckDefinition):
            example = ROWS[key][2].strip("`")
            assert example or isinstance(default, Reactions), key
            if example and key != other:
                planted(tree, key.replace("<name>", "speed").split("."), example)
        data = "\n".join(as_block(tree)).encode()
        assert isinstance(parse_definition(data, Path("disk.yaml")), DefinitionFile)


def test_the_complete_example_is_accepted() -> None:
    found = re.search(r"```yaml\n(name: (\S+)\n.*?)```", DOC, re.DOTALL)
    assert found is not None
    file = parse_definition(found[1].encode(), Path(f"{found[2]}.yaml"))
    assert isinstance(file, DefinitionFile)
    assert file.definition.resources.gpus == 8


def test_every_reaction_is_documented_with_its_keys() -> None:
    for name, field in Reactions.model_fields.items():
        inner = next(models_in(field.annotation))
        assert all(f"`{key}`" in "".join(ROWS[name]) for key in inner.model_fields), name
    assert set(Notice.model_fields) == {"command", "webhook", "template"}


def test_every_other_spelling_is_documented() -> None:
    for there, here in SPELLINGS.items():
        assert f"| `{there}` | `{here}` |" in DOC
