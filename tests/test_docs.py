"""What is written for people is true: commands exist, links lead somewhere, tables are complete."""

import re
import shlex
import tomllib
from importlib import import_module
from pathlib import Path

import click
import pytest

from analytics.embedded import EmbeddedStore
from analytics.history_cli import history
from analytics.sql_cli import sql
from analytics.tables import BATCHES, COVERAGE, NODES, REACTIONS, RESULTS, SWEEPS, TABLES, Table
from analytics.views import VIEWS

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("*/*.md"), *ROOT.glob("tests/lab/*.md")])
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_files_lead_to_files(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert missing == []


def test_every_command_is_in_the_readme() -> None:
    text = (ROOT / "README.md").read_text()
    commands = PYPROJECT["project"]["entry-points"]["cluster_doctor.commands"]
    assert [name for name in commands if f"| `{name}" not in text] == []


def test_every_variable_of_a_programs_environment_is_documented() -> None:
    source = (ROOT / "slurm_hooks" / "environment.py").read_text()
    names = set(re.findall(r'"([A-Z][A-Z_]{3,})"', source)) - {"SLURM_RESTART_COUNT"}
    names -= {"SLURM_ARRAY_TASK_ID"}
    table = (ROOT / "docs" / "checks.md").read_text().split("whole environment is this")[1]
    assert {name for name in names if f"`{name}`" not in table} == set()
    assert len(names) > 12


@pytest.mark.parametrize("name", ["status", "history", "sql"])
def test_every_option_of_the_commands_that_ask_is_documented(name: str) -> None:
    text = (ROOT / "docs" / "history.md").read_text()
    target = PYPROJECT["project"]["entry-points"]["cluster_doctor.commands"][name]
    module, _, attribute = target.partition(":")
    command = getattr(import_module(module), attribute)
    options = [one for one in command.params if isinstance(one, click.Option)]
    missing = [name for one in options for name in one.opts if f"`{name}" not in text]
    assert missing == []
    assert len(options) > 8


def test_every_option_that_the_page_about_the_history_names_is_one() -> None:
    text = (ROOT / "docs" / "history.md").read_text().split("### Its traps")[0]
    named = set(re.findall(r"`(--[a-z0-9]+)`", text))
    assert named <= {name for one in (*history.params, *sql.params) for name in one.opts}


@pytest.mark.parametrize("room", ["slurm_hooks", "analytics", "grafana"])
def test_every_module_is_in_the_architecture(room: str) -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    modules = {path.stem for path in (ROOT / room).glob("[a-z]*.py")}
    assert [
        name
        for name in sorted(modules)
        if f"`{name}`" not in text and f"{room}/{name}.py" not in text
    ] == []


def test_every_file_that_the_architecture_names_is_there() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    named = re.findall(r"`((?:tests|checks|analytics|slurm_hooks|grafana)/[\w/.]+)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


@pytest.mark.parametrize(
    ("view", "section", "table"),
    [
        ("history", "Results", RESULTS), ("visits", "Results", RESULTS),
        ("status", "Status", None), ("runs", "Runs", BATCHES),
        ("reactions", "Reactions", REACTIONS), ("sweeps", "Sweeps", SWEEPS),
        ("nodes", "Nodes", NODES), ("coverage", "Coverage", COVERAGE),
    ],
)  # fmt: skip
def test_every_column_of_every_table_and_view_is_documented(
    view: str, section: str, table: Table | None, tmp_path: Path
) -> None:
    text = (ROOT / "docs" / "tables.md").read_text()
    told = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
    names = {str(row[0]) for row in EmbeddedStore(tmp_path).rows(f"DESCRIBE TABLE {view}")}
    names |= {*table.columns, table.name} if table else set()
    documented = set(re.findall(r"`(\w+)`", told))
    assert names - documented == set()
    columns = {
        name
        for line in told.splitlines()
        if line.startswith("| `")
        for name in re.findall(r"`(\w+)`", line.split("|")[1])
    }
    assert columns - names == set()
    assert f"[`{view}`](#{section.lower()})" in text


def test_no_table_or_view_is_missing_in_the_documentation() -> None:
    text = (ROOT / "docs" / "tables.md").read_text()
    assert [one.name for one in TABLES if f"`{one.name}`" not in text] == []
    assert [view for view in VIEWS if f"[`{view}`](#" not in text] == []


@pytest.mark.parametrize(
    "sql",
    [
        statement
        for block in re.findall(
            r"```sql\n(.*?)```", (ROOT / "docs" / "tables.md").read_text(), re.DOTALL
        )
        for statement in block.split(";")[:-1]
    ],
)
def test_the_questions_in_the_documentation_are_answered(sql: str, tmp_path: Path) -> None:
    assert isinstance(EmbeddedStore(tmp_path).rows(sql), list)


def test_the_changelog_tells_operators_first() -> None:
    entry = (ROOT / "CHANGELOG.md").read_text().split("## [")[1]
    assert entry.split("\n\n")[1].startswith("**Operators:**")


def commands_in(page: Path) -> list[list[str]]:
    """The command lines of ours that *page* shows, as words."""
    text = page.read_text()
    blocks = "\n".join(re.findall(r"```\w*\n(.*?)```", text, re.DOTALL))
    shown = re.findall(r"`cluster-doctor ([^`]+)`", text)
    shown += re.findall(r"^\s*cluster-doctor (.+)$", blocks, re.MULTILINE)
    return [shlex.split(line, comments=True) for line in shown]


@pytest.mark.parametrize("name", ["alerts", "dashboards"])
def test_every_command_that_the_page_shows_is_one_with_these_options(name: str) -> None:
    commands = PYPROJECT["project"]["entry-points"]["cluster_doctor.commands"]
    lines = commands_in(ROOT / "docs" / f"{name}.md")
    assert len(lines) > 1
    for first, *words in lines:
        module, _, attribute = commands[first].partition(":")
        command = getattr(import_module(module), attribute)
        while isinstance(command, click.Group) and words and words[0] in command.commands:
            command = command.commands[words.pop(0)]
        known = {name for one in command.params for name in one.opts}
        assert [word for word in words if word.startswith("-") and word not in known] == []
        arguments = [one for one in command.params if isinstance(one, click.Argument)]
        assert not words or words[0].startswith("-") or arguments, (first, words)


def slugs(text: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_headings_lead_to_headings(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text())
    there = {target: slugs((page.parent / target).read_text() if target else page.read_text())
             for target, _ in links}  # fmt: skip
    assert [link for link in links if link[1] not in there[link[0]]] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_picture_is_told_of_in_words(page: Path) -> None:
    assert [text for text in re.findall(r"!\[([^\]]*)\]", page.read_text()) if len(text) < 30] == []
