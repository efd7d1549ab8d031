import { FUEL_SHARE, LEAST_FUEL } from "../layout/index.ts";
import type { RuntimeInstance } from "../runtime/index.ts";

/**
 * The fuel of one simulated CPU (layout/fuel.ts) while others have their turn: kept here, outside the memory. What it holds depends on the CPU's own packets only, so
 * results are the same for every number of threads.
 */
export class FuelTank {
  readonly #setFuel: (held: bigint, limit: bigint) => void;
  readonly #fuel: WebAssembly.Global;
  #held: bigint;
  #limit: bigint;

  /** A full one. */
  constructor({ exports }: RuntimeInstance, limit: bigint) {
    this.#setFuel = exports.setFuel as (held: bigint, limit: bigint) => void;
    this.#fuel = exports.fuel as WebAssembly.Global;
    this.#held = limit;
    this.#limit = limit;
  }

  /** Its CPU's turn begins. */
  open(): void {
    this.#setFuel(this.#held, this.#limit);
  }

  /** Its CPU's turn is over. */
  close(): void {
    this.#held = this.#fuel.value as bigint;
  }

  /**
   * A run ended in a trap: how much it had burnt is not known to the instruction, so the tank is emptied to what one packet adds. If it was found empty it shrinks
   * as well: a program that never ends costs a second, not a second a packet.
   */
  spill(empty: boolean): void {
    const least = BigInt(LEAST_FUEL);
    const share = this.#limit / BigInt(FUEL_SHARE);
    if (empty && this.#limit > least) this.#limit = share > least ? share : least;
    const added = this.#limit / BigInt(FUEL_SHARE);
    this.#held = added > least ? added : least;
    this.open();
  }
}
