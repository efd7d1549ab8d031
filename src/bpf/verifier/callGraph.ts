import { MAX_CALL_FRAMES } from "../../layout/index.ts";
import { Rejected } from "./rejection.ts";
import type { VerifiedFunction } from "./verified.ts";

/** At most 8 functions are active at once on any way through the calls, and none calls itself. kernel/bpf/verifier.c: check_max_stack_depth. */
export function checkCallDepth(functions: readonly VerifiedFunction[]): void {
  const byStart = new Map(functions.map((made) => [made.start, made]));
  /** Frames that a function needs, itself included; 0 while it is looked at, so that recursion shows. */
  const frames = new Map<number, number>();
  const depthOf = (start: number): number => {
    const known = frames.get(start);
    if (known === 0) throw new Rejected("call_depth", start, { frames: MAX_CALL_FRAMES + 1 });
    if (known !== undefined) return known;
    frames.set(start, 0);
    let deepest = 0;
    for (const callee of byStart.get(start)?.calls ?? []) deepest = Math.max(deepest, depthOf(callee));
    frames.set(start, deepest + 1);
    if (deepest + 1 > MAX_CALL_FRAMES) throw new Rejected("call_depth", start, { frames: MAX_CALL_FRAMES + 1 });
    return deepest + 1;
  };
  for (const { start } of functions) depthOf(start);
}
