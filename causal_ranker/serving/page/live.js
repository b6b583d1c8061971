// How the service fares: polled while somebody looks, and told for the last minute.
import { ask } from "./api.js";
import { histogram, quantile } from "./metrics.js";
import { count, policyName, reason, short } from "./words.js";

const EVERY = 5_000, WINDOW = 60_000; // ms
const LATENCY = "causal_ranker_latency_seconds";
const at = (id) => document.getElementById(id);
let samples = [], timer, asking, begun = false, paused = false, onRefusal;

/** Begin to poll. Where a key is needed it ends, and `refused` is called. */
export function startLive(refused) {
  onRefusal = refused;
  begun = true;
  goOn();
}

function goOn() {
  clearTimeout(timer);
  asking?.abort();
  if (begun && !paused && !document.hidden) poll(asking = new AbortController());
}

async function poll({ signal }) {
  try {
    const version = await ask("v1/version", { signal });
    const buckets = histogram(await ask("metrics", { signal }), LATENCY);
    keep({ time: performance.now(), version, buckets });
    show();
  } catch (error) {
    if (signal.aborted) return;
    samples = [];
    for (const id of ["rate", "fallback", "slow"]) at(id).textContent = "–";
    for (const id of ["requests", "reasons", "median"]) at(id).textContent = "";
    at("model").textContent = "no answer";
    at("about").textContent = `${error.message}; asked again every ${EVERY / 1000} s`;
    if (error.status === 401) {
      begun = false;
      onRefusal();
      return;
    }
  }
  timer = setTimeout(goOn, EVERY);
}

// Counts begin again with another model or another process; so does what is told of them.
function keep(now) {
  const last = samples.at(-1);
  if (last && (last.version.version !== now.version.version
    || last.version.requests > now.version.requests)) samples = [];
  samples.push(now);
  while (samples.length > 2 && now.time - samples[1].time > WINDOW) samples.shift();
}

function show() {
  const first = samples[0], last = samples.at(-1), { version } = last;
  at("model").textContent = version.version;
  const [from, until] = version.training_window.map((moment) => moment.slice(0, 10));
  at("about").textContent = `${policyName(version.policy)}; trained on ${from} to ${until}; `
    + `published ${version.created_at.slice(0, 10)}${beside(version)}`;
  at("requests").textContent = `${count(version.requests, "list")} of this model so far`;
  at("reasons").textContent = Object.entries(version.fallbacks)
    .map(([why, n]) => `${n.toLocaleString("en")} × ${reason(why)}`).join("; ")
    || "none of this model so far";
  const lists = version.requests - first.version.requests;
  const fell = sum(version.fallbacks) - sum(first.version.fallbacks);
  const [half, most] = [0.5, 0.99].map((share) => quantile(first.buckets, last.buckets, share));
  const told = {
    rate: `${short((1000 * lists) / (last.time - first.time))} per s`,
    fallback: lists ? `${((100 * fell) / lists).toFixed(1)} %` : "no lists",
    slow: most ?? "no lists",
  };
  for (const [id, text] of Object.entries(told)) {
    at(id).textContent = first === last ? "…" : text; // a rate takes two readings
  }
  at("median").textContent = half === null ? "" : `half within ${half}`;
}

const sum = (counts) => Object.values(counts).reduce((total, n) => total + n, 0);

function beside({ shadow, canary }) {
  return [["shadow", shadow], ["canary", canary]]
    .filter(([, version]) => version !== null)
    .map(([role, version]) => `; ${role} ${version}`).join("");
}

at("pause").addEventListener("click", () => {
  paused = !paused;
  at("pause").setAttribute("aria-pressed", String(paused));
  goOn();
});
document.addEventListener("visibilitychange", goOn);
