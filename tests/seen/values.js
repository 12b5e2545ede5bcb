// One value as its field's config shows it: mappings first, then thresholds, then the unit.
"use strict";

const SPECIAL = {
  null: (value) => value === null,
  nan: (value) => Number.isNaN(value),
  "null+nan": (value) => value === null || Number.isNaN(value),
  true: (value) => value === true,
  false: (value) => value === false,
  empty: (value) => value === "",
};

/** "/a.*b/i" as a RegExp, as Grafana's stringToJsRegex. */
function slashed(pattern) {
  const parts = /^\/(.*?)\/([gimsuy]*)$/s.exec(pattern);
  return parts ? new RegExp(parts[1], parts[2]) : new RegExp(`^${pattern}$`);
}

function inRange(value, { from, to }) {
  return typeof value === "number" && value >= (from ?? -Infinity) && value <= (to ?? Infinity);
}

/** {text?, color?} that one mapping has for *value*, or undefined. */
function mappedBy({ type, options }, value) {
  if (type === "value") {
    return Object.hasOwn(options, String(value)) ? options[String(value)] : undefined;
  }
  if (type === "range") return inRange(value, options) ? options.result : undefined;
  if (type === "special") return SPECIAL[options.match]?.(value) ? options.result : undefined;
  if (type === "regex" && value !== null) {
    const pattern = slashed(options.pattern);
    if (!pattern.test(String(value))) return undefined;
    const text = options.result.text;
    return { ...options.result, text: text ? String(value).replace(pattern, text) : undefined };
  }
  return undefined;
}

function mapped(config, value) {
  for (const mapping of config.mappings ?? []) {
    const found = mappedBy(mapping, value);
    if (found) return found;
  }
  return {};
}

/** The colour of the last threshold that *value* reaches. */
function thresholdColour(config, value) {
  const { mode, steps = [] } = config.thresholds;
  const span = (config.max ?? 100) - (config.min ?? 0);
  const reached = mode === "percentage" ? ((value - (config.min ?? 0)) / span) * 100 : value;
  let found = steps[0]?.color ?? "green";
  for (const step of steps) {
    if (typeof reached === "number" && step.value !== null && reached >= step.value) found = step.color;
  }
  return colourNamed(found);
}

/** The colour of a whole field: fixed, of the palette, or of its value. */
function fieldColour(field, value) {
  const { mode = "thresholds", fixedColor } = field.config.color;
  if (mode === "fixed") return colourNamed(fixedColor ?? "text");
  if (mode.startsWith("palette-")) return paletteColour(field.index);
  if (mode.startsWith("continuous-")) {
    const stops = CONTINUOUS[mode.slice("continuous-".length)];
    return along(stops.map(colourNamed), shareOf(value, { min: field.config.min ?? 0, max: field.config.max ?? 100 }));
  }
  return thresholdColour(field.config, value);
}

/** How far *value* is on the way from min to max: 0..1. */
function shareOf(value, { min, max }) {
  if (typeof value !== "number" || max <= min) return 0;
  return Math.min(Math.max((value - min) / (max - min), 0), 1);
}

function plainText(field, value, now) {
  if (value === null || Number.isNaN(value)) return field.config.noValue ?? (field.kind === "number" ? "-" : "");
  if (field.kind === "time") return timeText(value, field.config.unit, now) ?? isoTime(value);
  if (field.kind === "number") return unitText(value, field.config.unit, field.config.decimals ?? undefined, now);
  return String(value);
}

/** {text, colour} of *value* in *field*. */
function shown(field, value, now) {
  const found = mapped(field.config, value);
  return {
    text: found.text || plainText(field, value, now),
    colour: found.color ? colourNamed(found.color) : fieldColour(field, value),
  };
}
