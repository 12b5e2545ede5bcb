// Lays the panels out as Grafana does, draws each, and publishes the report.
"use strict";

const PANELS = {
  stat: drawStat, timeseries: drawTimeseries, table: drawTable, "state-timeline": drawTimeline,
  bargauge: drawBarGauge, heatmap: drawHeatmap, text: drawText,
};
const CELL = { columns: 24, height: 30, gap: 8 };

/** The box in pixels of a gridPos, on a grid *width* pixels wide. */
function boxOf({ x, y, w, h }, width) {
  const column = (width - CELL.gap * (CELL.columns - 1)) / CELL.columns;
  return {
    left: x * (column + CELL.gap),
    top: y * (CELL.height + CELL.gap),
    width: w * (column + CELL.gap) - CELL.gap,
    height: h * (CELL.height + CELL.gap) - CELL.gap,
  };
}

const px = (box) => Object.fromEntries(Object.entries(box).map(([side, value]) => [side, `${value}px`]));

const SPANS = { s: SECOND, m: MINUTE, h: HOUR, d: DAY, w: 7 * DAY };

/** The panel's own time range, where it has one ("timeFrom": "24h" or "now-24h"), else the page's. */
function rangeOf({ timeFrom }, range) {
  const [, count, unit] = /^(?:now-)?(\d+)([smhdw])$/.exec(timeFrom ?? "") ?? [];
  return count ? { from: range.to - count * SPANS[unit], to: range.to } : range;
}

/** What is known of a panel before it is drawn; an error of its answers is told, not thrown. */
function known(spec, page, variables) {
  const own = Object.fromEntries(Object.entries(spec.scopedVars ?? {}).map(([name, one]) => [name, one.text ?? one.value]));
  const scope = { ...variables, ...own };
  const title = interpolate(spec.title ?? "", scope);
  const panel = {
    spec, title, variables: scope, range: rangeOf(spec, page.range), now: page.range.to,
    frames: [], error: "", empty: false, series: 0,
  };
  const answers = page.answers[spec.id] ?? [];
  panel.error = answers.map((one) => one.error).filter(Boolean).join("\n");
  panel.answers = answers.filter((one) => !one.error);
  return panel;
}

/** Turn the answers of *panel* into frames, one for each target that is not hidden. */
function readAnswers(panel) {
  const targets = (panel.spec.targets ?? []).filter((one) => !one.hide);
  const frames = panel.answers.map((answer, i) => frameOf(answer, targets[i]?.format ?? 1));
  panel.frames = transformed(frames, panel.spec);
  configure(panel.frames, panel.spec, panel.variables);
}

/** Draw into *body*, or say there that there is nothing. */
function drawBody(panel, body) {
  const draw = PANELS[panel.spec.type];
  if (!draw) throw new Error(`panel type ${panel.spec.type} is not drawn here`);
  readAnswers(panel);
  panel.series = draw(panel, body);
  panel.empty = panel.series === 0;
  if (panel.empty) {
    body.append(html("div", { class: "nothing" }, panel.spec.fieldConfig?.defaults?.noValue || "No data"));
  }
}

function panelHead({ spec, title }) {
  const about = spec.description ? html("span", { class: "about" }, "i") : null;
  const link = spec.links?.length ? html("span", { class: "about" }, "↗") : null;
  const own = spec.timeFrom ? html("span", { class: "own-range quiet" }, `Last ${spec.timeFrom.replace("now-", "")}`) : null;
  return html("div", { class: "panel-head" }, html("span", { class: "panel-title fits" }, title), about, link, own);
}

/** A red corner with a mark, the error's text below; nothing else of the panel. */
function showError(element, body, panel) {
  const head = element.querySelector(".panel-head") ?? panelHead(panel);
  head.prepend(html("span", { class: "wrong" }, "!"));
  element.prepend(head);
  body.replaceChildren(html("div", { class: "error-text" }, panel.error));
}

function drawPanel(panel, grid) {
  const { spec } = panel;
  const element = html("section", {
    class: `panel panel-${spec.type} ${spec.transparent ? "clear" : ""}`,
    style: px(boxOf(spec.gridPos, grid.clientWidth)),
  });
  const body = html("div", { class: "panel-body" });
  if (panel.title) element.append(panelHead(panel));
  element.append(body);
  grid.append(element);
  try {
    if (!panel.error) drawBody(panel, body);
  } catch (error) {
    panel.error = String(error.message);
  }
  if (panel.error) showError(element, body, panel);
  return element;
}

function drawRow(panel, grid) {
  const { spec } = panel;
  panel.closed = Boolean(spec.collapsed);
  const hidden = spec.panels?.length ?? 0;
  const element = html("section", { class: "row", style: px(boxOf(spec.gridPos, grid.clientWidth)) },
    html("span", { class: "row-arrow" }, panel.closed ? "›" : "⌄"), html("span", { class: "row-title" }, panel.title),
    panel.closed ? html("span", { class: "quiet" }, `  (${hidden} panel${hidden === 1 ? "" : "s"})`) : null);
  grid.append(element);
  return element;
}

function gridHeight(panels) {
  const rows = Math.max(1, ...panels.map(({ gridPos }) => gridPos.y + gridPos.h));
  return rows * (CELL.height + CELL.gap) - CELL.gap;
}

function drawPage(page) {
  document.body.dataset.theme = page.theme;
  const header = drawHeader(page);
  const panels = page.dashboard.panels ?? [];
  const grid = html("main", { style: { height: `${gridHeight(panels)}px` } });
  document.body.append(header, grid);
  const variables = variablesOf(page.dashboard);
  const drawn = panels.map((spec) => known(spec, page, variables));
  const elements = drawn.map((panel) => (panel.spec.type === "row" ? drawRow(panel, grid) : drawPanel(panel, grid)));
  report.header = headerComplaints(header);
  report.panels = elements.map((element, i) => panelReport(element, drawn[i]));
  tellOverlaps(elements, report.panels);
  report.height = Math.ceil(document.body.scrollHeight);
  publish();
}

publish();
drawPage(JSON.parse(document.getElementById("page").textContent));
