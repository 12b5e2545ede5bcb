// The state timeline panel: a row per series, a coloured box from each change to the next.
"use strict";

/**
 * The boxes of one series: [{value, from, to}]. A box ends at the next value, at a null unless
 * *spanNulls*, or at *end*; equal neighbours are one box under *merge* (uPlot timeline's rules).
 */
function boxesOf({ times, values }, end, { merge, spanNulls }) {
  const boxes = [];
  let open = null;
  const close = (at) => {
    if (open) boxes.push({ ...open, to: at });
    open = null;
  };
  values.forEach((value, i) => {
    if (value === null && spanNulls) return;
    if (open && merge && open.value === value) return;
    close(times[i]);
    if (value !== null) open = { value, from: times[i] };
  });
  close(end);
  return boxes;
}

/** Legend items: each text that is shown, with its colour, in the order of appearance. */
function stateItems(rows) {
  const seen = new Map();
  for (const { boxes } of rows) {
    for (const { text, colour } of boxes) if (!seen.has(text)) seen.set(text, colour);
  }
  return [...seen].map(([title, colour]) => ({ title, colour, calcs: [] }));
}

function timelineRows(panel) {
  const { mergeValues: merge = true } = panel.spec.options ?? {};
  return seriesOf(panel.frames, ["number", "string", "bool"]).map((series) => {
    const { spanNulls = false } = series.field.config.custom;
    const boxes = boxesOf(series, panel.range.to, { merge, spanNulls: Boolean(spanNulls) })
      .filter(({ from, to }) => to > panel.range.from && from < panel.range.to)
      .map((box) => ({ ...box, ...shown(series.field, box.value, panel.now) }));
    return { title: series.field.title, style: series.field.config.custom, boxes };
  });
}

function drawBox({ from, to, text, colour }, y, height, style, x, show, plot) {
  const left = Math.max(x(from), plot.left);
  const width = Math.max(Math.min(x(to), plot.left + plot.width) - left, 1);
  const label = show === "never" ? "" : shortened(text, width - 8);
  const wanted = show === "always" || label === text ? label : "";
  const box = svg("rect", {
    x: left, y, width, height, fill: colour, "fill-opacity": (style.fillOpacity ?? 70) / 100,
    stroke: style.lineWidth ? colour : "none", "stroke-width": style.lineWidth ?? 0,
  });
  if (!wanted || height < 14) return box;
  const told = svg("text", { class: "box-text", x: left + 4, y: y + height / 2 + 4 }, wanted);
  told.style.fill = (style.fillOpacity ?? 70) >= 60 ? readableOn(colour) : "";
  return svg("g", {}, box, told);
}

function drawTimeline(panel, body) {
  const rows = timelineRows(panel);
  if (!rows.some(({ boxes }) => boxes.length)) return 0;
  const { rowHeight = 0.9, showValue = "auto", legend } = panel.spec.options ?? {};
  const size = addLegend(body, stateItems(rows), legend);
  const names = axisWidth(rows.map(({ title }) => title));
  const plot = plotBox(size, Math.min(names, size.width * 0.35), 12, 4);
  const x = linear(panel.range.from, panel.range.to, plot.left, plot.left + plot.width);
  const each = plot.height / rows.length;
  const top = (i) => plot.top + each * i + (each * (1 - rowHeight)) / 2;
  const boxes = rows.flatMap(({ boxes: some, style }, i) =>
    some.map((box) => drawBox(box, top(i), each * rowHeight, style, x, showValue, plot)));
  const labels = rows.map(({ title }, i) => ({ text: title, y: plot.top + each * (i + 0.5) }));
  body.prepend(canvas(size, timeAxis(panel.range, x, plot, false), nameAxis(labels, plot), clipped(plot, ...boxes)));
  return rows.length;
}
