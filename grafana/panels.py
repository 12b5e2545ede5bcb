"""Panels in the house style: one function for each kind; a question goes in, a panel comes out."""

from collections.abc import Mapping

from grafana_foundation_sdk.builders import (
    bargauge,
    common,
    heatmap,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as model

from grafana import style
from grafana.clickhouse import SOURCE, Form, Query, plain
from grafana.columns import Column

WIDTH = 24
"""Of a dashboard's grid."""

UNKNOWN = "nothing known"
"""What stands in the place of a number that the history does not tell."""

Panel = (
    stat.Panel
    | timeseries.Panel
    | table.Panel
    | statetimeline.Panel
    | bargauge.Panel
    | heatmap.Panel
)


def number(
    title: str,
    sql: str,
    *,
    means: str,
    unit: str = "short",
    steps: style.Steps = style.PLAIN,
    width: int = 4,
    height: int = 4,
    decimals: int | None = None,
    beside: Mapping[str, str] | None = None,
) -> stat.Panel:
    """Return one number, coloured by its threshold; *sql* gives one row of one number.

    Columns that *beside* names stand beside it, each in its own unit and without a colour.
    """
    panel = (
        stat.Panel()
        .title(title)
        .description(means)
        .datasource(SOURCE)
        .span(width)
        .height(height)
        .unit(unit)
        .thresholds(style.thresholds(steps))
        .color_scheme(style.by_thresholds())
        .color_mode(kinds.BigValueColorMode.VALUE)
        .graph_mode(kinds.BigValueGraphMode.NONE)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .mappings(style.unknown(UNKNOWN))  # else it has the colour of the lowest number
        .no_value(UNKNOWN)
        .with_target(Query(plain(sql), Form.TABLE))
    )
    for name, its_unit in (beside or {}).items():
        look = {"unit": its_unit, "decimals": 0, "color": style.fixed("quiet").build()}
        values = [model.DynamicConfigValue(id_val=key, value=value) for key, value in look.items()]
        panel = panel.override_by_name(name, values)
    return panel if decimals is None else panel.decimals(decimals)


def rows(
    title: str,
    sql: str,
    *,
    means: str,
    columns: Mapping[str, Column],
    nothing: str = "nothing",
    width: int = WIDTH,
    height: int = 9,
) -> table.Panel:
    """Return a table; *columns* says how each column that *sql* names is shown.

    *nothing* stands where there is no row.
    """
    panel = (
        table.Panel()
        .title(title)
        .description(means)
        .datasource(SOURCE)
        .span(width)
        .height(height)
        .no_value(nothing)
        .show_header(show_header=True)
        .cell_height(kinds.TableCellHeight.SM)
        .thresholds(style.thresholds(style.PLAIN))
        .with_target(Query(plain(sql), Form.TABLE))
    )
    for name, column in columns.items():
        panel = panel.override_by_name(name, list(column.properties))
    return panel


def bars(
    title: str,
    sql: str,
    *,
    means: str,
    unit: str = "short",
    width: int = 8,
    height: int = 8,
) -> bargauge.Panel:
    """Return a bar for each row; *sql* gives a text that names it and a number."""
    every = common.ReduceDataOptions().values(values=True).limit(40)
    panel = _bars(title, sql, means=means, width=width, height=height).unit(unit)
    return panel.reduce_options(every)


def parts(
    title: str,
    sql: str,
    *,
    means: str,
    colours: Mapping[str, str],
    width: int = 8,
    height: int = 8,
) -> bargauge.Panel:
    """Return a bar for each column; *sql* gives one row with those that *colours* names."""
    panel = _bars(title, sql, means=means, width=width, height=height)
    panel = panel.reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    for name, colour in colours.items():
        value = style.fixed(colour).build()
        panel = panel.override_by_name(
            name, [model.DynamicConfigValue(id_val="color", value=value)]
        )
    return panel


def _bars(title: str, sql: str, *, means: str, width: int, height: int) -> bargauge.Panel:
    return (
        bargauge.Panel()
        .title(title)
        .description(means)
        .datasource(SOURCE)
        .span(width)
        .height(height)
        .unit("short")
        .min(0)
        .thresholds(style.thresholds(style.PLAIN))
        .color_scheme(style.by_thresholds())
        .orientation(kinds.VizOrientation.HORIZONTAL)
        .display_mode(kinds.BarGaugeDisplayMode.BASIC)
        .no_value("nothing")
        .with_target(Query(plain(sql), Form.TABLE))
    )
