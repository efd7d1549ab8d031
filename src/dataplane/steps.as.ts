
/**
 * Bounds the packet loop's own work in a poll. Frames stand in the programs' zone of the memory: a program that writes past its packet can change the links of the
 * next frame's header, and a list without end must not keep the loop. No sound list comes near the limit. A trap that no program ran into tells the worker
 * that the memory is spoiled (dataplane/cpuRunner.ts).
 */
const MOST_STEPS: u32 = 1 << 20;

let steps: u32 = MOST_STEPS;

/** A poll begins. */
export function beginSteps(): void {
  steps = MOST_STEPS;
}

/** One frame, or one queue, of a list. */
export function step(): void {
  if (steps == 0) unreachable();
  steps--;
}
