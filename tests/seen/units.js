// Numbers as Grafana writes them: its units, its decimals (@grafana/data, valueFormats).
"use strict";

const SECOND = 1000;
const DAY = 86400 * SECOND;

/** Decimals that Grafana gives a number when the dashboard names none. */
function decimalsFor(value) {
  if (value === 0 || value % 1 === 0) return 0;
  const magnitude = Math.floor(Math.log10(Math.abs(value)));
  const decimals = 1 - magnitude;
  const special = Math.abs(value) / 10 ** -decimals > 2.25 ? 1 : 0;
  return Math.min(Math.max(0, decimals + special), 20);
}

function fixed(value, decimals) {
  return value.toFixed(decimals ?? decimalsFor(value));
}

/** Steps of a scale: [factor to the next, suffix]; the last suffix has no factor. */
function stepped(value, decimals, steps) {
  let rest = value;
  for (const [factor, suffix] of steps) {
    if (factor === undefined || Math.abs(rest) < factor) return fixed(rest, decimals) + suffix;
    rest /= factor;
  }
  return fixed(rest, decimals);
}

function powers(factor, suffixes) {
  return suffixes.map((suffix, i) => [i < suffixes.length - 1 ? factor : undefined, suffix]);
}

const LETTERS = ["", "k", "M", "G", "T", "P", "E"];
const decimal = (unit) => powers(1000, LETTERS.map((one) => ` ${one}${unit}`));
const binary = (unit) =>
  powers(1024, LETTERS.map((one) => ` ${one && `${one.toUpperCase()}i`}${unit}`));

const STEPS = {
  short: powers(1000, ["", " K", " Mil", " Bil", " Tri", " Quadr"]),
  bytes: binary("B"),
  decbytes: decimal("B"),
  bits: binary("b"),
  decbits: decimal("b"),
  Bps: decimal("B/s"),
  binBps: binary("B/s"),
  bps: decimal("b/s"),
  binbps: binary("b/s"),
  hertz: decimal("Hz"),
  watt: decimal("W"),
  flops: powers(1000, LETTERS.map((one) => ` ${one}FLOPS`)),
  ns: [[1000, " ns"], [1000, " µs"], [1000, " ms"], [60, " s"], [60, " min"], [24, " hour"], [undefined, " day"]],
  µs: [[1000, " µs"], [1000, " ms"], [undefined, " s"]],
  ms: [[1000, " ms"], [60, " s"], [60, " min"], [24, " hour"], [365, " day"], [undefined, " year"]],
  s: [[60, " s"], [60, " mins"], [24, " hours"], [7, " days"], [365 / 7, " weeks"], [undefined, " years"]],
  m: [[60, " min"], [24, " hour"], [7, " day"], [365 / 7, " week"], [undefined, " year"]],
  h: [[24, " hour"], [7, " day"], [365 / 7, " week"], [undefined, " year"]],
  d: [[7, " day"], [365 / 7, " week"], [undefined, " year"]],
};

const SUFFIXES = {
  none: "", percent: "%", celsius: " °C", rotrpm: " rpm", ops: " ops/s", reqps: " req/s",
  cps: " c/s", iops: " io/s", hour: " h", dB: " dB", volt: " V", amp: " A", humidity: " %H",
};

/** "2 hours ago", as moment's fromNow. */
function fromNow(time, now) {
  const seconds = Math.abs(now - time) / SECOND;
  const told = [
    [45, "a few seconds", 1], [90, "a minute", 1], [2700, "minutes", 60], [5400, "an hour", 1],
    [79200, "hours", 3600], [129600, "a day", 1], [2246400, "days", 86400],
    [3888000, "a month", 1], [27648000, "months", 2629800], [47304000, "a year", 1],
    [Infinity, "years", 31557600],
  ].find(([limit]) => seconds < limit);
  const text = told[2] === 1 ? told[1] : `${Math.round(seconds / told[2])} ${told[1]}`;
  return time <= now ? `${text} ago` : `in ${text}`;
}

/** 2026-11-27 00:00:00, UTC. */
function isoTime(time) {
  return new Date(time).toISOString().slice(0, 19).replace("T", " ");
}

/** A time under a unit of dates; null when *unit* is none of them. */
function timeText(value, unit, now) {
  if (unit === "dateTimeFromNow") return fromNow(value, now);
  if (unit === "dateTimeAsIsoNoDateIfToday" || unit === "dateTimeAsIso") return isoTime(value);
  if (unit?.startsWith("time:")) return isoTime(value).slice(0, unit.length - 5);
  return null;
}

/** *value* as text under *unit*; an unknown unit is a suffix, as in Grafana. */
function unitText(value, unit = "", decimals = undefined, now = 0) {
  const time = timeText(value, unit, now);
  if (time !== null) return time;
  if (unit === "percentunit") return `${fixed(value * 100, decimals)}%`;
  if (unit === "locale") return value.toLocaleString("en-US", { maximumFractionDigits: decimals ?? 2 });
  if (unit === "string") return String(value);
  if (Object.hasOwn(STEPS, unit)) return stepped(value, decimals, STEPS[unit]);
  if (Object.hasOwn(SUFFIXES, unit)) return fixed(value, decimals) + SUFFIXES[unit];
  if (unit.startsWith("suffix:")) return fixed(value, decimals) + unit.slice(7);
  if (unit.startsWith("prefix:")) return unit.slice(7) + fixed(value, decimals);
  return unit ? `${fixed(value, decimals)} ${unit}` : fixed(value, decimals);
}
