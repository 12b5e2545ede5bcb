"""A dashboard's JSON, read into what can be told of it; what is missing there is empty here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One question of a panel."""

    ref_id: str
    sql: str
    form: int | None
    """0 is a series, 1 a table."""
    source: str
    """The uid of its data source."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a panel is, in columns and lines of the grid."""

    x: int
    y: int
    w: int
    h: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """A panel, or a row with those that it hides while it is closed."""

    number: int
    kind: str
    title: str
    means: str
    place: Place
    source: str
    unit: str
    steps: Sequence[Sequence[float | None]]
    """Of all fields, and then of each override that has its own: from which values on."""
    columns: Mapping[str, Json]
    """The properties that overrides give to a field, by the field's name."""
    leads: Mapping[str, Sequence[str]]
    """Where the links lead that overrides give to a field, by its name; by "" all fields' links."""
    mapped: frozenset[str]
    """Values that have a text and a colour of their own."""
    coloured_by: str
    """What gives a value its colour where no mapping does: thresholds, fixed, ..."""
    connects: bool
    """Whether what is on both sides of a null belongs together."""
    every_row: bool
    """Whether each row is shown, and not one value of each column."""
    targets: Sequence[Target]
    repeat: str
    """The variable for each of whose values it stands once."""
    interval: str
    """The shortest interval that it wants, such as 5m."""
    panels: Sequence["Panel"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """What the reader chooses."""

    name: str
    kind: str
    sql: str
    source: str
    value: str
    """What it is as long as nobody chose; of a text box, what is in it."""
    multi: bool
    includes_all: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Dashboard:
    """A dashboard."""

    uid: str
    title: str
    tags: Sequence[str]
    since: str
    """Such as now-24h."""
    panels: Sequence[Panel]
    variables: Sequence[Variable]
    marks: Sequence[Target]
    """What asks for annotations, each by its name."""

    def every_panel(self) -> Iterator[Panel]:
        """Yield all panels in order, rows and what is in closed ones too."""
        for panel in self.panels:
            yield panel
            yield from panel.panels


def dashboard(written: Json) -> Dashboard:
    """Return what *written* says."""
    return Dashboard(
        uid=_text(written, "uid"),
        title=_text(written, "title"),
        tags=[str(tag) for tag in _list(written.get("tags"))],
        since=_text(_object(written.get("time")), "from"),
        panels=[_panel(one) for one in _objects(written.get("panels"))],
        variables=[
            _variable(one) for one in _objects(_object(written.get("templating")).get("list"))
        ],
        marks=[_mark(one) for one in _objects(_object(written.get("annotations")).get("list"))],
    )


def _panel(written: Json) -> Panel:
    config = _object(written.get("fieldConfig"))
    defaults = _object(config.get("defaults"))
    columns = _columns(config)
    every = {"": defaults, **columns}
    reduced = _object(_object(written.get("options")).get("reduceOptions"))
    return Panel(
        number=_number(written, "id"),
        kind=_text(written, "type"),
        title=_text(written, "title"),
        means=_text(written, "description"),
        place=_place(_object(written.get("gridPos"))),
        source=_source(written),
        unit=_text(defaults, "unit"),
        steps=[_steps(one["thresholds"]) for one in every.values() if "thresholds" in one],
        columns=columns,
        leads={name: _urls(one) for name, one in every.items() if _urls(one)},
        mapped=frozenset(
            str(value)
            for mapping in _objects(defaults.get("mappings"))
            for value in _object(mapping.get("options"))
        ),
        coloured_by=_text(_object(defaults.get("color")), "mode"),
        connects=_object(defaults.get("custom")).get("spanNulls") is True,
        every_row=reduced.get("values") is True,
        targets=[_target(one) for one in _objects(written.get("targets"))],
        repeat=_text(written, "repeat"),
        interval=_text(written, "interval"),
        panels=[_panel(one) for one in _objects(written.get("panels"))],
    )


def _urls(written: Json) -> list[str]:
    return [_text(link, "url") for link in _objects(written.get("links"))]


def _columns(config: Json) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for override in _objects(config.get("overrides")):
        matcher = _object(override.get("matcher"))
        if matcher.get("id") == "byName":
            properties = _objects(override.get("properties"))
            given = {_text(one, "id"): one.get("value") for one in properties}
            name = str(matcher.get("options"))
            found[name] = {**found.get(name, {}), **given}
    return found


def _steps(thresholds: object) -> list[float | None]:
    values = [step.get("value") for step in _objects(_object(thresholds).get("steps"))]
    return [float(value) if isinstance(value, int | float) else None for value in values]


def _target(written: Json) -> Target:
    form = written.get("format")
    return Target(
        ref_id=_text(written, "refId"),
        sql=_text(written, "rawSql"),
        form=form if isinstance(form, int) else None,
        source=_source(written),
    )


def _mark(written: Json) -> Target:
    target = _object(written.get("target"))
    return replace(_target(target), ref_id=_text(written, "name"), source=_source(written))


def _variable(written: Json) -> Variable:
    query = written.get("query")
    kind = _text(written, "type")
    current = str(_object(written.get("current")).get("value", ""))
    return Variable(
        name=_text(written, "name"),
        kind=kind,
        sql=_text(_object(query), "rawSql"),
        source=_source(written),
        value=current or (str(query) if kind == "textbox" else ""),
        multi=written.get("multi") is True,
        includes_all=written.get("includeAll") is True,
    )


def _source(written: Json) -> str:
    return _text(_object(written.get("datasource")), "uid")


def _place(written: Json) -> Place:
    return Place(**{name: _number(written, name) for name in ("x", "y", "w", "h")})


def _text(written: Json, name: str) -> str:
    value = written.get(name)
    return value if isinstance(value, str) else ""


def _number(written: Json, name: str) -> int:
    value = written.get(name)
    return value if isinstance(value, int) else 0


def _object(value: object) -> Json:
    return value if isinstance(value, Mapping) else {}


def _objects(value: object) -> list[Json]:
    return [_object(one) for one in _list(value)]


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else []
