// Elements, figures, ids and reasons: what stands on the page, in words. Text is only ever text.

/** Make an element: its text or children, and attributes. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/** Show an id, which may be any text: apart from its surroundings' direction of writing. */
export function idText(id) {
  const text = String(id);
  return text.trim() === text ? text : JSON.stringify(text);
}

const NUMBER = /^-?(0|[1-9]\d*)$/;

/** Read an id as it was typed: one of those known, text in quotes, a whole number, or text. */
export function readId(typed, known = []) {
  const text = typed.trim();
  const same = known.find((id) => idText(id) === text);
  if (same !== undefined) return same;
  if (/^".*"$/s.test(text)) {
    try {
      return JSON.parse(text);
    } catch {
      return text;
    }
  }
  const texts = known.length > 0 && known.every((id) => typeof id === "string");
  if (texts || !NUMBER.test(text)) return text;
  return Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text);
}

/** Digits behind the point with which the largest of some figures has three that matter. */
export function digitsFor(largest) {
  return largest > 0 ? Math.min(8, Math.max(0, 2 - Math.floor(Math.log10(largest)))) : 2;
}

/** A figure with its sign. */
export function signed(value, digits) {
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? text : `${value < 0 ? "−" : "+"}${text}`;
}

const withMinus = (text) => text.replaceAll("-", "−").replace("+", "");

/** A base score or the like: four digits that matter, so that a column of them is even. */
export function score(value) {
  if (value === null) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e6)) return withMinus(value.toExponential(2));
  return withMinus(size >= 1000 ? value.toFixed(0) : value.toPrecision(4));
}

/** A figure of any size, or a word, as short as it goes. */
export function short(value) {
  if (typeof value !== "number") return value === null ? "missing" : String(value);
  if (Number.isSafeInteger(value)) return withMinus(String(value));
  return score(value).replace(/(\.\d*?)0+$/, "$1").replace(/\.$/, "");
}

export const count = (n, word) => `${n.toLocaleString("en")} ${word}${n === 1 ? "" : "s"}`;

const REASONS = {
  unknown_user: "the model does not know this user",
  feature_store_error: "the feature store did not answer",
  base_model_error: "the base model failed, so that there is no base score either",
  model_error: "the model failed",
  model_not_finite: "the model said something that is no number",
  model_wrong_length: "the model scored another number of items",
  interval_error: "the model gave no intervals",
  deadline: "the model did not answer in time",
  circuit_open: "the model failed so often that it is left alone for a while",
  overload: "too many requests wait for the model",
};

/** Why a list is in base order. */
export function reason(fallback) {
  return fallback in REASONS ? `${REASONS[fallback]} (${fallback})` : fallback;
}

/** A policy's name, with the weight of a blend. */
export function policyName(policy) {
  const parts = [policy.scorer ?? policy, ...(policy.rules ?? [])];
  return parts
    .map(({ kind, weight }) => (weight === undefined ? kind : `${kind} ${short(weight)}`))
    .join(", ");
}
