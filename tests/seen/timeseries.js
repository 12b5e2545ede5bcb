// The time series panel: lines, areas, bars and bands over time, stacked or not.
"use strict";

const STYLE = {
  drawStyle: "line", lineInterpolation: "linear", lineWidth: 1, fillOpacity: 0, showPoints: "auto",
  pointSize: 5, spanNulls: false, gradientMode: "none", barAlignment: 0, barWidthFactor: 0.6,
  barMaxWidth: 200,
};

/** Series with their style, colour and the [low, high] that each value spans once stacked. */
function styledSeries(series) {
  const styled = series.map((one) => {
    const style = { ...STYLE, ...one.field.config.custom };
    const last = CALCS.lastNotNull(one.values);
    const spans = one.values.map((value) => (isNumber(value) ? [0, value] : null));
    return { ...one, style, colour: fieldColour(one.field, last), spans };
  });
  for (const group of stackGroups(styled)) stack(group);
  return styled;
}

function stackGroups(styled) {
  const groups = new Map();
  for (const one of styled) {
    const { mode = "none", group = "A" } = one.style.stacking ?? {};
    const key = `${mode} ${group} ${one.style.drawStyle}`;
    if (mode !== "none") groups.set(key, [...(groups.get(key) ?? []), one]);
  }
  return groups.values();
}

/** Put each series of *group* on those before it; negative values grow downwards. */
function stack(group) {
  const percent = group[0].style.stacking.mode === "percent";
  const tops = new Map();
  const totals = new Map();
  const key = (time, value) => `${time} ${value < 0}`;
  const each = (act) => group.forEach((one) => one.times.forEach((time, i) => {
    if (isNumber(one.values[i])) act(one, key(time, one.values[i]), i);
  }));
  each((one, at, i) => totals.set(at, (totals.get(at) ?? 0) + Math.abs(one.values[i])));
  each((one, at, i) => {
    const low = tops.get(at) ?? 0;
    const size = percent ? one.values[i] / (totals.get(at) || 1) : one.values[i];
    one.spans[i] = [low, low + size];
    tops.set(at, low + size);
  });
}

/** The values that an axis shows: what is drawn, a tenth of air, and what the config fixes. */
function valueRange(series, times) {
  const config = series[0].field.config;
  const percent = series[0].style.stacking?.mode === "percent";
  const fromZero = series.some((one) => one.style.drawStyle === "bars" || one.style.stacking?.mode === "normal");
  const drawn = series.flatMap((one) => one.spans.filter(
    (span, i) => span && one.times[i] >= times.from && one.times[i] <= times.to).map((span) => span[1]));
  if (config.custom.scaleDistribution?.type === "log") return logRange(drawn, config);
  const soft = [config.custom.axisSoftMin, config.custom.axisSoftMax, fromZero ? 0 : null];
  const all = [...drawn, ...soft.filter(isNumber)];
  if (!all.length) all.push(0, 1);
  const [low, high] = [reduced(all, "min"), reduced(all, "max")];
  const air = (high - low || Math.abs(high) || 1000) / 10; // uPlot.rangeNum
  const from = low >= 0 && low - air < 0 ? 0 : low - air;
  const to = high <= 0 && high + air > 0 && high !== low ? 0 : high + air;
  return { from: config.min ?? (percent ? 0 : from), to: config.max ?? (percent ? 1 : to) };
}

function logRange(drawn, config) {
  const some = drawn.filter((one) => one > 0);
  const [low, high] = some.length ? [reduced(some, "min"), reduced(some, "max")] : [1, 10];
  const from = 10 ** Math.floor(Math.log10(config.min || low));
  return { from, to: config.max ?? 10 ** Math.ceil(Math.log10(high)), log: true };
}

/** Series by their axis: those of the first one's unit to the left, others to the right. */
function sides(series) {
  const unit = series[0].field.config.unit ?? "";
  const isRight = ({ style, field }) => style.axisPlacement === "right" || (field.config.unit ?? "") !== unit;
  const right = series.filter(isRight);
  if (new Set(right.map(({ field }) => field.config.unit ?? "")).size > 1) {
    throw new Error("more than two units are not drawn here");
  }
  return { left: series.filter((one) => !isRight(one)), right };
}

