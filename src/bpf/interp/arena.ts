import { ARENA_POINTER } from "../../layout/index.ts";
import type { RuntimeFunction } from "../spec.ts";
import { low32 } from "./calls.ts";
import type { Machine, RuntimeCall } from "./machine.ts";

/** Where bytes of an arena stand, or 0: runtime/maps/arena.as.ts. */
const arenaAddress: RuntimeFunction = { entry: "arenaAddress", parameters: ["i32", "i32", "i32"], result: "u32" };

/** A program's pointers into its arena (layout/arena.ts). */
export class ArenaAccess {
  readonly #map: bigint;
  readonly #upper: bigint;
  readonly #find: RuntimeCall;

  /** `map`: the address of its header. */
  constructor(machine: Machine, map: number, { start, converts }: { readonly start: bigint; readonly converts: boolean }) {
    this.#map = BigInt(map);
    this.#upper = converts ? (start >> 32n) << 32n : 0n;
    this.#find = machine.runtimeFunction(arenaAddress);
  }

  /** addr_space_cast. A user address whose lower half is 0 is NULL. */
  cast(to: "kernel" | "user", value: bigint): bigint {
    const lower = BigInt.asUintN(32, value);
    if (to === "kernel") return (BigInt(ARENA_POINTER) << 40n) | lower;
    return lower === 0n ? 0n : this.#upper | lower;
  }

  /** Whether a register holds a pointer that was cast to the kernel's address space. */
  holds(register: bigint): boolean {
    return register >> 40n === BigInt(ARENA_POINTER);
  }

  /** Where `size` bytes stand, or undefined where they are not there. */
  addressOf(register: bigint, offset: number, size: number): number | undefined {
    const at = BigInt.asUintN(32, register + BigInt(offset));
    return low32(this.#find([this.#map, at, BigInt(size)])) || undefined;
  }
}
