// The bar gauge panel: a bar per field or per row, its value beside it.
"use strict";

/** The ends of all bars: what the config fixes, else the least and the most of all values. */
function gaugeEnds(cells) {
  const values = cells.map(({ value }) => value).filter(isNumber);
  const { min, max } = cells[0].field.config;
  return { min: min ?? reduced(values, "min") ?? 0, max: max ?? reduced(values, "max") ?? 100 };
}

/** The filled part of a gauge: *share* (0..1) of its track along *side*, "width" or "height". */
function gaugeBar(colour, mode, share, side = "width") {
  const solid = opaqueHex(colour) ?? colourNamed("text");
  const style = { [side]: `${share * 100}%`, backgroundColor: solid };
  if (mode === "gradient") {
    style.backgroundImage = `linear-gradient(${side === "width" ? 90 : 0}deg, rgb(0 0 0 / 0.35), transparent)`;
  }
  return html("div", { class: "bar", style });
}

function gaugeTrack(bar, unfilled = true) {
  return html("div", { class: `gauge-track ${unfilled ? "gauge-unfilled" : ""}` }, bar);
}

/** A gauge of one value: its name, its track and its text; *widths* of a row's name and text. */
function gaugeOf(one, ends, panel, widths) {
  const { displayMode = "gradient", showUnfilled, valueMode } = panel.spec.options;
  const { text, colour } = shown(one.field, one.value, panel.now);
  const side = widths ? "width" : "height";
  const track = gaugeTrack(gaugeBar(colour, displayMode, shareOf(one.value, ends), side), showUnfilled);
  const name = html("div", { class: "gauge-name fits" }, one.title);
  const value = html("div", { class: "gauge-value", style: { color: valueMode === "text" ? "" : colour } }, text);
  if (valueMode === "hidden") value.textContent = "";
  if (!widths) return html("div", { class: "gauge-column" }, value, track, name);
  name.style.width = `${widths.name}px`;
  value.style.width = `${widths.value}px`;
  return html("div", { class: "gauge-row" }, name, track, value);
}

function isUpright({ orientation = "auto" }, body) {
  return orientation === "vertical" || (orientation === "auto" && body.clientWidth > body.clientHeight);
}

function widest(texts) {
  return Math.ceil(Math.max(...texts.map((text) => textWidth(text, 14)))) + 4;
}

function drawBarGauge(panel, body) {
  const options = (panel.spec.options ??= {});
  const cells = reducedFields(panel.frames, options.reduceOptions);
  if (!cells.some(({ value }) => value !== null)) return 0;
  const ends = gaugeEnds(cells);
  const upright = isUpright(options, body);
  const widths = upright ? null : {
    name: Math.min(widest(cells.map(({ title }) => title)), body.clientWidth * 0.4),
    value: widest(cells.map(({ field, value }) => shown(field, value, panel.now).text)),
  };
  const gauges = cells.map((one) => gaugeOf(one, ends, panel, widths));
  const grid = html("div", { class: upright ? "gauge-upright" : "gauge-grid fits" }, ...gauges);
  const most = options.sizing === "manual" ? options.maxVizHeight ?? 300 : 300;
  grid.style.gridAutoRows = `minmax(${Math.max(options.minVizHeight ?? 16, 16)}px, ${most}px)`;
  body.append(grid);
  return cells.length;
}
