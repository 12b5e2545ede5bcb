// Where values lie on an axis, and which of them get a tick.
"use strict";

/** A function from [from, to] to [start, end] pixels. */
function linear(from, to, start, end) {
  const span = to - from || 1;
  return (value) => start + ((value - from) / span) * (end - start);
}

function logarithmic(from, to, start, end) {
  const scale = linear(Math.log10(from), Math.log10(to), start, end);
  return (value) => scale(Math.log10(Math.max(value, from)));
}

/** The round step that is at least *least* wide: 1, 2, 2.5 or 5 of a power of *base*. */
function roundStep(least, base = 10) {
  const power = base ** Math.floor(Math.log(least) / Math.log(base));
  const steps = base === 2 ? [1, 2] : [1, 2, 2.5, 5, 10];
  return power * steps.find((one) => one * power >= least * (1 - 1e-9));
}

/** Multiples of a round step within [from, to], at most *most* of them. */
function roundTicks(from, to, most, base = 10) {
  const step = roundStep((to - from) / Math.max(most, 1), base);
  const ticks = [];
  for (let i = Math.ceil(from / step - 1e-9); i * step <= to + step * 1e-9; i++) {
    ticks.push(Number((i * step).toPrecision(12))); // 0.6, not 0.6000000000000001
  }
  return { ticks, step };
}

/** Powers of ten within [from, to]. */
function powerTicks(from, to) {
  const ticks = [];
  for (let power = Math.ceil(Math.log10(from)); 10 ** power <= to; power++) ticks.push(10 ** power);
  return ticks;
}

const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const TIME_STEPS = [
  ...[1, 5, 15, 30].map((one) => one * SECOND),
  ...[1, 5, 10, 15, 30].map((one) => one * MINUTE),
  ...[1, 2, 3, 4, 6, 12].map((one) => one * HOUR),
  ...[1, 2, 3, 5, 7, 14, 30, 60, 90, 180, 365].map((one) => one * DAY),
];
const MONDAY = 4 * DAY; // 1970-01-05, so that weeks begin where people's do

function timeLabel(time, step, span) {
  const text = isoTime(time);
  if (step < MINUTE) return text.slice(11, 19);
  const midnight = time % DAY === 0 && span > 1.5 * DAY;
  if (step < DAY && !midnight) return text.slice(11, 16);
  return span > 366 * DAY ? text.slice(0, 10) : text.slice(5, 10);
}

/** [{time, text}] that fit *widthPx*: HH:MM within a day, MM-DD beyond. */
function timeTicks(from, to, widthPx) {
  const fits = (step) => {
    const roomPx = (step / (to - from)) * widthPx;
    return roomPx >= textWidth(timeLabel(from, step, to - from)) + 24;
  };
  const step = TIME_STEPS.find(fits) ?? TIME_STEPS.at(-1);
  const offset = step % (7 * DAY) === 0 ? MONDAY : 0;
  const ticks = [];
  for (let time = Math.ceil((from - offset) / step) * step + offset; time <= to; time += step) {
    ticks.push({ time, text: timeLabel(time, step, to - from) });
  }
  return ticks;
}
