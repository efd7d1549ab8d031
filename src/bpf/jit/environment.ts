import type { RuntimeFunction } from "../spec.ts";
import type { InstructionPrices } from "../verifier/index.ts";

/** What compiled code bakes in of a map: the constant words of its header (layout/map.ts), and where the header stands. */
export interface CompiledMap {
  /** Address of the MapHeader: the value of a map pointer. */
  readonly address: number;
  /** BPF_MAP_TYPE_* */
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  readonly stride: number;
  readonly elements: number;
  readonly cpuStride: number;
  /** BPF_F_* map flags. */
  readonly flags: number;
  /** Of an ARENA: the user address of its first byte, and whether casts to user addresses fill in the upper half (not with BPF_F_NO_USER_CONV). */
  readonly arena?: { readonly start: bigint; readonly converts: boolean };
}

/**
 * What a program is compiled against. All of it is constant for the life of the compiled module, and the same in every worker, so a module compiled once
 * runs in all of them.
 */
export interface CompileEnvironment {
  /** Table index that the program will have; its callbacks take the indices behind it, and their pointers hold them. Not 0. */
  readonly slot: number;
  /** By index in the program's `maps`. */
  readonly maps: readonly CompiledMap[];
  /** A cheaper function for a helper (by number) called on this very map, if there is one; it gets the same registers. */
  readonly mapOperation?: (helper: number, map: CompiledMap) => RuntimeFunction | undefined;
  /** For tail calls through a PROG_ARRAY map that is not known at compile time: (map i32, index i32) to the program's slot, u32, or 0. */
  readonly tailCallSlot?: RuntimeFunction;
  /** Functions longer than this are compiled in parts; 40,000 instructions unless said. */
  readonly longestFunction?: number;
  /** The program adds what it executes to the runtime's `spent`. */
  readonly prices?: InstructionPrices;
}
