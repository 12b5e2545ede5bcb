// The table panel: a header, cells as their column's config wants them; what is too long is cut.
"use strict";

const CELL_PX = { sm: 36, md: 42, lg: 48 };
const LEAST_COLUMN_PX = 150; // Grafana's minimum for a column without a width

/** The columns of *frame* that are not hidden. */
function columnsOf(frame) {
  return frame.fields.filter(({ config }) => !config.custom.hidden && !config.custom.hideFrom?.viz);
}

/** Row numbers in the order that options.sortBy names. */
function rowOrder(columns, length, [sort] = []) {
  const rows = [...Array(length).keys()];
  const by = sort && columns.find(({ title }) => title === sort.displayName);
  if (!by) return rows;
  const sign = sort.desc ? -1 : 1;
  const less = (a, b) => (a === b ? 0 : a === null || (b !== null && a < b) ? -1 : 1);
  return rows.sort((a, b) => sign * less(by.values[a], by.values[b]));
}

/** Widths in pixels: as configured, the rest shared evenly. */
function columnWidths(columns, whole) {
  const fixedPx = columns.map(({ config }) => config.custom.width ?? null);
  const taken = fixedPx.reduce((sum, one) => sum + (one ?? 0), 0);
  const open = fixedPx.filter((one) => one === null).length;
  const share = (column) => Math.max((whole - taken) / open, column.config.custom.minWidth ?? LEAST_COLUMN_PX);
  return columns.map((column, i) => fixedPx[i] ?? share(column));
}

function alignOf({ kind, config }) {
  const { align = "auto" } = config.custom;
  return align === "auto" ? (kind === "number" ? "right" : "left") : align;
}

function gaugeCell(column, value, { text, colour }, mode = "gradient") {
  const ends = gaugeEnds(column.values.map((one) => ({ field: column, value: one })));
  const width = `${widest(column.values.map((one) => plainText(column, one, 0)))}px`;
  return html("div", { class: "cell-gauge" },
    gaugeTrack(gaugeBar(colour, mode, shareOf(value, ends))),
    html("div", { class: "gauge-value", style: { color: colour, width } }, text));
}

/** Paint *cell* (a td) for one value. */
function paintCell(cell, column, value, told) {
  const { type = "auto", mode } = column.config.custom.cellOptions ?? {};
  if (type === "gauge" && isNumber(value)) return cell.append(gaugeCell(column, value, told, mode));
  const text = column.config.links?.length && told.text ? html("span", { class: "link" }, told.text) : told.text;
  if (type === "pill" && told.text) {
    const pill = html("span", { class: "pill", style: { backgroundColor: told.colour, color: readableOn(told.colour) } }, text);
    return cell.append(pill);
  }
  cell.append(text);
  if (type === "color-text") cell.style.color = told.colour;
  if (type === "color-background" && opaqueHex(told.colour)) {
    Object.assign(cell.style, { backgroundColor: told.colour, color: readableOn(told.colour) });
  }
  return undefined;
}

function tableCell(column, row, panel) {
  const value = column.values[row] ?? null;
  const cell = html("td", { style: { textAlign: alignOf(column) } });
  if (column.config.custom.cellOptions?.wrapText) cell.classList.add("wraps");
  paintCell(cell, column, value, shown(column, value, panel.now));
  return cell;
}

function headerCell(column, sorted) {
  const arrow = sorted?.displayName === column.title ? (sorted.desc ? " ↓" : " ↑") : "";
  return html("th", { style: { textAlign: alignOf(column) } }, html("span", { class: "fits" }, column.title + arrow));
}

/** A row paints all its cells where a column says applyToRow. */
function tableRow(columns, row, height, panel) {
  const painter = columns.find(({ config }) => config.custom.cellOptions?.applyToRow);
  const element = html("tr", { style: { height: `${height}px` } }, ...columns.map((one) => tableCell(one, row, panel)));
  if (painter) {
    const { colour } = shown(painter, painter.values[row] ?? null, panel.now);
    for (const cell of element.children) Object.assign(cell.style, { backgroundColor: colour, color: readableOn(colour) });
  }
  return element;
}

function drawTable(panel, body) {
  const { options = {} } = panel.spec;
  const frame = panel.frames[options.frameIndex ?? 0]; // a table shows one answer of its queries
  const columns = frame ? columnsOf(frame) : [];
  if (!columns.length || !frame.length) return 0;
  const widths = columnWidths(columns, body.clientWidth);
  const height = CELL_PX[options.cellHeight ?? "sm"];
  const rows = rowOrder(columns, frame.length, options.sortBy).slice(0, Math.ceil(body.clientHeight / height));
  const head = html("tr", { style: { height: `${height}px` } }, ...columns.map((one) => headerCell(one, options.sortBy?.[0])));
  const table = html("table", { class: "table", style: { width: `${reduced(widths, "sum")}px` } },
    html("colgroup", {}, ...widths.map((width) => html("col", { style: { width: `${width}px` } }))),
    options.showHeader === false ? null : html("thead", {}, head),
    html("tbody", {}, ...rows.map((row) => tableRow(columns, row, height, panel))));
  body.append(html("div", { class: "table-window" }, table));
  return columns.length;
}
