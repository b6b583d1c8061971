// Reads a histogram from the text that Prometheus reads.

/** Pairs of an upper bound in seconds and how many lie within it, over all labels, by bound. */
export function histogram(text, name) {
  const found = new Map();
  for (const line of text.split("\n")) {
    if (!line.startsWith(`${name}_bucket{`)) continue;
    const [, bound] = line.match(/[{,]le="([^"]+)"/);
    const upto = bound === "+Inf" ? Infinity : Number(bound);
    found.set(upto, (found.get(upto) ?? 0) + Number(line.slice(line.lastIndexOf(" ") + 1)));
  }
  return [...found].sort(([a], [b]) => a - b);
}

/** The time within which a share of the requests between two readings ended, in words. */
export function quantile(before, now, share) {
  const old = new Map(before);
  const counts = now.map(([bound, n]) => [bound, n - (old.get(bound) ?? 0)]);
  const all = counts.at(-1)?.[1] ?? 0;
  if (all <= 0) return null;
  const place = counts.findIndex(([, n]) => n >= share * all);
  const [low, below] = place > 0 ? counts[place - 1] : [0, 0];
  const [high, upto] = counts[place];
  if (high === Infinity) return `more than ${milliseconds(low)}`;
  return milliseconds(low + ((high - low) * (share * all - below)) / (upto - below));
}

const milliseconds = (seconds) => `${Number((1000 * seconds).toPrecision(2))} ms`;
