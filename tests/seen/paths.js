// SVG paths of lines, steps, areas and bands through points [x, y]; null is a gap.
"use strict";

const place = ([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`;

const JOIN = {
  linear: (_, to) => `L${place(to)}`,
  stepAfter: (from, to) => `L${place([to[0], from[1]])}L${place(to)}`,
  stepBefore: (from, to) => `L${place([from[0], to[1]])}L${place(to)}`,
  smooth: (from, to) => {
    const middle = (from[0] + to[0]) / 2;
    return `C${place([middle, from[1]])} ${place([middle, to[1]])} ${place(to)}`;
  },
};

/** The runs of *points* between gaps. */
function runsOf(points) {
  const runs = [];
  let run = [];
  for (const point of [...points, null]) {
    if (point !== null) run.push(point);
    else if (run.length) {
      runs.push(run);
      run = [];
    }
  }
  return runs;
}

function alongRun(run, interpolation, start = "M") {
  const join = JOIN[interpolation] ?? JOIN.linear;
  return run.slice(1).reduce((path, point, i) => path + join(run[i], point), start + place(run[0]));
}

function linePath(runs, interpolation) {
  return runs.map((run) => alongRun(run, interpolation)).join("");
}

/** The area of each run down to *floor*, a y or a run's own lower points. */
function areaPath(runs, interpolation, floorOf) {
  return runs.map((run) => {
    const below = run.map((point) => [point[0], floorOf(point)]).reverse();
    const back = interpolation === "stepAfter" ? "stepBefore" : interpolation === "stepBefore" ? "stepAfter" : interpolation;
    return `${alongRun(run, interpolation)}${alongRun(below, back, "L")}Z`;
  }).join("");
}
