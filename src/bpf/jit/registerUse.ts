import type { HelperSpec } from "../spec.ts";
import { TAIL_CALL } from "./calls.ts";
import type { Operation } from "./operation.ts";

const bit = (register: number): number => 1 << register;
const ALL_ARGUMENTS = bit(1) | bit(2) | bit(3) | bit(4) | bit(5);

/** An operation reads no more registers than this. */
export const MOST_READ = 5;

/** Registers that an operation reads, as a bit mask; r10 counts. Calls read what their callee takes. */
export function readsOf(operation: Operation, helpers: ReadonlyMap<number, HelperSpec>): number {
  switch (operation.kind) {
    case "alu": {
      const source = "register" in operation.source ? bit(operation.source.register) : 0;
      return operation.name.startsWith("mov") ? source : source | bit(operation.dst);
    }
    case "branch":
      return bit(operation.dst) | ("register" in operation.source ? bit(operation.source.register) : 0);
    case "cast":
      return bit(operation.src);
    case "load":
      return bit(operation.base);
    case "loadAcquire":
      return bit(operation.base);
    case "store":
      return bit(operation.base) | ("register" in operation.source ? bit(operation.source.register) : 0);
    case "storeRelease":
      return bit(operation.base) | bit(operation.src);
    case "atomic":
      return bit(operation.base) | bit(operation.src) | (operation.name === "cmpxchg" ? bit(0) : 0);
    case "packetLoad":
      return bit(6) | (operation.index === undefined ? 0 : bit(operation.index));
    case "helper": {
      if (operation.id === TAIL_CALL) return bit(1) | bit(2) | bit(3);
      const helper = helpers.get(operation.id);
      if (helper === undefined || helper.cold) return ALL_ARGUMENTS;
      return ((1 << helper.call.parameters.length) - 1) << 1;
    }
    case "kfunc":
    case "call":
      return ALL_ARGUMENTS;
    case "exit":
      return bit(0);
    default:
      return 0;
  }
}

/** The register that an operation writes, or undefined. Calls leave r1..r5 as they were: nothing reads them behind one. */
export function writtenBy(operation: Operation): number | undefined {
  switch (operation.kind) {
    case "alu":
    case "constant":
    case "map":
    case "mapValue":
    case "callback":
    case "cast":
    case "load":
    case "loadAcquire":
      return operation.dst;
    case "atomic":
      if (operation.name === "cmpxchg") return 0;
      return operation.fetch ? operation.src : undefined;
    case "packetLoad":
    case "helper":
    case "kfunc":
    case "call":
      return 0;
    default:
      return undefined;
  }
}