/** The range, ticks and width of an axis; null for none. */
function axisOf(series, heightPx, panel) {
  if (!series.length) return null;
  const range = valueRange(series, panel.range);
  const { config } = series[0].field;
  const percent = series[0].style.stacking?.mode === "percent";
  const ticks = valueTicks(range, heightPx, percent ? { ...config, unit: "percentunit" } : config, panel.now);
  const label = config.custom.axisLabel ?? "";
  return { range, ticks, label, width: axisWidth(ticks.map(({ text }) => text)) + (label ? 18 : 0) };
}

function joinedPoints(one, x, y) {
  const points = [];
  one.spans.forEach((span, i) => {
    if (span) return points.push([x(one.times[i]), y(span[1]), y(span[0])]);
    return one.style.spanNulls === true ? null : points.push(null);
  });
  return points;
}

/** null points that spanNulls (in ms) bridges are left out. */
function bridged(one, x, y) {
  const { spanNulls } = one.style;
  if (typeof spanNulls !== "number") return joinedPoints(one, x, y);
  const points = [];
  let last = null;
  one.spans.forEach((span, i) => {
    if (!span) return;
    if (last !== null && one.times[i] - last > spanNulls) points.push(null);
    points.push([x(one.times[i]), y(span[1]), y(span[0])]);
    last = one.times[i];
  });
  return points;
}

function gradient(colour, opacity) {
  const id = `fade${++lastId}`;
  const stop = (offset, share) => svg("stop", { offset, "stop-color": colour, "stop-opacity": share });
  const element = svg("linearGradient", { id, x1: 0, x2: 0, y1: 0, y2: 1 }, stop(0, opacity), stop(1, opacity / 5));
  return { element: svg("defs", {}, element), url: `url(#${id})` };
}

function areaOf(one, runs, floorOf, opacity) {
  const d = areaPath(runs, one.style.lineInterpolation, floorOf);
  if (one.style.gradientMode !== "opacity") {
    return svg("path", { d, fill: one.colour, "fill-opacity": opacity });
  }
  const { element, url } = gradient(one.colour, opacity);
  return svg("g", {}, element, svg("path", { d, fill: url }));
}

/** The y of the series named by fillBelowTo at an x, or null without one. */
function lowerEdge(one, all, x, y) {
  const lower = all.find(({ field }) => field.title === one.style.fillBelowTo || field.name === one.style.fillBelowTo);
  if (!lower) return null;
  const at = new Map(joinedPoints(lower, x, y).filter(Boolean).map((point) => [point[0], point[1]]));
  return (point) => at.get(point[0]) ?? point[1];
}

function drawLine(one, all, x, y, widthPx) {
  const runs = runsOf(bridged(one, x, y));
  const { drawStyle, lineWidth, lineInterpolation, lineStyle, fillOpacity } = one.style;
  const edge = one.style.fillBelowTo ? lowerEdge(one, all, x, y) : null;
  const parts = [];
  if (edge) parts.push(areaOf(one, runs, edge, (fillOpacity || 35) / 100));
  else if (fillOpacity > 0) parts.push(areaOf(one, runs, (point) => point[2], fillOpacity / 100));
  if (lineWidth > 0 && drawStyle !== "points") {
    parts.push(svg("path", {
      d: linePath(runs, lineInterpolation), fill: "none", stroke: one.colour, "stroke-width": lineWidth,
      "stroke-linejoin": "round", "stroke-dasharray": lineStyle?.fill === "dash" ? (lineStyle.dash ?? [10, 10]).join(" ") : null,
    }));
  }
  return svg("g", {}, ...parts, ...dots(one, runs, widthPx));
}

/** Dots on points that are alone, or on all of them where there is room (uPlot's rule). */
function dots(one, runs, widthPx) {
  const { showPoints, pointSize, drawStyle } = one.style;
  if (showPoints === "never") return [];
  const points = runs.flat();
  const all = showPoints === "always" || drawStyle === "points" || points.length <= widthPx / (pointSize * 2);
  return (all ? points : runs.filter((run) => run.length === 1).flat())
    .map(([cx, cy]) => svg("circle", { cx, cy, r: pointSize / 2, fill: one.colour }));
}

