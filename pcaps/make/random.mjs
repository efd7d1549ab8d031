/** Random numbers from a seed: splitmix32, so that a capture is the same wherever it is made. */
export function seededRandom(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x9e3779b9) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
    z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
    return (z ^ (z >>> 15)) >>> 0;
  };
  const unit = () => next() / 2 ** 32;
  const below = (count) => Math.floor(unit() * count);
  return {
    unit,
    below,
    /** From `low` to `high`, both included. */
    between: (low, high) => low + below(high - low + 1),
    pick: (list) => list[below(list.length)],
    /** A waiting time with this mean, as between independent arrivals. */
    wait: (mean) => -Math.log(1 - unit()) * mean,
    bytes: (count) => Uint8Array.from({ length: count }, () => next() & 0xff),
  };
}
