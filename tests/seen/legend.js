// The legend of a chart: a list or a table of names, below or to the right.
"use strict";

function marker(colour) {
  return html("span", { class: "marker", style: { backgroundColor: colour } });
}

function legendList(items) {
  const told = items.map(({ title, colour, calcs }) =>
    html("span", { class: "legend-item" }, marker(colour), html("span", { class: "legend-name fits" }, title),
      ...calcs.map(({ name, text }) => html("span", { class: "legend-calc" }, `${name}: ${text}`))));
  return html("div", { class: "legend-list" }, ...told);
}

function legendTable(items) {
  const names = items[0]?.calcs.map(({ name }) => name) ?? [];
  const head = html("tr", {}, html("th", {}, "Name"), ...names.map((name) => html("th", { class: "number" }, name)));
  const rows = items.map(({ title, colour, calcs }) =>
    html("tr", {},
      html("td", {}, html("span", { class: "legend-item" }, marker(colour), html("span", { class: "legend-name" }, title))),
      ...calcs.map(({ text }) => html("td", { class: "number" }, text))));
  return html("table", { class: "legend-table" }, head, ...rows);
}

/**
 * Put a legend of *items* = [{title, colour, calcs: [{name, text}]}] into *body*, under
 * *options* = {displayMode, placement, showLegend, width}; the size that is left for the chart.
 */
function addLegend(body, items, options = {}) {
  const whole = { width: body.clientWidth, height: body.clientHeight };
  const { displayMode = "list", placement = "bottom", showLegend = true } = options;
  if (!showLegend || displayMode === "hidden" || !items.length) return whole;
  const table = displayMode === "table";
  const legend = html("div", { class: `legend fits legend-${placement}` }, table ? legendTable(items) : legendList(items));
  body.classList.add(`chart-${placement}`);
  body.append(legend);
  if (placement === "right") {
    if (options.width) legend.style.width = `${options.width}px`;
    return { width: whole.width - legend.offsetWidth, height: whole.height };
  }
  return { width: whole.width, height: whole.height - legend.offsetHeight };
}

/** The legend's items of series, each with the calcs that the options name. */
function seriesItems(series, options, now) {
  return series
    .filter(({ field }) => !field.config.custom.hideFrom?.legend)
    .map(({ field, values, colour }) => ({
      title: field.title,
      colour,
      calcs: (options?.calcs ?? []).map((calc) => ({
        name: calcTitle(calc), text: shown(field, reduced(values, calc), now).text,
      })),
    }));
}