/** The least distance between two times of *series*, which is what a bar stands for. */
function stepOf(series) {
  const times = [...new Set(series.flatMap((one) => one.times))].sort((a, b) => a - b);
  const steps = times.slice(1).map((time, i) => time - times[i]);
  return steps.length ? reduced(steps, "min") : HOUR;
}

function drawBars(one, stepMs, x, y) {
  const { barWidthFactor, barMaxWidth, barAlignment, fillOpacity, lineWidth } = one.style;
  const width = Math.min(Math.max((x(stepMs) - x(0)) * barWidthFactor, 1), barMaxWidth);
  const bars = one.spans.flatMap((span, i) => {
    if (!span || span[0] === span[1]) return [];
    const left = x(one.times[i]) + ((barAlignment - 1) * width) / 2;
    const [top, bottom] = [y(span[1]), y(span[0])].sort((a, b) => a - b);
    return svg("rect", { x: left, y: top, width, height: Math.max(bottom - top, 0.5) });
  });
  return svg("g", {
    fill: one.colour, "fill-opacity": fillOpacity / 100, stroke: lineWidth ? one.colour : "none", "stroke-width": lineWidth,
  }, ...bars);
}

function thresholdLines({ config }, y, plot, range) {
  const mode = config.custom.thresholdsStyle?.mode ?? "off";
  if (!/line|dashed/.test(mode)) return [];
  return (config.thresholds?.steps ?? [])
    .filter(({ value }) => value !== null && value >= range.from && value <= range.to)
    .map(({ value, color }) => svg("line", {
      x1: plot.left, x2: plot.left + plot.width, y1: y(value), y2: y(value), stroke: colourNamed(color),
      "stroke-opacity": 0.7, "stroke-dasharray": mode.includes("dashed") ? "10 10" : null,
    }));
}

function drawSide(series, axis, side, frame) {
  if (!axis) return { back: [], front: [] };
  const { plot, x, all, panel } = frame;
  const make = axis.range.log ? logarithmic : linear;
  const y = make(axis.range.from, axis.range.to, plot.top + plot.height, plot.top);
  const stepMs = stepOf(series);
  const front = series.map((one) => one.style.drawStyle === "bars"
    ? drawBars(one, stepMs, x, y) : drawLine(one, all, x, y, plot.width));
  const label = axis.label ? [axisLabel(axis.label, plot, side)] : [];
  const lines = thresholdLines(series[0].field, y, plot, axis.range, panel);
  return { back: [valueAxis(axis.ticks, y, plot, side), ...label], front: [...front, ...lines] };
}

function axisLabel(text, plot, side) {
  const at = { x: side === "right" ? plot.left + plot.width + plot.right - 4 : 12, y: plot.top + plot.height / 2 };
  return svg("text", { ...at, "text-anchor": "middle", transform: `rotate(-90 ${at.x} ${at.y})` }, text);
}

function drawTimeseries(panel, body) {
  const series = seriesOf(panel.frames);
  if (!series.some(({ values }) => values.some(isNumber))) return 0;
  const all = styledSeries(series);
  const size = addLegend(body, seriesItems(all, panel.spec.options?.legend, panel.now), panel.spec.options?.legend);
  const { height } = plotBox(size, 0);
  const { left, right } = sides(all);
  const [leftAxis, rightAxis] = [axisOf(left, height, panel), axisOf(right, height, panel)];
  const plot = plotBox(size, leftAxis?.width ?? 12, rightAxis?.width ?? 12);
  const x = linear(panel.range.from, panel.range.to, plot.left, plot.left + plot.width);
  const frame = { plot, x, all, panel };
  const drawn = [drawSide(left, leftAxis, "left", frame), drawSide(right, rightAxis, "right", frame)];
  body.prepend(canvas(size, timeAxis(panel.range, x, plot), ...drawn.flatMap(({ back }) => back),
    clipped(plot, ...drawn.flatMap(({ front }) => front))));
  return all.length;
}
