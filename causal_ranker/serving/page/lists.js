// The two lists: rows with rank, move and uplift, and lines from one list to the other.
import { bar, scaleOf } from "./bars.js";
import { count, digitsFor, idText, make, score } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const [lists, base, causal, lines] = ["lists", "base", "causal", "lines"]
  .map((id) => document.getElementById(id));
let pairs = new Map(); // an item's place in the answer -> its rows, and which way it went

/** Draw the first rows of both lists; `tell(item, cell)` says why an item moved. Returns words. */
export function drawLists(answer, rows, tell) {
  const items = answer.items.map((item, place) => ({ ...item, place }));
  const first = (by) => [...items].sort((a, b) => a[by] - b[by]).slice(0, rows);
  const before = first("base_rank"), after = first("rank");
  const scale = scaleOf([...before, ...after]
    .flatMap((item) => [item.uplift, item.uplift_low, item.uplift_high]));
  pairs = new Map();
  base.replaceChildren(...before.flatMap((item) => twoRows(base, item, scale, tell)));
  causal.replaceChildren(...after.flatMap((item) => twoRows(causal, item, scale, tell)));
  lists.hidden = false;
  drawLines();
  return summary(items, before, after);
}

/** Show no lists. */
export function hideLists() {
  lists.hidden = true;
  pairs = new Map();
  base.replaceChildren();
  causal.replaceChildren();
}

function twoRows(body, item, scale, tell) {
  const id = `${body.id}-why-${item.place}`;
  const open = make("button", {
    type: "button", class: "item", "aria-expanded": "false", "aria-controls": id,
  }, make("bdi", {}, idText(item.item_id)));
  const after = body === causal;
  const rank = make("td", { class: "rank" }, String(after ? item.rank : item.base_rank));
  const who = make("th", { scope: "row" }, open);
  const uplift = make("td", { class: "uplift" },
    bar(scale, item.uplift, [item.uplift_low, item.uplift_high]));
  const move = make("td", { class: "move" }, moveOf(item, after));
  const scored = make("td", { class: "score" }, score(item.base_score));
  const cells = after ? [rank, move, who, uplift] : [rank, who, scored, uplift, move];
  const row = make("tr", { "data-place": item.place }, ...cells);
  const told = make("td", { colspan: cells.length });
  const why = make("tr", { class: "why", id, hidden: "" }, told);
  open.addEventListener("click", () => {
    why.hidden = !why.hidden;
    open.setAttribute("aria-expanded", String(!why.hidden));
    if (!why.hidden) tell(item, told);
    drawLines();
  });
  pairs.set(item.place, { ...pairs.get(item.place), way: wayOf(item), [body.id]: row });
  return [row, why];
}

function wayOf(item) {
  const by = item.base_rank - item.rank;
  return by > 0 ? "up" : by < 0 ? "down" : "same";
}

function moveOf(item, after) {
  const way = wayOf(item), by = Math.abs(item.base_rank - item.rank);
  if (way === "same") return make("span", { role: "img", "aria-label": "stays" }, "=");
  const other = after ? `from ${item.base_rank}` : `to ${item.rank}`;
  return make("span", { class: way, role: "img", "aria-label": `${way} ${by}, ${other}` },
    `${way === "up" ? "▲" : "▼"} ${by}`);
}

function summary(items, before, after) {
  const moved = items.filter((item) => wayOf(item) !== "same").length;
  const told = `${count(items.length, "candidate")}, ${moved} at another rank.`;
  const bare = [...before, ...after].some((item) => typeof item.uplift !== "number");
  if (bare || after.length === items.length) return told; // of all items the two means are one
  const means = [before, after]
    .map((some) => (100 * some.reduce((sum, item) => sum + item.uplift, 0)) / some.length);
  const digits = digitsFor(Math.max(...means.map(Math.abs)));
  const [old, now] = means.map((mean) => mean.toFixed(digits).replace("-", "−"));
  return `${told} Mean uplift of the first ${after.length}, by the model's own estimate: ${old} in `
    + `the base list, ${now} in the causal list.`;
}

/** Draw a line from each row of the base list to the same item's row in the causal list. */
export function drawLines() {
  const box = lines.getBoundingClientRect();
  lines.replaceChildren();
  if (!box.width) return; // hidden, or the lists stand one below the other
  for (const [place, { base: from, causal: to, way }] of pairs) {
    if (!from || !to) continue; // one of the lists ends before
    const [a, b] = [from, to].map((row) => row.getBoundingClientRect())
      .map((each) => each.top + each.height / 2 - box.top);
    const line = document.createElementNS(SVG, "path");
    const half = box.width / 2;
    line.setAttribute("d", `M0 ${a}C${half} ${a} ${half} ${b} ${box.width} ${b}`);
    line.setAttribute("data-place", place);
    line.setAttribute("class", way);
    lines.append(line);
  }
}

function mark(event) {
  const place = event.target.closest?.("[data-place]")?.dataset.place;
  for (const row of lists.querySelectorAll("[data-place]")) {
    row.classList.toggle("marked", row.dataset.place === place);
  }
}

for (const kind of ["pointerover", "focusin", "pointerleave"]) lists.addEventListener(kind, mark);
new ResizeObserver(drawLines).observe(lists);
