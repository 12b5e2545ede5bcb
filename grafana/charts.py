"""Panels over time in the house style: a question goes in, a panel comes out."""

from collections.abc import Mapping

from grafana_foundation_sdk.builders import common, dashboard, heatmap, statetimeline, timeseries
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as model
from grafana_foundation_sdk.models.heatmap import HeatmapColorMode

from grafana import style
from grafana.clickhouse import SOURCE, Form, Query, plain
from grafana.panels import WIDTH

_POINTS = 100
"""Intervals in a chart: so few that a bar can be seen, and that a rate rests on some results."""

SWEEPS = "10m"
"""An interval in which each cluster has a sweep: what is added up over clusters needs all of them.
Sweeps are 5 minutes apart unless the settings say otherwise."""


def lines(
    title: str,
    sql: str,
    *,
    means: str,
    unit: str = "short",
    steps: style.Steps = style.PLAIN,
    colours: Mapping[str, str] | None = None,
    width: int = 12,
    height: int = 8,
    low: float | None = 0,
    high: float | None = None,
    repeat: str = "",
    connected: bool = False,
    filled: bool = False,
    least: str = "",
) -> timeseries.Panel:
    """Return numbers over time as lines; *colours* are of the house, by the lines' names.

    With *repeat* there is one for each value that the reader chose of that variable. No interval
    is shorter than *least*, such as SWEEPS.

    *connected* says that intervals without a value are no gaps, *filled* that the area below is
    shaded, which suits a single line.

    *sql* gives a time, in order, then a number for each line; or a text that names the line and a
    number ``Value``, and the lines are in the order of their names.
    """
    panel = _over_time(title, sql, means=means, unit=unit, steps=steps, width=width, height=height)
    panel = panel.line_width(2).fill_opacity(10 if filled else 0).span_nulls(span_nulls=connected)
    panel = panel.show_points(kinds.VisibilityMode.AUTO)
    if low is not None:
        panel = panel.min(low)
    if high is not None:
        panel = panel.max(high)
    if repeat:
        panel = panel.repeat(repeat).max_per_row(WIDTH // width)
    if least:
        panel = panel.interval(least)
    return _coloured(panel, colours or {})


def stacks(
    title: str,
    sql: str,
    *,
    means: str,
    unit: str = "short",
    colours: Mapping[str, str] | None = None,
    width: int = 12,
    height: int = 8,
) -> timeseries.Panel:
    """Return numbers over time as bars on top of each other; *sql* as of `lines`."""
    panel = _over_time(
        title, sql, means=means, unit=unit, steps=style.PLAIN, width=width, height=height
    )
    panel = (
        panel.draw_style(kinds.GraphDrawStyle.BARS)
        .fill_opacity(80)
        .line_width(0)
        .bar_width_factor(0.9)
        .stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL).group("A"))
        .min(0)
    )
    return _coloured(panel, colours or {})


def areas(
    title: str,
    sql: str,
    *,
    means: str,
    unit: str = "short",
    colours: Mapping[str, str] | None = None,
    width: int = 12,
    height: int = 8,
    least: str = "",
) -> timeseries.Panel:
    """Return numbers over time as areas on top of each other; *sql* as of `lines`."""
    panel = _over_time(
        title, sql, means=means, unit=unit, steps=style.PLAIN, width=width, height=height
    )
    panel = (
        panel.fill_opacity(60)
        .line_width(1)
        .line_interpolation(kinds.LineInterpolation.STEP_AFTER)
        .stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL).group("A"))
        .show_points(kinds.VisibilityMode.NEVER)
        .min(0)
    )
    if least:
        panel = panel.interval(least)
    return _coloured(panel, colours or {})


