import { Presets, SingleBar } from "cli-progress";
import { duration } from "../report/index.ts";

/** Shows how far a long run is. Silent where standard error is no terminal. */
export interface Progress {
  /** `done` in the unit of `total` (bytes or packets); `packets` so far. */
  update(done: number, packets: number): void;
  stop(): void;
}

const silent: Progress = { update: () => {}, stop: () => {} };

/** A bar on standard error that appears only when a run takes longer than half a second. `total` 0: unknown, no bar. */
export function startProgress(total: number): Progress {
  if (!process.stderr.isTTY || total === 0) return silent;
  const started = performance.now();
  const bar = new SingleBar(
    {
      format: " {bar} {percentage} %   {packets} packets   {eta_formatted} left",
      stream: process.stderr,
      clearOnComplete: true,
      hideCursor: true,
      etaBuffer: 50,
      formatTime: (seconds) => duration(seconds * 1e9),
    },
    Presets.shades_classic,
  );
  let shown = false;
  return {
    update(done, packets) {
      const values = { packets: packets.toLocaleString("en-US") };
      if (shown) bar.update(Math.min(done, total), values);
      else if (performance.now() - started > 500) {
        shown = true;
        bar.start(total, Math.min(done, total), values);
      }
    },
    stop() {
      if (shown) bar.stop();
    },
  };
}
