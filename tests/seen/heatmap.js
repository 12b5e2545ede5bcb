// The heatmap panel: a row per bucket, a column per time, the darker the more.
"use strict";

/** Rows from low to high: by number where every name is one, else as they came. */
function bucketRows(frames) {
  const rows = seriesOf(frames);
  const numbers = rows.map(({ field }) => parseFloat(field.title.replace(/^\+?Inf$/i, "Infinity")));
  if (numbers.some(Number.isNaN)) return rows;
  return rows.map((row, i) => [numbers[i], row]).sort((a, b) => a[0] - b[0]).map(([, row]) => row);
}

/** The colour of a value within [min, max] under the panel's colour options. */
function heatColour(options = {}, min, max) {
  const { mode = "scheme", scheme = "Oranges", fill: base = "dark-orange", exponent = 0.5, reverse = false, steps = 64 } = options;
  const share = (value) => (max > min ? Math.round(shareOf(value, { min, max }) * steps) / steps : 1);
  if (mode === "opacity") {
    const low = document.body.dataset.theme === "light" ? "#ffffff" : "#181b1f";
    return (value) => between(low, opaqueHex(colourNamed(base)), 0.15 + 0.85 * share(value) ** exponent);
  }
  if (!SCHEMES[scheme]) throw new Error(`colour scheme ${scheme} is not drawn here`);
  const dark = document.body.dataset.theme !== "light";
  const inverted = scheme === "Spectral" || (dark && !["Turbo", "Viridis", "Inferno"].includes(scheme));
  const flip = inverted !== reverse;
  const stops = flip ? [...SCHEMES[scheme]].reverse() : SCHEMES[scheme];
  return (value) => along(stops, share(value));
}

function colourScale(colour, min, max, config, now) {
  const stops = [...Array(20).keys()].map((i) => colour(min + ((max - min) * i) / 19));
  const bar = html("span", { class: "heat-scale", style: { background: `linear-gradient(90deg, ${stops})` } });
  const text = (value) => html("span", {}, unitText(value, config.unit, config.decimals ?? undefined, now));
  return html("div", { class: "legend legend-bottom heat-legend" }, text(min), bar, text(max));
}

function drawHeatmap(panel, body) {
  const { options = {} } = panel.spec;
  if (options.calculate) throw new Error("heatmaps that calculate their buckets are not drawn here");
  const rows = bucketRows(panel.frames);
  const values = rows.flatMap((row) => row.values).filter((one) => isNumber(one) && one > (options.filterValues?.le ?? 1e-9));
  if (!values.length) return 0;
  const [min, max] = [options.color?.min ?? reduced(values, "min"), options.color?.max ?? reduced(values, "max")];
  const colour = heatColour(options.color, min, max);
  const size = { width: body.clientWidth, height: body.clientHeight };
  if (options.legend?.show ?? true) {
    body.append(colourScale(colour, min, max, rows[0].field.config, panel.now));
    size.height -= body.lastChild.offsetHeight;
  }
  const plot = plotBox(size, axisWidth(rows.map(({ field }) => bucketText(field, options, panel))));
  body.prepend(canvas(size, ...heatParts(panel, rows, plot, colour, options)));
  return rows.length;
}

function bucketText(field, options, panel) {
  const unit = options.yAxis?.unit;
  const number = Number(field.title);
  return unit && !Number.isNaN(number) ? unitText(number, unit, options.yAxis.decimals ?? undefined, panel.now) : field.title;
}

/** Every so manieth row is named, so that names do not touch. */
function heatParts(panel, rows, plot, colour, options) {
  const x = linear(panel.range.from, panel.range.to, plot.left, plot.left + plot.width);
  const each = plot.height / rows.length;
  const gap = options.cellGap ?? 1;
  const width = Math.max(x(stepOf(rows)) - x(0) - gap, 1);
  const top = (i) => plot.top + plot.height - each * (i + 1);
  const cells = rows.flatMap(({ times, values }, i) => values.flatMap((value, at) =>
    isNumber(value) && value > (options.filterValues?.le ?? 1e-9)
      ? svg("rect", { x: x(times[at]), y: top(i), width, height: Math.max(each - gap, 1), fill: colour(value) }) : []));
  const every = Math.ceil(16 / each);
  const names = rows.map(({ field }, i) => ({ text: bucketText(field, options, panel), y: top(i) + each / 2 }))
    .filter((_, i) => i % every === 0);
  return [timeAxis(panel.range, x, plot, false), nameAxis(names, plot), clipped(plot, ...cells)];
}
