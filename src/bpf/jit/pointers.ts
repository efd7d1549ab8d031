import { MAP_MAGIC, MapHeader, PROGRAM_ZONE } from "../../layout/index.ts";
import type { PointerKind, RuntimeFunction } from "../spec.ts";
import { type FunctionContext, pushNarrow } from "./context.ts";
import { factOf, type Value } from "./facts.ts";

/**
 * Checks of addresses that nobody has proved: what a program writes, itself or through a helper, must lie in its zone of the memory (layout/zones.ts), or the run
 * ends. They cost a comparison each, and nothing where the address is known when the program is compiled.
 */

/** Furthest that an instruction's offset and what is known of a register lead away from a frame or a map's value: less than the zone's first page, which is unused. */
const REACH = 0x8000;

/** An address that lies in the program's zone whatever the program does. */
function isProgramsOwn(value: Value | undefined, offset: number): boolean {
  switch (value?.kind) {
    case "frame":
      return Math.abs(value.offset + offset) <= REACH;
    case "mapValue":
      return value.present && Math.abs(value.offset + offset) <= REACH;
    case "address":
      return value.address + offset >= PROGRAM_ZONE;
    default:
      return false;
  }
}

/** In front of a store to `base + offset`, its address (but for the memarg) on the stack, where it stays: ends the run if that is the engine's. */
export function emitZoneCheck({ code, scratch, state }: FunctionContext, base: number, offset: number): void {
  if (isProgramsOwn(factOf(state, base), offset)) return;
  const at = scratch("i32");
  code.tee(at);
  code.i32(PROGRAM_ZONE);
  code.op("i32.lt_u");
  code.if();
  code.op("unreachable");
  code.end();
  code.get(at);
}

/** Checks what a call passes to the runtime. */
export function emitPointerChecks(context: FunctionContext, { pointers }: RuntimeFunction): void {
  for (const [index, kind] of pointers?.entries() ?? []) if (kind !== undefined) emitPointerCheck(context, index + 1, kind);
}

/** Checks one register that is passed. */
export function emitPointerCheck(context: FunctionContext, register: number, kind: PointerKind): void {
  const { code, program } = context;
  const value = factOf(context.state, register);
  if (kind === "map" && value?.kind === "map") return;
  if ((kind === "written" || kind === "written or NULL") && isProgramsOwn(value, 0)) return;
  pushNarrow(context, register);
  switch (kind) {
    case "context":
      code.globalGet(program.context!);
      code.op("i32.ne");
      break;
    case "written":
      code.i32(PROGRAM_ZONE);
      code.op("i32.lt_u");
      break;
    case "written or NULL":
      // NULL - 1 is above all addresses.
      code.i32(-1);
      code.op("i32.add");
      code.i32(PROGRAM_ZONE - 1);
      code.op("i32.lt_u");
      break;
    case "callback":
      // Below the first the difference wraps around.
      code.i32(program.callbacks.first);
      code.op("i32.sub");
      code.i32(program.callbacks.count);
      code.op("i32.ge_u");
      break;
    case "map":
      emitNoMap(context);
  }
  code.if();
  code.op("unreachable");
  code.end();
}

/** Replaces an address by whether no map's header stands there. Headers are the engine's: no program can make one. */
function emitNoMap({ code, scratch }: FunctionContext): void {
  const at = scratch("i32");
  code.tee(at);
  code.i32(PROGRAM_ZONE);
  code.op("i32.lt_u");
  code.if("i32");
  code.get(at);
  code.memory("i32.load", MapHeader.at.magic);
  code.i32(MAP_MAGIC);
  code.op("i32.ne");
  code.else();
  code.i32(1);
  code.end();
}
