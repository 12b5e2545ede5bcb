// What a panel knows: its frames, each field with its config (defaults, then overrides).
"use strict";

/** Set "custom.width" and the like inside *config*. */
function setPath(config, path, value) {
  const names = path.split(".");
  const last = names.pop();
  let at = config;
  for (const name of names) at = at[name] ??= {};
  at[last] = value;
}

const MATCHERS = {
  byName: (field, name, wanted) => name === wanted || field.name === wanted,
  byRegexp: (_, name, wanted) => slashed(wanted).test(name),
  byType: (field, _, wanted) => field.kind === wanted,
  byFrameRefID: (field, _, wanted) => field.refId === wanted,
};

// What Grafana's panels bring where a dashboard says nothing.
const DEFAULT_STEPS = [{ value: null, color: "green" }, { value: 80, color: "red" }];
const DEFAULT_COLOUR = { timeseries: "palette-classic", "state-timeline": "continuous-GrYlRd" };

function configOf(field, name, { type, fieldConfig = {} }) {
  const config = structuredClone(fieldConfig.defaults ?? {});
  config.custom ??= {};
  config.color ??= { mode: DEFAULT_COLOUR[type] ?? "thresholds" };
  config.thresholds ??= { mode: "absolute", steps: DEFAULT_STEPS };
  for (const { matcher, properties } of fieldConfig.overrides ?? []) {
    if (!MATCHERS[matcher.id]?.(field, name, matcher.options)) continue;
    for (const { id, value } of properties) setPath(config, id, structuredClone(value));
  }
  return config;
}

/** Texts of `${__field.labels.a}`, `${__field.name}`, `$variable` and `${variable}`. */
function interpolate(text, variables, field = undefined) {
  return String(text).replace(/\$\{([^}:]+)(?::\w+)?\}|\$(\w+)/g, (whole, braced, bare) => {
    const name = braced ?? bare;
    const label = /^__field\.labels\.(.+)$/.exec(name);
    if (label) return field?.labels[label[1]] ?? "";
    if (name === "__field.name" || name === "__series.name") return field?.name ?? "";
    return Object.hasOwn(variables, name) ? variables[name] : whole;
  });
}

/** Grafana's "organize fields": leave out, order and rename columns. */
function organize(frame, { excludeByName = {}, indexByName = {}, renameByName = {} }) {
  const place = ({ name }) => indexByName[name] ?? Infinity;
  const fields = frame.fields
    .filter(({ name }) => !excludeByName[name])
    .sort((a, b) => (place(a) === place(b) ? 0 : place(a) - place(b)))
    .map((field) => ({ ...field, name: renameByName[field.name] || field.name }));
  return { ...frame, fields };
}

/** *frames* after the panel's transformations; an error for those that are not known here. */
function transformed(frames, { transformations = [] }) {
  return transformations.filter(({ disabled }) => !disabled).reduce((some, { id, options }) => {
    if (id !== "organize") throw new Error(`transformation ${id} is not drawn here`);
    return some.map((frame) => organize(frame, options));
  }, frames);
}

/** Give every field of *frames* its title, its config and its place in the palette. */
function configure(frames, spec, variables) {
  let index = 0;
  for (const frame of frames) {
    for (const field of frame.fields) {
      const name = fieldName(field, frames);
      field.config = configOf(field, name, spec);
      field.title = field.config.displayName
        ? interpolate(field.config.displayName, variables, field) : name;
      field.index = field.kind === "time" ? 0 : index++;
    }
  }
}

/** The series of *frames*: number fields beside a time field, as [{field, times, values}]. */
function seriesOf(frames, kinds = ["number"]) {
  return frames.flatMap((frame) => {
    const time = frame.fields.find((one) => one.kind === "time");
    if (!time) return [];
    return frame.fields
      .filter((one) => one !== time && kinds.includes(one.kind) && !one.config.custom.hideFrom?.viz)
      .map((field) => ({ field, times: time.values, values: field.values }));
  });
}

const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

const CALCS = {
  lastNotNull: (values) => values.findLast((one) => one !== null && !Number.isNaN(one)) ?? null,
  last: (values) => values.at(-1) ?? null,
  firstNotNull: (values) => values.find((one) => one !== null && !Number.isNaN(one)) ?? null,
  first: (values) => values[0] ?? null,
  min: (values) => values.filter(isNumber).reduce((a, b) => Math.min(a, b), Infinity),
  max: (values) => values.filter(isNumber).reduce((a, b) => Math.max(a, b), -Infinity),
  sum: (values) => values.filter(isNumber).reduce((a, b) => a + b, 0),
  mean: (values) => CALCS.sum(values) / values.filter(isNumber).length,
  count: (values) => values.length,
  range: (values) => CALCS.max(values) - CALCS.min(values),
};
const CALC_TITLES = { lastNotNull: "Last *", last: "Last", firstNotNull: "First *", first: "First", sum: "Total" };

/** One number of many, by the name of Grafana's reducer. */
function reduced(values, calc) {
  if (!CALCS[calc]) throw new Error(`calc ${calc} is not drawn here`);
  const found = CALCS[calc](values);
  return typeof found === "number" && !Number.isFinite(found) ? null : found;
}

function calcTitle(calc) {
  return CALC_TITLES[calc] ?? calc[0].toUpperCase() + calc.slice(1);
}

/** Does reduceOptions.fields want *field*? Empty means every number. */
function wanted(field, pattern) {
  return pattern ? slashed(pattern).test(field.title) : field.kind === "number";
}

/**
 * What stat and bar gauge show: [{title, value, field, values}], a row each under
 * reduceOptions.values (named by the row's first text), else a field each.
 */
function reducedFields(frames, { values = false, calcs = ["lastNotNull"], fields = "", limit = 25 } = {}) {
  return frames.flatMap((frame) => {
    const shownFields = frame.fields.filter((one) => wanted(one, fields));
    if (!values) {
      return shownFields.map((field) => ({
        title: field.title, field, values: field.values, value: reduced(field.values, calcs[0]),
      }));
    }
    const name = frame.fields.find((one) => one.kind === "string");
    const rows = [...Array(Math.min(frame.length, limit)).keys()];
    return rows.flatMap((row) => shownFields.map((field) => ({
      title: rowTitle(name, row, field, shownFields.length),
      field: { ...field, index: row }, values: [], value: field.values[row],
    })));
  });
}

function rowTitle(name, row, field, many) {
  if (!name) return field.title;
  return many > 1 ? `${name.values[row]} ${field.title}` : String(name.values[row]);
}
