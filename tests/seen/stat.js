// The stat panel: each value as large as its cell allows, a sparkline behind it.
"use strict";

/** How many columns give *count* cells of a box the largest text. */
function gridOf(count, { width, height }, orientation) {
  if (orientation === "vertical") return { columns: count, rows: 1 };
  if (orientation === "horizontal") return { columns: 1, rows: count };
  const columns = [...Array(count).keys()].map((i) => i + 1);
  const room = (some) => Math.min(width / some / 2.5, height / Math.ceil(count / some));
  const best = columns.reduce((a, b) => (room(b) > room(a) ? b : a));
  return { columns: best, rows: Math.ceil(count / best) };
}

/** The largest size at which *text* fits the box. */
function sizeFor(text, width, height, most, weight = 500) {
  const wide = (width / Math.max(textWidth(text, 100, weight), 1)) * 100;
  return Math.max(Math.min(wide, height, most), 10);
}

function sparkline({ values, field }, colour, size, panel) {
  const time = panel.frames.find((frame) => frame.fields.includes(field))?.fields.find((one) => one.kind === "time");
  const numbers = values.filter(isNumber);
  if (!time || numbers.length < 2) return null;
  const x = linear(panel.range.from, panel.range.to, 0, size.width);
  const [low, high] = [reduced(numbers, "min"), reduced(numbers, "max")];
  const y = linear(low, high, size.height - 2, size.height * 0.6);
  const points = values.map((value, i) => (isNumber(value) ? [x(time.values[i]), y(value)] : null));
  const runs = runsOf(points);
  return canvas(size,
    svg("path", { d: areaPath(runs, "linear", () => size.height), fill: colour, "fill-opacity": 0.2 }),
    svg("path", { d: linePath(runs, "linear"), fill: "none", stroke: colour, "stroke-width": 1.5 }));
}

/** Colours of a cell: of its background and of its text. */
function statColours(colour, mode) {
  if (mode === "none") return { text: colourNamed("text") };
  if (!mode.startsWith("background")) return { text: colour };
  const solid = opaqueHex(colour) ?? colourNamed("text");
  const text = readableOn(solid);
  const end = between(solid, text === "#ffffff" ? "#000000" : "#ffffff", 0.12);
  return { text, background: mode === "background_solid" ? solid : `linear-gradient(120deg, ${end}, ${solid})`, solid };
}

function statCell(one, size, named, panel) {
  const { colorMode = "value", graphMode = "area", textMode = "auto" } = panel.spec.options ?? {};
  const { text, colour } = shown(one.field, one.value, panel.now);
  const colours = statColours(colour, colorMode);
  const name = named ? one.title : "";
  const lines = textMode === "name" ? [] : [[text, "stat-value"]];
  if (name) lines.unshift([name, "stat-name"]);
  const graph = graphMode === "area" ? sparkline(one, colours.background ? colours.text : colour, size, panel) : null;
  const room = { width: size.width - 24, height: (size.height - 12) * (graph ? 0.62 : 0.8) };
  const nameSize = name ? sizeFor(name, room.width, room.height * 0.3, 20, 400) : 0;
  const valueSize = sizeFor(text, room.width, (room.height - nameSize * 1.3) / 1.2, 96);
  const told = lines.map(([line, kind]) => html("div", {
    class: `${kind} fits`,
    style: { fontSize: `${kind === "stat-name" ? nameSize : valueSize}px`, color: kind === "stat-name" && !colours.background ? "" : colours.text },
  }, line));
  const cell = html("div", { class: `stat-cell ${name ? "" : "stat-centre"} ${graph ? "stat-graph" : ""}`,
    style: { width: `${size.width}px`, height: `${size.height}px`, background: colours.background ?? "" } }, graph, ...told);
  if (colours.solid) cell.style.backgroundColor = colours.solid;
  return cell;
}

function drawStat(panel, body) {
  const { reduceOptions, orientation = "auto", textMode = "auto" } = panel.spec.options ?? {};
  const cells = reducedFields(panel.frames, reduceOptions);
  if (!cells.some(({ value }) => value !== null)) return 0;
  const size = { width: body.clientWidth, height: body.clientHeight };
  const { columns, rows } = gridOf(cells.length, size, orientation);
  const each = {
    width: Math.floor((size.width - 8 * (columns - 1)) / columns),
    height: Math.floor((size.height - 8 * (rows - 1)) / rows),
  };
  const named = textMode === "auto" ? cells.length > 1 : textMode.includes("name");
  body.append(html("div", { class: "stat-grid" }, ...cells.map((one) => statCell(one, each, named, panel))));
  return cells.length;
}
