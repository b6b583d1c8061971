// Asks for a key where one is needed, then for a user, and shows lists or says why there are none.
import { Refused, ask, useKey } from "./api.js";
import { drawLists, hideLists } from "./lists.js";
import { startLive } from "./live.js";
import { teller } from "./why.js";
import { idText, make, readId, reason } from "./words.js";

const at = (id) => document.getElementById(id);
let known = []; // users suggested
let asking = new AbortController();
let keyed = false;

async function begin() {
  try {
    known = (await ask("v1/users")).users;
  } catch (error) {
    if (error.status === 401) return wantKey();
    known = []; // a model need not know whom it knows
  }
  askKey(false);
  at("users").replaceChildren(...known.map((id) => make("option", { value: idText(id) })));
  at("user-note").replaceChildren(...noteOnUsers());
  say("Pick a user to see the base list and the causal list side by side.");
  startLive(wantKey);
}

function noteOnUsers() {
  if (!known.length) return ["Type the id of a user."];
  return ["For example ", ...known.slice(0, 6).flatMap((id, place) => {
    const pick = make("button", { type: "button", class: "quiet" }, make("bdi", {}, idText(id)));
    pick.addEventListener("click", () => {
      at("user").value = idText(id);
      at("ask").requestSubmit();
    });
    return place ? [" ", pick] : [pick];
  })];
}

function wantKey() {
  askKey(true);
  if (keyed) say("The server does not accept this key.", true);
  else say("This server asks for an API key.");
  at("key").focus();
}

function askKey(now) {
  at("key-form").hidden = !now;
  at("ask").hidden = now;
}

function say(text, wrong = false) {
  at("state").textContent = text;
  at("state").classList.toggle("wrong", wrong);
}

/** Read lines of an item and its base score; throws what is wrong with the first bad one. */
function ownCandidates() {
  const lines = at("candidates").value.split("\n").map((line) => line.trim());
  const found = lines.map((line, place) => {
    if (!line) return null;
    const [, item, score] = line.match(/^(.*?)[\s,;]+(\S+)$/) ?? [];
    if (!item || !Number.isFinite(Number(score))) {
      throw new Error(`Line ${place + 1} of your candidates is no item and base score: ${line}`);
    }
    return { item_id: readId(item), base_score: Number(score) };
  });
  return found.filter((one) => one !== null);
}

async function show() {
  asking.abort();
  const mine = (asking = new AbortController());
  const user = readId(at("user").value, known);
  const name = `User ${idText(user)}`;
  hideLists();
  let body;
  try {
    const candidates = ownCandidates();
    // Nothing drawn and no decision written down: nobody is shown these lists.
    body = { user_id: user, log: false, ...(candidates.length ? { candidates } : {}) };
  } catch (error) {
    return say(error.message, true);
  }
  say(`Asking for the lists of user ${idText(user)} …`);
  busy(true);
  try {
    const answer = await ask("v1/rerank", { body, signal: mine.signal });
    present(answer, body, name);
  } catch (error) {
    if (mine.signal.aborted) return; // another user is asked for
    if (error.status === 401) wantKey();
    else if (error instanceof Refused) say(refusal(error, name, body), true);
    else say(`The page failed: ${error.message}`, true);
  }
  busy(false);
}

function busy(now) {
  at("result").setAttribute("aria-busy", String(now));
}

function present(answer, body, name) {
  if (!answer.items.length) return say(`${name} has no candidates: there is nothing to rank.`);
  const told = drawLists(answer, Number(at("rows").value), teller(body, answer));
  const notes = [`${name}, model ${answer.version}: ${told}`];
  if (answer.fallback !== null) {
    notes.push(`Both lists are in base order: ${reason(answer.fallback)}.`);
  }
  if (answer.fallback === "unknown_user") notes.push(otherKind(body.user_id));
  if (answer.holdout) notes.push("This user is held out and is always shown the base list.");
  if (answer.relaxed.length) {
    notes.push(`Rules that could not be kept: ${answer.relaxed.join(", ")}.`);
  }
  say(notes.filter(Boolean).join(" "), answer.fallback !== null);
}

function refusal({ status, message }, name, { candidates }) {
  if (status === 0) return `The server does not answer: ${message}.`;
  if (status === 404) return `${name} is not known: ${message}`;
  if (status === 429 || status === 503) return `The server is too busy or not ready: ${message}`;
  const hint = status === 400 && !candidates ? " Or send some of your own, above." : "";
  return `The server refuses (${status}): ${message}${hint}`;
}

// 12 and "12" are two ids, and which of them a server knows is easily mistaken.
function otherKind(user) {
  if (typeof user !== "string") return `It was taken as a number; type "${user}" for the text.`;
  return "";
}

at("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  show();
});
at("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  useKey(at("key").value.trim());
  keyed = true;
  at("key").value = "";
  say("Asking with this key …");
  begin();
});
begin();
