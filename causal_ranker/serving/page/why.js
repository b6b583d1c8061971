// Why one item moved: the sentence of the server, and what each feature does to its uplift.
import { ask } from "./api.js";
import { bar, scaleOf } from "./bars.js";
import { count, make, reason, score, short } from "./words.js";

const SHOWN = 6; // influences; the others are summed up

/** Make the function that fills a cell with why an item moved, asking once per item. */
export function teller(body, list) {
  const told = new Map(); // an item's place -> the promise of its explanation
  return async (item, cell) => {
    cell.replaceChildren(make("p", {}, "Asking why …"));
    if (!told.has(item.place)) {
      told.set(item.place, ask("v1/explain", { body: { ...body, item_id: item.item_id } }));
    }
    try {
      cell.replaceChildren(...explained(await told.get(item.place), list));
    } catch (error) {
      told.delete(item.place); // the next try asks again
      cell.replaceChildren(make("p", { class: "wrong" }, `No explanation: ${error.message}.`));
    }
  };
}

function explained(answer, list) {
  const { item, influences, average } = answer;
  const all = [make("p", {}, answer.words)];
  if (answer.version !== list.version) {
    all.push(make("p", { class: "note" }, `Explained by model ${answer.version}, which has taken `
      + "over since the lists were made."));
  }
  if (answer.fallback === null && list.fallback !== null) {
    all.push(make("p", { class: "note" }, "The lists on this page were made without the model; this "
      + "is where it would put the item."));
  } else if (answer.fallback !== null) {
    all.push(make("p", { class: "note" }, `Base order: ${reason(answer.fallback)}.`));
  }
  if (influences.length) all.push(influenceTable(influences, average));
  all.push(make("p", { class: "note" }, `Base score ${score(item.base_score)}, score in the causal `
    + `list ${score(item.score)}.`));
  return all;
}

function influenceTable(influences, average) {
  const first = influences.slice(0, SHOWN), rest = influences.slice(SHOWN);
  const lines = first.map((one) => [one.feature, short(one.value), one.uplift]);
  if (rest.length) {
    const sum = rest.reduce((total, one) => total + one.uplift, 0);
    lines.push([count(rest.length, "other feature"), "", sum]);
  }
  if (average !== null) lines.push(["before any feature", "", average]);
  const scale = scaleOf(lines.map(([, , uplift]) => uplift));
  const rows = lines.map(([name, value, uplift]) => make("tr", {},
    make("th", { scope: "row" }, make("bdi", {}, name)),
    make("td", {}, make("bdi", {}, value)),
    make("td", { class: "uplift" }, bar(scale, uplift))));
  const heads = ["Feature", "Value", "Adds (plays per 100)"]
    .map((name) => make("th", { scope: "col" }, name));
  return make("table", { class: "influences" },
    make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
}
