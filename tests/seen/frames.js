// Query answers as Grafana's frames: typed columns, long series made wide (data.LongToWide).
"use strict";

const NUMBER = /^(U?Int\d+|Float\d+|BFloat16|Decimal.*)$/;

/** time, number, bool or string, of a ClickHouse type. */
function kindOf(type) {
  const inner = /^(?:Nullable|LowCardinality)\((.*)\)$/s.exec(type);
  if (inner) return kindOf(inner[1]);
  if (/^(Date|Date32|DateTime|DateTime64)(\(.*\))?$/.test(type)) return "time";
  if (type === "Bool") return "bool";
  return NUMBER.test(type) ? "number" : "string";
}

function parseTime(raw) {
  if (typeof raw === "number") return raw * SECOND;
  const text = raw.replace(" ", "T");
  const time = Date.parse(text.length === 10 ? `${text}T00:00:00Z` : `${text}Z`);
  if (Number.isNaN(time)) throw new Error(`not a time: ${raw}`);
  return time;
}

function parseNumber(raw) {
  const number = Number(raw);
  if (Number.isNaN(number) && !/^-?nan$/i.test(raw)) throw new Error(`not a number: ${raw}`);
  return number;
}

const PARSE = {
  time: parseTime,
  number: parseNumber,
  bool: (raw) => raw === true || raw === 1 || raw === "true",
  string: (raw) => (typeof raw === "string" ? raw : JSON.stringify(raw)),
};

/** The frame of an answer {names, types, rows}: {fields: [{name, kind, labels, values}], length}. */
function tableFrame({ names, types, rows }) {
  const fields = names.map((name, column) => {
    const kind = kindOf(types[column]);
    const values = rows.map((row) => (row[column] === null ? null : PARSE[kind](row[column])));
    return { name, kind, labels: {}, values };
  });
  return { fields, length: rows.length };
}

/** Refuse what the data source refuses: rows without a time, or back in time. */
function refuseDisorder(times) {
  if (times.some((time) => time === null)) {
    throw new Error("can not convert to wide series, input has null time values");
  }
  if (times.some((time, i) => i > 0 && time < times[i - 1])) {
    throw new Error("long series must be sorted ascending by time to be converted");
  }
}

function byNameAndLabels(a, b) {
  const keys = (one) => [one.name, ...Object.values(one.labels)].join("\0");
  return keys(a) < keys(b) ? -1 : 1;
}

/** A field for every combination of labels; null where a series has no row at a time. */
function longToWide(frame, time, labels, numbers) {
  refuseDisorder(time.values);
  const times = [...new Set(time.values)];
  const at = new Map(times.map((one, i) => [one, i]));
  const series = new Map();
  for (let row = 0; row < frame.length; row++) {
    const named = Object.fromEntries(labels.map((one) => [one.name, String(one.values[row] ?? "")]));
    for (const number of numbers) {
      const key = JSON.stringify([number.name, named]);
      if (!series.has(key)) {
        series.set(key, { ...number, labels: named, values: times.map(() => null) });
      }
      series.get(key).values[at.get(time.values[row])] = number.values[row];
    }
  }
  const fields = [...series.values()].sort(byNameAndLabels);
  return { fields: [{ ...time, values: times }, ...fields], length: times.length };
}

/** The frame of one answer, under the format of its target: 0 is series, else a table. */
function frameOf(answer, format) {
  const frame = tableFrame(answer);
  if (format !== 0 || frame.length === 0) return frame;
  const time = frame.fields.find((one) => one.kind === "time");
  const labels = frame.fields.filter((one) => one.kind === "string" || one.kind === "bool");
  const numbers = frame.fields.filter((one) => one !== time && !labels.includes(one));
  if (!time || !labels.length || !numbers.length) return frame;
  return longToWide(frame, time, labels, numbers);
}

function labelText(labels) {
  const told = Object.entries(labels).map(([name, value]) => `${name}="${value}"`);
  return told.length ? `{${told.join(", ")}}` : "";
}

/** Grafana's calculateFieldDisplayName: `Value` is silent, a label that is alone is its value. */
function fieldName(field, frames) {
  if (field.kind === "time" && !Object.keys(field.labels).length) return field.name;
  const keys = new Set(frames.flatMap((frame) => frame.fields.flatMap((one) => Object.keys(one.labels))));
  const labels = keys.size === 1 ? Object.values(field.labels)[0] : labelText(field.labels);
  const parts = [field.name === "Value" ? "" : field.name, labels];
  return parts.filter(Boolean).join(" ") || field.name || "Value";
}
