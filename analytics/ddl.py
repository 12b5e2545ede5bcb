"""What a server is told to make: the numbered files and the views, as the settings have them; pure.

The files in schema/ are numbered; each is applied once, in order, and never changed after. Views
are no history: they are always made anew, those in sql/ with the text that the embedded store has.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from analytics.tables import TABLES
from analytics.views import VIEWS, view
from slurm_hooks.store_settings import StoreSettings

_NUMBERED = re.compile(r"(\d{3})_\w+\.sql")
_PLACE = re.compile(r"\{(\w+)(?: ([\w, ]+))?\}")

_BELOW = ("latest_results", "status_of_history")
_NAMES = "|".join(sorted({*VIEWS, *_BELOW, "status_latest", *(table.name for table in TABLES)}))
_NAMED = re.compile(rf"\b(FROM|VIEW|JOIN) ({_NAMES})\b")


class TemplateError(ValueError):
    """A file in schema/ has something in braces that means nothing; a bug of ours."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One numbered file."""

    number: int
    file: str
    statements: tuple[str, ...]
    """Each may be repeated: a killed migration begins its file again."""


def newest() -> int:
    """Return the number of the schema that this cluster-doctor knows."""
    return max(_files())


def database(store: StoreSettings) -> str:
    """Return the statement that makes the database."""
    return _filled("CREATE DATABASE IF NOT EXISTS {database} {on_cluster}", store)


def migrations(store: StoreSettings) -> list[Migration]:
    """Return every numbered file, in order."""
    return [
        Migration(
            number=number, file=name, statements=tuple(_statements(_filled(_schema(name), store)))
        )
        for number, name in sorted(_files().items())
    ]


def views(store: StoreSettings) -> list[str]:
    """Return what makes each view, in an order in which they can be made."""
    text = {name: view(name) for name in VIEWS}
    made = [_schema("latest_results.sql")]
    for name in VIEWS:
        if name == "status":
            made += [of_history(text[name]), _schema("status.sql")]
        else:
            made.append(text[name])
    return [_placed(one, store) for one in made]


def of_history(status: str) -> str:
    """Return the view `status` of sql/ under the name of what it is made of here.

    Raises:
        TemplateError: its text is not what this was written for.
    """
    head = "VIEW status AS"
    if status.count(head) != 1:
        raise TemplateError(f"sql/status.sql: {head!r} is there {status.count(head)} times")
    return status.replace(head, "VIEW status_of_history AS")


def lifetime(store: StoreSettings) -> str:
    """Return what a table's engine says where rows live as long as the settings say."""
    return f"toIntervalDay({store.retention.days})"


def change_lifetime(table: str, time: str, store: StoreSettings) -> str:
    """Return the statement that has rows of *table* live as long as the settings say."""
    return _filled(
        f"ALTER TABLE {{database}}.{table} {{on_cluster}} "
        f"MODIFY TTL toDateTime({time}) + {lifetime(store)}",
        store,
    )


@cache
def _files() -> Mapping[int, str]:
    names = [one.name for one in files("analytics").joinpath("schema").iterdir()]
    return {int(found[1]): name for name in names if (found := _NUMBERED.fullmatch(name))}


def _schema(name: str) -> str:
    return files("analytics").joinpath(f"schema/{name}").read_text()


def _filled(text: str, store: StoreSettings) -> str:
    """Return *text* with what depends on the settings filled in.

    ``{database}``, ``{on_cluster}``, ``{retention_days}``, and ``{replacing version}``: an engine
    that keeps of rows alike in the sorting key the one of the greatest version.
    """

    def fill(place: re.Match[str]) -> str:
        match place[1], place[2]:
            case "database", None:
                return f"`{store.database}`"
            case "on_cluster", None:
                return f"ON CLUSTER '{store.cluster}'" if store.cluster else ""
            case "retention_days", None:
                return str(store.retention.days)
            case "replacing", str(columns):
                return _replacing(columns, store)
            case _:
                raise TemplateError(f"{place[0]} means nothing")

    filled = _PLACE.sub(fill, text)
    return re.sub(r" +(?=\n|$)", "", filled)


def _replacing(columns: str, store: StoreSettings) -> str:
    if not store.cluster:
        return f"ReplacingMergeTree({columns})"
    place = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"
    return f"ReplicatedReplacingMergeTree({place}, {columns})"


def _statements(text: str) -> list[str]:
    """Return the statements of *text*, each of which ends a line with a semicolon."""
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    parts = re.split(r";$", "\n".join(lines), flags=re.MULTILINE)
    return [part.strip() for part in parts if part.strip()]


def _placed(view: str, store: StoreSettings) -> str:
    """Return *view* with its names in their database: other hosts of a cluster know no current."""
    named = _NAMED.sub(rf"\1 `{store.database}`.\2", view)
    on_cluster = f" ON CLUSTER '{store.cluster}'" if store.cluster else ""
    head = re.compile(r"^(CREATE OR REPLACE VIEW \S+) AS$", re.MULTILINE)
    return head.sub(rf"\1{on_cluster} AS", named)
