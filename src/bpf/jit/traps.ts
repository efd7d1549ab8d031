/** Which BPF instruction the code of a module belongs to. */
export interface TrapTable {
  /** Functions that the module imports: the index of the first own one. */
  readonly firstFunction: number;
  /** For each own function: offsets in the module, ascending, and the instruction that begins at each. */
  readonly functions: readonly { readonly offsets: Uint32Array; readonly instructions: Uint32Array }[];
}

/** Brings positions in functions' code (`marks`: pairs of position and instruction) to offsets in the module. */
export function trapTable(firstFunction: number, codeStart: readonly number[], marks: readonly (readonly number[])[]): TrapTable {
  const functions = marks.map((pairs, index) => {
    const count = pairs.length / 2;
    const offsets = new Uint32Array(count);
    const instructions = new Uint32Array(count);
    for (let at = 0; at < count; at++) {
      offsets[at] = codeStart[index]! + pairs[2 * at]!;
      instructions[at] = pairs[2 * at + 1]!;
    }
    return { offsets, instructions };
  });
  return { firstFunction, functions };
}

/**
 * The BPF instruction that ran when `stack`, an Error's, was taken: its innermost frame of a module called `name` (V8 writes
 * `wasm://wasm/NAME-HASH:wasm-function[INDEX]:0xOFFSET`). Undefined when no frame is the module's.
 */
export function locateTrap(name: string, traps: TrapTable, stack: string): number | undefined {
  for (const [, module, index, offset] of stack.matchAll(/wasm:\/\/wasm\/(.*?)-?[0-9a-f]{8}:wasm-function\[(\d+)\]:0x([0-9a-f]+)/g)) {
    if (module !== name) continue;
    const table = traps.functions[Number(index) - traps.firstFunction];
    if (table !== undefined) return instructionAt(table, Number.parseInt(offset!, 16));
  }
  return undefined;
}

function instructionAt({ offsets, instructions }: TrapTable["functions"][number], offset: number): number | undefined {
  let low = 0;
  let high = offsets.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (offsets[middle]! <= offset) low = middle + 1;
    else high = middle;
  }
  return instructions[low - 1];
}
