"""How a column of a table is shown: its title, width, unit, colours and where it leads."""

from collections.abc import Mapping
from dataclasses import dataclass

from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as model

from grafana import style
from grafana.links import Link

NOTHING = "-"
"""What stands in a cell that has no value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table, as overrides of its field."""

    properties: tuple[model.DynamicConfigValue, ...]


def column(
    title: str = "",
    *,
    width: int | None = None,
    unit: str = "",
    decimals: int | None = None,
    leads: Link | None = None,
) -> Column:
    """Return a plain column."""
    found: dict[str, object] = {
        "displayName": title or None,
        "custom.width": width,
        "unit": unit or None,
        "decimals": decimals,
        "links": [dict(leads)] if leads else None,
        "noValue": NOTHING,  # else a null shows what the panel says where it has no row
    }
    return Column(
        properties=tuple(
            model.DynamicConfigValue(id_val=name, value=value)
            for name, value in found.items()
            if value is not None
        )
    )


CLUSTER_COLUMN = column("Cluster", width=90)
"""Whose row it is; what the links in it keep."""


def coloured(
    title: str = "", *, width: int | None = None, texts: Mapping[str, str] | None = None
) -> Column:
    """Return a column whose cells have the colours of *texts*; of outcomes where none are given."""
    mappings = style.names(style.OF_OUTCOMES if texts is None else texts)
    return _with(column(title, width=width), _background(), ("mappings", mappings))


def graded(
    title: str = "",
    *,
    steps: style.Steps,
    width: int | None = None,
    unit: str = "",
    decimals: int | None = None,
) -> Column:
    """Return a column of numbers in the colour of their threshold."""
    plain = column(title, width=width, unit=unit, decimals=decimals)
    return _with(
        plain,
        ("custom.cellOptions", kinds.TableColorTextCellOptions()),
        ("thresholds", style.thresholds(steps).build()),
        ("color", style.by_thresholds().build()),
    )


def measured(
    title: str = "", *, steps: style.Steps, width: int | None = None, unit: str = "percentunit"
) -> Column:
    """Return a column of shares as bars from 0 to 1."""
    gauge = kinds.TableBarGaugeCellOptions(
        mode=kinds.BarGaugeDisplayMode.BASIC, value_display_mode=kinds.BarGaugeValueMode.TEXT
    )
    return _with(
        column(title, width=width, unit=unit, decimals=1),
        ("custom.cellOptions", gauge),
        ("min", 0),
        ("max", 1),
        ("thresholds", style.thresholds(steps).build()),
        ("color", style.by_thresholds().build()),
    )


def when(title: str = "", *, width: int = 170) -> Column:
    """Return a column of times."""
    return column(title, width=width, unit="dateTimeAsIso")


def age(title: str = "", *, width: int = 110) -> Column:
    """Return a column of lengths in seconds."""
    return column(title, width=width, unit="s", decimals=0)


def _background() -> tuple[str, object]:
    mode = kinds.TableCellBackgroundDisplayMode.BASIC
    return "custom.cellOptions", kinds.TableColoredBackgroundCellOptions(mode=mode)


def _with(plain: Column, *more: tuple[str, object]) -> Column:
    added = (model.DynamicConfigValue(id_val=name, value=value) for name, value in more)
    return Column(properties=(*plain.properties, *added))
