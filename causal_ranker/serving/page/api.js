// Asks the server. Ids may be whole numbers above 2^53, so JSON is read and written with care.

const PATIENCE = 10_000; // ms
let key = null; // in memory only

/** An answer that is none: its status (0: no answer at all) and what the server said. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** Send this API key from now on. */
export function useKey(text) {
  key = text;
}

const TOKENS = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const LARGE = /^-?\d{16,}$/;

/** Parse JSON; a whole number that a double cannot hold becomes a BigInt. */
export function decode(text) {
  const marked = text.replace(TOKENS, (token) =>
    LARGE.test(token) && !Number.isSafeInteger(Number(token)) ? `{"$whole":"${token}"}` : token);
  return JSON.parse(marked, (_, value) =>
    value !== null && typeof value === "object" && "$whole" in value
      ? BigInt(value.$whole) : value);
}

/** Write JSON; a BigInt is a number like any other. */
export function encode(value) {
  if (typeof value === "bigint") return value.toString();
  if (Array.isArray(value)) return `[${value.map(encode).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  const fields = Object.entries(value);
  return `{${fields.map(([name, one]) => `${JSON.stringify(name)}:${encode(one)}`).join(",")}}`;
}

/** GET a path, or POST a body to it: the parsed JSON, or the text of anything else. */
export async function ask(path, { body, signal } = {}) {
  const headers = {};
  if (key !== null) headers.Authorization = `Bearer ${key}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const ends = [AbortSignal.timeout(PATIENCE), signal].filter(Boolean);
  let answer, text;
  try {
    answer = await fetch(path, {
      method: body === undefined ? "GET" : "POST",
      body: body === undefined ? undefined : encode(body),
      headers,
      signal: AbortSignal.any(ends),
      credentials: "omit",
      cache: "no-store",
    });
    text = await answer.text();
  } catch (error) {
    if (signal?.aborted) throw error;
    const late = error.name === "TimeoutError";
    throw new Refused(0, late ? `no answer within ${PATIENCE / 1000} s` : "it cannot be reached");
  }
  if (!answer.ok) throw new Refused(answer.status, complaint(text) || `status ${answer.status}`);
  return /json/.test(answer.headers.get("content-type") ?? "") ? decode(text) : text;
}

function complaint(text) {
  try {
    return String(JSON.parse(text).error ?? "");
  } catch {
    return text.slice(0, 300); // what a server in between says
  }
}
