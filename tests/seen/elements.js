// Makes HTML and SVG elements; text goes in as text, never as markup.
"use strict";

const SVG = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "style") Object.assign(element.style, value);
    else if (value !== undefined && value !== null) element.setAttribute(name, value);
  }
  element.append(...children.filter((one) => one !== null && one !== undefined));
  return element;
}

/** An HTML element: html("div", {class: "a", style: {width: "1px"}}, "text", child). */
function html(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

/** The same for SVG. */
function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** A picture that fills *size* = {width, height}. */
function canvas(size, ...children) {
  return svg("svg", { width: size.width, height: size.height, class: "canvas" }, ...children);
}

const FONT = "Inter, 'DejaVu Sans', sans-serif";
const rulers = new Map();

/** Width in pixels of *text* in the page's font. */
function textWidth(text, sizePx = 12, weight = 400) {
  const font = `${weight} ${sizePx}px ${FONT}`;
  if (!rulers.has(font)) {
    const ruler = document.createElement("canvas").getContext("2d");
    ruler.font = font;
    rulers.set(font, ruler);
  }
  return rulers.get(font).measureText(text).width;
}

/** *text*, or as much of it as fits *widthPx*, with an ellipsis. */
function shortened(text, widthPx, sizePx = 12) {
  if (textWidth(text, sizePx) <= widthPx) return text;
  let kept = text;
  while (kept && textWidth(`${kept}…`, sizePx) > widthPx) kept = kept.slice(0, -1);
  return kept ? `${kept.trimEnd()}…` : "";
}

let lastId = 0;

/** A group cut off at *box* = {left, top, width, height}. */
function clipped(box, ...children) {
  const id = `clip${++lastId}`;
  const edge = svg("rect", { x: box.left, y: box.top, width: box.width, height: box.height });
  return svg("g", { "clip-path": `url(#${id})` }, svg("clipPath", { id }, edge), ...children);
}
