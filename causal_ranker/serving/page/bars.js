// Bars of effects around zero, on one scale for all that stand side by side.
import { digitsFor, make, signed } from "./words.js";

/** A scale for some effects (and the ends of their intervals): plays per 100 impressions. */
export function scaleOf(values) {
  const known = values.filter((value) => typeof value === "number").map((value) => 100 * value);
  const low = Math.min(0, ...known), high = Math.max(0, ...known);
  const span = high - low || 1;
  return {
    digits: digitsFor(Math.max(high, -low)),
    place: (value) => `${(100 * (100 * value - low)) / span}%`,
    width: (from, to) => `${(100 * 100 * Math.abs(to - from)) / span}%`,
  };
}

/** The bar and the figure of one effect; a dash where there is none. */
export function bar(scale, value, [low, high] = []) {
  if (typeof value !== "number") return make("span", { class: "bar" }, "–");
  const between = typeof low === "number" && typeof high === "number";
  const figure = make("span", { class: "figure" }, signed(100 * value, scale.digits));
  const track = make("span", { class: "track", "aria-hidden": "true" });
  const fill = make("span", { class: value < 0 ? "fill less" : "fill" });
  fill.style.left = scale.place(Math.min(0, value));
  fill.style.width = scale.width(0, value);
  const zero = make("span", { class: "zero" });
  zero.style.left = scale.place(0);
  track.append(fill, zero);
  const all = make("span", { class: "bar" }, figure, track);
  if (between) {
    const whisker = make("span", { class: "whisker" });
    whisker.style.left = scale.place(low);
    whisker.style.width = scale.width(low, high);
    track.append(whisker);
    const ends = [low, high].map((end) => signed(100 * end, scale.digits)).join(" to ");
    all.append(make("span", { class: "ends" }, ends));
  }
  return all;
}
