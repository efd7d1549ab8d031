import type { HelperSpec } from "../spec.ts";
import type { FunctionGraph } from "./blocks.ts";
import { type Operations, operationAt } from "./operation.ts";
import { readsOf, writtenBy } from "./registerUse.ts";

/** r0 to r10. */
export const ALL_REGISTERS = 0x7ff;

/** For each block of a function the registers, as a bit mask, whose values somebody reads behind it. Behind a node that is no block: all of them. */
export function liveBehindBlocks(
  operations: Operations,
  { blocks, successors }: FunctionGraph,
  helpers: ReadonlyMap<number, HelperSpec>,
): Uint16Array {
  const count = blocks.length;
  const read = new Uint16Array(count);
  const written = new Uint16Array(count);
  for (const [index, { start, end }] of blocks.entries()) {
    for (let at = end - 1; at >= start; at--) {
      const operation = operationAt(operations, at);
      const target = writtenBy(operation);
      if (target !== undefined) {
        read[index]! &= ~(1 << target);
        written[index]! |= 1 << target;
      }
      read[index]! |= readsOf(operation, helpers);
    }
  }
  // From the last block to the first, which is all that code without loops needs; then whatever leads to a block whose answer grew.
  const behind = new Uint16Array(count);
  const before = predecessorsOf(successors, count);
  const stack = Array.from({ length: count }, (_, index) => index);
  const isPending = new Uint8Array(count).fill(1);
  for (let index = stack.pop(); index !== undefined; index = stack.pop()) {
    isPending[index] = 0;
    let live = 0;
    for (const node of successors[index + 1]!)
      live |= node > count ? ALL_REGISTERS : read[node - 1]! | (behind[node - 1]! & ~written[node - 1]!);
    if (live === behind[index]) continue;
    behind[index] = live;
    for (const from of before[index]!) {
      if (isPending[from] === 1) continue;
      isPending[from] = 1;
      stack.push(from);
    }
  }
  return behind;
}

/** For each block those that lead to it. */
function predecessorsOf(successors: FunctionGraph["successors"], count: number): number[][] {
  const before: number[][] = Array.from({ length: count }, () => []);
  for (let index = 0; index < count; index++) {
    for (const node of successors[index + 1]!) if (node <= count) before[node - 1]!.push(index);
  }
  return before;
}
