// Grafana's colours by name, its classic palette, its schemes, and what can be read on what.
"use strict";

const HUES = {
  red: ["#FFA6B0", "#FF7383", "#F2495C", "#E02F44", "#C4162A"],
  orange: ["#FFCB7D", "#FFB357", "#FF9830", "#FF780A", "#FA6400"],
  yellow: ["#FFF899", "#FFEE52", "#FADE2A", "#F2CC0C", "#E0B400"],
  green: ["#C8F2C2", "#96D98D", "#73BF69", "#56A64B", "#37872D"],
  blue: ["#C0D8FF", "#8AB8FF", "#5794F2", "#3274D9", "#1F60C4"],
  purple: ["#DEB6F2", "#CA95E5", "#B877D9", "#A352CC", "#8F3BB8"],
};
const SHADES = ["super-light-", "light-", "", "semi-dark-", "dark-"];

const PALETTE = [
  "green", "semi-dark-yellow", "light-blue", "semi-dark-orange", "red", "blue", "purple",
  "#705DA0", "#508642", "#CCA300", "#447EBC", "#C15C17", "#890F02", "#0A437C", "#6D1F62",
  "#584477", "#B7DBAB", "#F4D598", "#70DBED", "#F9BA8F", "#F29191", "#82B5D8", "#E5A8E2",
  "#AEA2E0", "#629E51", "#E5AC0E", "#64B0C8", "#E0752D", "#BF1B00", "#0A50A1", "#962D82",
];

// d3-scale-chromatic's, by a few of their stops, from little to much.
const SCHEMES = {
  Blues: ["#f7fbff", "#c6dbef", "#6baed6", "#2171b5", "#08306b"],
  Greens: ["#f7fcf5", "#c7e9c0", "#74c476", "#238b45", "#00441b"],
  Greys: ["#ffffff", "#d9d9d9", "#969696", "#525252", "#000000"],
  Oranges: ["#fff5eb", "#fdd0a2", "#fd8d3c", "#d94801", "#7f2704"],
  Purples: ["#fcfbfd", "#dadaeb", "#9e9ac8", "#6a51a3", "#3f007d"],
  Reds: ["#fff5f0", "#fcbba1", "#fb6a4a", "#cb181d", "#67000d"],
  Spectral: ["#9e0142", "#f46d43", "#ffffbf", "#66c2a5", "#5e4fa2"],
  Turbo: ["#23171b", "#26bce1", "#95fb51", "#ff821d", "#900c00"],
  Viridis: ["#440154", "#3b528b", "#21908d", "#5dc963", "#fde725"],
  Inferno: ["#000004", "#57106e", "#bc3754", "#f98e09", "#fcffa4"],
  YlGnBu: ["#ffffd9", "#c7e9b4", "#41b6c4", "#225ea8", "#081d58"],
  YlOrRd: ["#ffffcc", "#fed976", "#fd8d3c", "#e31a1c", "#800026"],
};

// Grafana's continuous-* colour modes, by the names of their stops.
const CONTINUOUS = {
  GrYlRd: ["green", "yellow", "red"], RdYlGr: ["red", "yellow", "green"],
  BlYlRd: ["blue", "yellow", "red"], YlRd: ["yellow", "red"], BlPu: ["blue", "purple"],
  YlBl: ["yellow", "blue"], blues: ["#181b1f", "blue"], reds: ["#181b1f", "red"],
  greens: ["#181b1f", "green"], purples: ["#181b1f", "purple"],
};

/** #rrggbb for a name of Grafana's, a hex or an rgb(); null for what is no opaque colour. */
function opaqueHex(raw) {
  const rgb = /^rgba?\((\d+), *(\d+), *(\d+)(?:, *([\d.]+))?\)$/.exec(raw);
  if (rgb) return rgb[4] === "0" ? null : toHex(rgb.slice(1, 4).map(Number));
  const named = colourNamed(raw);
  return /^#[0-9a-f]{6}$/i.test(named) ? named.toLowerCase() : null;
}

/** What CSS understands for a colour of a dashboard. */
function colourNamed(raw) {
  if (raw === "text") return document.body.dataset.theme === "light" ? "#24292e" : "#ccccdc";
  for (const [hue, shades] of Object.entries(HUES)) {
    const at = SHADES.findIndex((shade) => shade + hue === raw);
    if (at >= 0) return shades[at];
  }
  return raw;
}

function paletteColour(index) {
  return colourNamed(PALETTE[index % PALETTE.length]);
}

function toRgb(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

function toHex(rgb) {
  return `#${rgb.map((one) => Math.round(one).toString(16).padStart(2, "0")).join("")}`;
}

/** *share* of the way from one hex to another. */
function between(from, to, share) {
  const [a, b] = [toRgb(from), toRgb(to)];
  return toHex(a.map((one, i) => one + (b[i] - one) * share));
}

/** The colour of *share* (0..1) in a list of stops. */
function along(stops, share) {
  const at = Math.min(Math.max(share, 0), 1) * (stops.length - 1);
  const first = Math.min(Math.floor(at), stops.length - 2);
  return between(stops[first], stops[first + 1], at - first);
}

/** Black or white, whichever can be read on *colour*. */
function readableOn(colour) {
  const hex = opaqueHex(colour);
  if (hex === null) return colourNamed("text");
  const [r, g, b] = toRgb(hex);
  return (r * 299 + g * 587 + b * 114) / 1000 > 140 ? "#111217" : "#ffffff";
}
