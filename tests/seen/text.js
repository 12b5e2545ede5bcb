// The text panel: as much of Markdown as a dashboard uses; HTML stays text.
"use strict";

const INLINE = /\*\*(.+?)\*\*|`(.+?)`|\[(.+?)\]\((.+?)\)|\*(.+?)\*/g;

/** Bold, code, links and italics of one line, as nodes. */
function inline(line) {
  const nodes = [];
  let end = 0;
  for (const found of line.matchAll(INLINE)) {
    const [whole, bold, code, link, , italic] = found;
    nodes.push(line.slice(end, found.index));
    if (bold) nodes.push(html("strong", {}, ...inline(bold)));
    else if (code) nodes.push(html("code", {}, code));
    else if (link) nodes.push(html("span", { class: "link" }, link));
    else nodes.push(html("em", {}, italic));
    end = found.index + whole.length;
  }
  return [...nodes, line.slice(end)].filter(Boolean);
}

/** The element of one block of lines. */
function block(lines) {
  const heading = /^(#{1,4}) (.*)$/.exec(lines[0]);
  if (heading) return html(`h${heading[1].length}`, {}, ...inline(heading[2]));
  if (lines.every((line) => /^[-*] /.test(line))) {
    return html("ul", {}, ...lines.map((line) => html("li", {}, ...inline(line.slice(2)))));
  }
  if (lines[0].startsWith("|")) return markdownTable(lines);
  return html("p", {}, ...inline(lines.join(" ")));
}

function markdownTable(lines) {
  const cells = (line) => line.replace(/^\||\|$/g, "").split("|").map((one) => one.trim());
  const row = (line, tag) => html("tr", {}, ...cells(line).map((one) => html(tag, {}, ...inline(one))));
  return html("table", { class: "legend-table" }, row(lines[0], "th"), ...lines.slice(2).map((line) => row(line, "td")));
}

/** Blocks of *content*: headings alone, else what blank lines part. */
function markdown(content) {
  const parted = content.replace(/^(#{1,4} .*)$/gm, "\n$1\n").split(/\n\s*\n/);
  return parted.map((one) => one.split("\n").map((line) => line.trim()).filter(Boolean))
    .filter((lines) => lines.length).map(block);
}

function drawText(panel, body) {
  const content = interpolate(panel.spec.options?.content ?? "", panel.variables);
  body.append(html("div", { class: "prose fits" }, ...markdown(content)));
  return content.trim() ? 1 : 0;
}