def band(
    title: str,
    sql: str,
    *,
    means: str,
    line: str,
    low: str,
    middle: str,
    high: str,
    repeat: str,
    width: int = 8,
    height: int = 8,
) -> timeseries.Panel:
    """Return a line over the band between two others, once for each value of *repeat*.

    *sql* gives a time, in order, and the four columns that are named.
    """
    panel = _over_time(
        title, sql, means=means, unit="short", steps=style.PLAIN, width=width, height=height
    )
    panel = panel.span_nulls(span_nulls=True).line_width(1).fill_opacity(0)
    panel = panel.show_points(kinds.VisibilityMode.AUTO).repeat(repeat).max_per_row(3)
    looks: dict[str, dict[str, object]] = {
        line: {"color": style.fixed("accent").build(), "custom.lineWidth": 2},
        low: _faint(),
        middle: {**_faint(), "custom.lineStyle": {"fill": "dash", "dash": [6, 6]},
                 "custom.lineWidth": 1},
        high: {**_faint(), "custom.fillBelowTo": low, "custom.fillOpacity": 18},
    }  # fmt: skip
    for name, look in looks.items():
        values = [model.DynamicConfigValue(id_val=key, value=value) for key, value in look.items()]
        panel = panel.override_by_name(name, values)
    return panel


def states(
    title: str,
    sql: str,
    *,
    means: str,
    mappings: list[model.ValueMapping],
    width: int = WIDTH,
    height: int = 10,
) -> statetimeline.Panel:
    """Return what was when: *sql* gives a time, a text that names the row, and a code ``Value``.

    Every row has a null where another has a value, so nulls are connected. By thresholds Grafana
    would merge codes before it maps them to texts and colours.
    """
    return (
        statetimeline.Panel()
        .title(title)
        .description(means)
        .datasource(SOURCE)
        .span(width)
        .height(height)
        .mappings(mappings)
        .thresholds(style.thresholds(style.PLAIN))
        .color_scheme(style.fixed("quiet"))
        .merge_values(merge_values=True)
        .span_nulls(span_nulls=True)  # else a row's bar ends where another row has a value
        .show_value(kinds.VisibilityMode.NEVER)
        .row_height(0.8)
        .fill_opacity(85)
        .line_width(0)
        .legend(_legend())
        .with_target(Query(plain(sql), Form.SERIES))
    )


def spread(
    title: str,
    sql: str,
    *,
    means: str,
    width: int = 12,
    height: int = 8,
) -> heatmap.Panel:
    """Return how often what was found over time.

    *sql* gives a time, in order, and a column for each bucket, the lowest first, that counts.
    """
    return (
        heatmap.Panel()
        .title(title)
        .description(means)
        .datasource(SOURCE)
        .span(width)
        .height(height)
        .max_data_points(_POINTS)
        .calculate(calculate=False)
        .unit("short")
        .color(
            heatmap.HeatmapColorOptions()
            .mode(HeatmapColorMode.SCHEME)
            .scheme("Blues")
            .reverse(reverse=False)
            .steps(32)
        )
        .cell_gap(1)
        .thresholds(style.thresholds(style.PLAIN))
        .with_target(Query(plain(sql), Form.SERIES))
    )


def _faint() -> dict[str, object]:
    colour = style.fixed("quiet").build()
    return {"color": colour, "custom.lineWidth": 0, "custom.showPoints": "never"}


def _over_time(
    title: str, sql: str, *, means: str, unit: str, steps: style.Steps, width: int, height: int
) -> timeseries.Panel:
    calm = len(steps) == 1
    return (
        timeseries.Panel()
        .title(title)
        .description(means)
        .datasource(SOURCE)
        .span(width)
        .height(height)
        .unit(unit)
        .max_data_points(_POINTS)
        .thresholds(style.thresholds(steps))
        .thresholds_style(
            common.GraphThresholdsStyleConfig().mode(
                kinds.GraphThresholdsStyleMode.OFF
                if calm
                else kinds.GraphThresholdsStyleMode.DASHED
            )
        )
        .color_scheme(dashboard.FieldColor().mode(model.FieldColorModeId.PALETTE_CLASSIC))
        .legend(_legend())
        .tooltip(
            common.VizTooltipOptions()
            .mode(kinds.TooltipDisplayMode.MULTI)
            .sort(kinds.SortOrder.DESCENDING)
        )
        .no_value("nothing")
        .with_target(Query(plain(sql), Form.SERIES))
    )


def _legend() -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .display_mode(kinds.LegendDisplayMode.LIST)
        .placement(kinds.LegendPlacement.BOTTOM)
        .show_legend(show_legend=True)
    )


def _coloured(panel: timeseries.Panel, colours: Mapping[str, str]) -> timeseries.Panel:
    for name, colour in colours.items():
        value = style.fixed(colour).build()
        panel = panel.override_by_name(
            name, [model.DynamicConfigValue(id_val="color", value=value)]
        )
    return panel
