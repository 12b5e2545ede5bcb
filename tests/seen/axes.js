// Draws the axes around a plot: a grid, values to the left or right, times below.
"use strict";

const TIME_AXIS_PX = 24;
const TICK_PX = 30; // least height between two values

/** The value ticks of [from, to] over *heightPx*: [{value, text}]. */
function valueTicks(range, heightPx, config, now) {
  if (range.log) {
    return powerTicks(range.from, range.to)
      .map((value) => ({ value, text: unitText(value, config.unit, undefined, now) }));
  }
  const base = /^(bytes|bits|bin)/.test(config.unit ?? "") ? 2 : 10;
  const { ticks, step } = roundTicks(range.from, range.to, heightPx / TICK_PX, base);
  const places = stepDecimals(config.unit === "percentunit" ? step * 100 : step);
  const decimals = config.decimals ?? (places || undefined); // Grafana's axes: by the step, else by the value
  return ticks.map((value) => ({ value, text: unitText(value, config.unit, decimals, now) }));
}

/** Decimals that *step* has. */
function stepDecimals(step) {
  for (let places = 0; places < 10; places++) {
    if (Math.abs(step * 10 ** places - Math.round(step * 10 ** places)) < 1e-6) return places;
  }
  return 10;
}

/** The box between a chart's axes; an error where the axes and the legend leave no room for it. */
function plotBox(size, left, right = 12, top = 8) {
  const plot = { left, top, right, width: size.width - left - right, height: size.height - TIME_AXIS_PX - top };
  if (plot.width < 40 || plot.height < 20) {
    throw new Error(`no room to draw in: ${Math.round(plot.width)} by ${Math.round(plot.height)} px are left`);
  }
  return plot;
}

/** Width that *texts* need beside a plot. */
function axisWidth(texts) {
  return Math.ceil(Math.max(0, ...texts.map((one) => textWidth(one)))) + 14;
}

/** Grid and labels of values: *ticks* = [{value, text}], *y* their scale. */
function valueAxis(ticks, y, plot, side = "left") {
  const right = side === "right";
  const x = right ? plot.left + plot.width + 8 : plot.left - 8;
  const grid = right ? [] : ticks.map(({ value }) => svg("line", {
    class: "grid", x1: plot.left, x2: plot.left + plot.width, y1: y(value), y2: y(value),
  }));
  const labels = ticks.map(({ value, text }) => svg("text", {
    x, y: y(value) + 4, "text-anchor": right ? "start" : "end",
  }, text));
  return svg("g", {}, ...grid, svg("g", { class: "axis" }, ...labels));
}

/** Grid and labels of times below *plot*; a label that would stick out is left away. */
function timeAxis(range, x, plot, grid = true) {
  const below = plot.top + plot.height;
  const lines = [];
  const labels = [];
  for (const { time, text } of timeTicks(range.from, range.to, plot.width)) {
    const at = x(time);
    const half = textWidth(text) / 2;
    lines.push(svg("line", { class: "grid", x1: at, x2: at, y1: grid ? plot.top : below, y2: below + 4 }));
    if (at + half <= plot.left + plot.width + plot.right && at - half >= 0) {
      labels.push(svg("text", { x: at, y: below + 17, "text-anchor": "middle" }, text));
    }
  }
  return svg("g", {}, ...lines, svg("g", { class: "axis" }, ...labels));
}

/** Names of rows to the left of *plot*: [{text, y}], cut where they are too long. */
function nameAxis(names, plot) {
  const labels = names.map(({ text, y }) => svg("text", {
    x: plot.left - 8, y: y + 4, "text-anchor": "end",
  }, shortened(text, plot.left - 12)));
  return svg("g", { class: "axis" }, ...labels);
}
