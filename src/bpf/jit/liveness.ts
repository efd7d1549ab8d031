import type { HelperSpec } from "../spec.ts";
import type { FunctionGraph } from "./blocks.ts";
import type { Operation } from "./operation.ts";
import { readsOf, writtenBy } from "./registerUse.ts";

/** For each block of a function the registers, as a bit mask, whose values somebody reads behind it. */
export function liveBehindBlocks(
  operations: readonly Operation[],
  { blocks, successors }: FunctionGraph,
  helpers: ReadonlyMap<number, HelperSpec>,
): Uint16Array {
  const count = blocks.length;
  const read = new Uint16Array(count);
  const written = new Uint16Array(count);
  for (const [index, { start, end }] of blocks.entries()) {
    for (let at = end - 1; at >= start; at--) {
      const operation = operations[at]!;
      const target = writtenBy(operation);
      if (target !== undefined) {
        read[index]! &= ~(1 << target);
        written[index]! |= 1 << target;
      }
      read[index]! |= readsOf(operation, helpers);
    }
  }
  const behind = new Uint16Array(count);
  for (let changed = true; changed; ) {
    changed = false;
    for (let index = count - 1; index >= 0; index--) {
      let live = 0;
      for (const node of successors[index + 1]!) live |= read[node - 1]! | (behind[node - 1]! & ~written[node - 1]!);
      if (live === behind[index]) continue;
      behind[index] = live;
      changed = true;
    }
  }
  return behind;
}
