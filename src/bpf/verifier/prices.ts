import type { Instruction } from "../isa/index.ts";
import { calledKfunc } from "../spec.ts";
import type { VerifiedFunction, VerifiedProgram } from "./verified.ts";

/** What instructions cost where time is modelled, picoseconds. Plain data: it can be posted to a worker. */
export interface InstructionPrices {
  readonly instruction: number;
  readonly division: number;
  readonly atomic: number;
  readonly call: number;
  /**
   * What a helper or kfunc takes beside the call, by its kernel name, or by name and BPF_MAP_TYPE_* as in "bpf_map_lookup_elem/1" where the program loads such a map into r1
   * right before the call. Those that are not named take nothing.
   */
  readonly helpers: Readonly<Record<string, number>>;
}

/** A program with its prices, the same in every engine. By slot; nothing stands at the second half of a 16-byte instruction. */
export interface PricedInstructions {
  /** Picoseconds. */
  readonly costs: Int32Array;
  /** 1 where the program gets hold of the packet's bytes, which may not be in the cache. */
  readonly touches: Uint8Array;
}

const slowOperations: ReadonlySet<string> = new Set(["div", "mod", "sdiv", "smod"]);

/** Helpers and kfuncs that look into the packet for the program. */
const touching: ReadonlySet<string> = new Set(["bpf_xdp_load_bytes", "bpf_xdp_store_bytes", "bpf_dynptr_from_xdp"]);

export function priceInstructions(verified: VerifiedProgram, prices: InstructionPrices): PricedInstructions {
  const { instructions, functions } = verified;
  const costs = new Int32Array(instructions.length);
  const touches = new Uint8Array(instructions.length);
  for (const made of functions) {
    const contexts = contextRegisters(verified, made);
    let map: number | undefined;
    for (let index = made.start; index < made.end; index++) {
      const instruction = instructions[index];
      if (instruction === undefined) continue;
      costs[index] = Math.round(prices.instruction + extra(verified, instruction, prices, map));
      if (touchesPacket(verified, instruction, contexts)) touches[index] = 1;
      map = mapInR1(verified, instruction, map);
    }
  }
  return { costs, touches };
}

function extra(verified: VerifiedProgram, instruction: Instruction, prices: InstructionPrices, map: number | undefined): number {
  const { row } = instruction;
  switch (row.kind) {
    case "alu64":
    case "alu32":
      return slowOperations.has(row.operation) ? prices.division : 0;
    case "atomic":
      return prices.atomic;
    case "legacy_load":
      return prices.call;
    case "call": {
      const name = calledName(verified, instruction);
      return prices.call + (prices.helpers[`${name}/${map}`] ?? prices.helpers[`${name}`] ?? 0);
    }
    default:
      return 0;
  }
}

/** Kernel name of the helper or kfunc that a call names. */
function calledName({ spec, type }: VerifiedProgram, { row, imm }: Instruction): string | undefined {
  if (row.kind !== "call" || row.callee === "function") return undefined;
  return row.callee === "helper" ? type.helpers.get(imm)?.name : calledKfunc(spec, type, imm)?.name;
}

/** The map in r1 behind an instruction, as straight-line code shows it. */
function mapInR1({ spec }: VerifiedProgram, { row, dst, imm }: Instruction, before: number | undefined): number | undefined {
  if (row.kind === "call") return undefined;
  if (row.kind === "load_imm64" && dst === 1) {
    return row.source === "map" || row.source === "map_index" ? spec.maps[imm]?.type : undefined;
  }
  const writes = row.kind === "alu64" || row.kind === "alu32" || row.kind === "load" || row.kind === "load_acquire";
  return writes && dst === 1 ? undefined : before;
}

/** The packet's address is taken from the context, or a call looks at the packet. */
function touchesPacket(verified: VerifiedProgram, instruction: Instruction, contexts: ReadonlySet<number>): boolean {
  const { row, src, offset } = instruction;
  if (row.kind === "call") return touching.has(calledName(verified, instruction) ?? "");
  return row.kind === "load" && row.size === 4 && offset === verified.type.context.at.data && contexts.has(src);
}

/** Registers that hold the context somewhere in a function: r1 where it begins, and what it is moved to, by way of the stack too. Rather too many than too few. */
function contextRegisters({ instructions }: VerifiedProgram, { start, end }: VerifiedFunction): ReadonlySet<number> {
  const registers = new Set([1]);
  for (let before = 0; before !== registers.size; ) {
    before = registers.size;
    let spilled = false;
    for (let index = start; index < end; index++) {
      const instruction = instructions[index];
      if (instruction === undefined) continue;
      const { row, dst, src } = instruction;
      if (row.kind === "alu64" && row.operation === "mov" && row.operand === "src" && registers.has(src)) registers.add(dst);
      else if (row.kind === "store" && dst === 10 && row.size === 8 && row.operand === "src" && registers.has(src)) spilled = true;
      else if (row.kind === "load" && src === 10 && row.size === 8 && spilled) registers.add(dst);
    }
  }
  return registers;
}
