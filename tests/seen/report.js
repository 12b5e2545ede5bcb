// What went wrong while drawing, told as JSON in document.body.dataset.report.
"use strict";

const report = { height: 0, header: [], errors: [], panels: [] };

function publish() {
  document.body.dataset.report = JSON.stringify(report);
}

addEventListener("error", (event) => {
  report.errors.push(String(event.message));
  publish();
});

const RULER_PX = 1.5; // what rounding may put outside of a box

/** Is a's box outside of b's, by more than what rounding does? */
function sticksOut(a, b) {
  return (
    a.left < b.left - RULER_PX || a.right > b.right + RULER_PX ||
    a.top < b.top - RULER_PX || a.bottom > b.bottom + RULER_PX
  );
}

function overlap(a, b) {
  return (
    a.left < b.right - RULER_PX && b.left < a.right - RULER_PX &&
    a.top < b.bottom - RULER_PX && b.top < a.bottom - RULER_PX
  );
}

function isCut(element) {
  return (
    element.scrollWidth > element.clientWidth + 1 || element.scrollHeight > element.clientHeight + 1
  );
}

/** Sentences on labels of one axis that lie on each other. */
function axisComplaints(body) {
  const found = [];
  for (const axis of body.querySelectorAll(".axis")) {
    const labels = [...axis.querySelectorAll("text")];
    const boxes = labels.map((one) => one.getBoundingClientRect());
    for (let i = 1; i < boxes.length; i++) {
      if (overlap(boxes[i - 1], boxes[i])) {
        found.push(`axis labels overlap: ${labels[i - 1].textContent}, ${labels[i].textContent}`);
      }
    }
  }
  return found;
}

/** Sentences on what is drawn outside of the panel, and on text marked `.fits` that does not fit. */
function boxComplaints(element) {
  const box = element.getBoundingClientRect();
  const found = [];
  for (const one of element.querySelectorAll("svg *, .stat-cell, .bar, .legend, .panel-title")) {
    if (one.closest("clipPath, defs, [clip-path], .table-window")) continue;
    const inner = one.getBoundingClientRect();
    if (inner.width + inner.height > 0 && sticksOut(inner, box)) {
      found.push(`outside of the panel: ${one.tagName} ${one.textContent.slice(0, 40)}`.trim());
    }
  }
  for (const one of element.querySelectorAll(".table-window")) {
    if (one.scrollWidth > one.clientWidth + 1) found.push(`columns need ${one.scrollWidth} px of ${one.clientWidth}`);
  }
  for (const one of element.querySelectorAll(".fits")) {
    if (isCut(one)) found.push(`cut: ${one.textContent.slice(0, 60)}`);
  }
  return found;
}

/** The colours that data chose: attributes and inline styles; what the theme chose is in the CSS. */
function coloursIn(element) {
  const found = new Set();
  for (const one of element.querySelectorAll("*")) {
    const { backgroundColor, color } = one.style ?? {};
    for (const raw of [one.getAttribute("fill"), one.getAttribute("stroke"), backgroundColor, color]) {
      if (raw && raw !== "none" && !raw.startsWith("url")) found.add(opaqueHex(raw));
    }
  }
  return [...found].filter((one) => one !== null).sort();
}

// What stands for data: boxes, lines, dots, bars and cells, without axes, grids and legends.
const MARKS = "g[clip-path] > :is(rect, path, circle), g[clip-path] g :is(rect, path, circle), .bar, tbody td, .stat-cell";

/** What the page tells of one drawn panel; *drawn* is what dashboard.js knows of it. */
function panelReport(element, drawn) {
  const body = element.querySelector(".panel-body");
  const complaints = [...boxComplaints(element), ...(body ? axisComplaints(body) : [])];
  return {
    id: drawn.spec.id ?? 0,
    title: drawn.title,
    type: drawn.spec.type,
    drawn: drawn.error === "" && !drawn.closed,
    empty: drawn.empty,
    error: drawn.error,
    overflow: complaints.length > 0,
    complaints: [...new Set(complaints)].slice(0, 20),
    overlaps: [],
    series: drawn.series,
    marks: element.querySelectorAll(MARKS).length,
    cut: [...element.querySelectorAll("td")].filter(isCut).length,
    colours: coloursIn(element),
    text: (body ?? element).innerText.trim().slice(0, 20000),
  };
}

/** Texts above the panels that are cut or lie outside. */
function headerComplaints(header) {
  const box = header.getBoundingClientRect();
  return [...header.querySelectorAll("*")]
    .filter((one) => isCut(one) || sticksOut(one.getBoundingClientRect(), box))
    .map((one) => one.textContent);
}

/** Name each other in panels whose boxes share some area. */
function tellOverlaps(elements, reports) {
  const boxes = elements.map((one) => one.getBoundingClientRect());
  boxes.forEach((box, i) => {
    reports[i].overlaps = reports.filter((_, j) => i !== j && overlap(box, boxes[j])).map((r) => r.title);
  });
}
