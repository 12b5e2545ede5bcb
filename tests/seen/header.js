// What stands above the panels: the title, the links, the time range, the variables.
"use strict";

function pill(...children) {
  return html("span", { class: "control" }, ...children);
}

function currentText({ current = {}, query }) {
  const text = current.text ?? current.value ?? query ?? "";
  return Array.isArray(text) ? text.join(" + ") : String(text);
}

function valueText({ current = {}, query }) {
  const value = current.text ?? current.value ?? query ?? "";
  return Array.isArray(value) ? value.join(",") : String(value);
}

/** {name: text} of a dashboard's variables, for titles. */
function variablesOf({ templating = {} }) {
  return Object.fromEntries((templating.list ?? []).map((one) => [one.name, valueText(one)]));
}

/** A variable's label and value; hide 1 hides the label, 2 all of it. */
function variableControl(variable) {
  if (variable.hide === 2 || variable.type === "constant") return null;
  const name = html("span", { class: "control-name" }, variable.label || variable.name);
  const box = html("span", { class: "control-value" }, currentText(variable));
  const arrow = variable.type === "textbox" ? null : html("span", { class: "arrow" }, "⌄");
  return html("span", { class: "variable" }, variable.hide === 1 ? null : name, pill(box, arrow));
}

function linkControl(link) {
  return html("span", { class: "control dashboard-link" }, link.type === "dashboards" ? "≡ " : "↗ ", link.title || "Dashboards");
}

/** The variables and, to the right, the links; null without any. */
function controls(dashboard) {
  const variables = (dashboard.templating?.list ?? []).map(variableControl).filter(Boolean);
  const links = (dashboard.links ?? []).map(linkControl);
  if (!variables.length && !links.length) return null;
  return html("div", { class: "header-row controls" }, ...variables, html("span", { class: "links" }, ...links));
}

function rangeText({ from, to }) {
  const text = (time) => isoTime(time).slice(0, 16);
  return `${text(from)} to ${text(to)} UTC`;
}

function drawHeader({ dashboard, range }) {
  const title = html("div", { class: "dashboard-title" },
    html("span", { class: "quiet" }, "Dashboards  ›  "), html("span", {}, dashboard.title ?? ""));
  const time = pill(html("span", { class: "control-value" }, rangeText(range)));
  return html("header", {}, html("div", { class: "header-row" }, title, time), controls(dashboard));
}
