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

/** Font sizes of one cell's name and value. */
function sizesOf(text, name, size, layout) {
  const room = { width: size.width - 24, height: (size.height - 8) * (layout === "stat-graph" ? 0.62 : 0.85) };
  if (layout === "stat-wide") {
    const nameSize = sizeFor(name, room.width / 2, room.height * 0.5, 20, 400);
    const rest = room.width - textWidth(name, nameSize) - 16;
    return { name: nameSize, value: sizeFor(text, rest, room.height / 1.2, 64) };
  }
  const nameSize = name ? sizeFor(name, room.width, room.height * 0.35, 20, 400) : 0;
  return { name: nameSize, value: sizeFor(text, room.width, (room.height - nameSize * 1.3) / 1.2, 96) };
}

/** One size for the names and one for the values of all cells, as Grafana aligns them. */
function commonSizes(cells, size, layout) {
  const all = cells.map(({ text, name }) => sizesOf(text, name, size, layout));
  return {
    name: Math.min(...all.map((one) => one.name)), value: Math.min(...all.map((one) => one.value)),
  };
}

/** Where a cell has its name: beside the value, above a sparkline, above the value, or nowhere. */
function layoutOf(named, graph, size) {
  if (graph) return "stat-graph";
  if (named && size.width > size.height * 2.5) return "stat-wide";
  return named ? "" : "stat-centre";
}

function statCell({ text, name, colours, graph }, size, sizes, layout) {
  const line = (kind, told, color) =>
    told && html("div", { class: `stat-${kind} fits`, style: { fontSize: `${sizes[kind]}px`, color } }, told);
  const cell = html("div", {
    class: `stat-cell ${layout}`,
    style: { width: `${size.width}px`, height: `${size.height}px`, background: colours.background ?? "" },
  }, graph, line("name", name, colours.background ? colours.text : ""), line("value", text, colours.text));
  if (colours.solid) cell.style.backgroundColor = colours.solid;
  return cell;
}

/** Everything that one cell shows. */
function statOf(one, size, named, panel) {
  const { colorMode = "value", graphMode = "area", textMode = "auto" } = panel.spec.options ?? {};
  const { text, colour } = shown(one.field, one.value, panel.now);
  const colours = statColours(colour, colorMode);
  const graph = graphMode === "area" ? sparkline(one, colours.background ? colours.text : colour, size, panel) : null;
  return { text: textMode === "name" ? "" : text, name: named ? one.title : "", colours, graph };
}

function drawStat(panel, body) {
  const { reduceOptions, orientation = "auto", textMode = "auto" } = panel.spec.options ?? {};
  const values = reducedFields(panel.frames, reduceOptions);
  if (!values.some(({ value }) => value !== null)) return 0;
  const { columns, rows } = gridOf(values.length, { width: body.clientWidth, height: body.clientHeight }, orientation);
  const size = {
    width: Math.floor((body.clientWidth - 8 * (columns - 1)) / columns),
    height: Math.floor((body.clientHeight - 8 * (rows - 1)) / rows),
  };
  const named = textMode === "auto" ? values.length > 1 : textMode.includes("name");
  const cells = values.map((one) => statOf(one, size, named, panel));
  const layout = layoutOf(named, cells.some(({ graph }) => graph), size);
  const sizes = commonSizes(cells, size, layout);
  body.append(html("div", { class: "stat-grid" }, ...cells.map((one) => statCell(one, size, sizes, layout))));
  return values.length;
}
