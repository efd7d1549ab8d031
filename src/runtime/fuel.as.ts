import { CpuBlock_trap, DEFAULT_FUEL, FUEL_SHARE, LEAST_FUEL, TRAP_BUDGET } from "../layout/layout.generated.as";
import { cpu } from "./cpu.as";

/**
 * What the tank of the current CPU holds (layout/fuel.ts), and what it can hold. Globals, not words of the memory: what ends a run must not stand where a wrong program
 * can write. Whoever changes `cpu` between packets changes these too. Compiled programs import `fuel`, burn from it directly, and hand it over at every call.
 */
export let fuel: i64 = DEFAULT_FUEL;
let fuelLimit: i64 = DEFAULT_FUEL;
/** What a packet adds. */
let fuelShare: i64 = DEFAULT_FUEL / FUEL_SHARE;

/** Takes `steps` from the tank; ends the run when it is empty. */
export function burnFuel(steps: i64): void {
  fuel -= steps;
  if (fuel < 0) {
    store<u32>(cpu, TRAP_BUDGET, CpuBlock_trap);
    unreachable();
  }
}

/** Takes `steps` from the tank and lets the run go on: for what must not be left half done. The next burn ends it if there was not enough. */
export function oweFuel(steps: i64): void {
  fuel -= steps;
}

/** For helpers that may be told to go through any number of bytes. What Linux lets them have costs nothing more than the call. */
export function burnBytes(count: u64): void {
  if (count > 1024) burnFuel(count >> 4);
}

/** What 50 microseconds of waiting for a lock cost. A full tank outlasts the second after which a lock is taken over, once. */
const WAIT: i64 = 10000;

export function burnWait(): void {
  burnFuel(WAIT);
}

/** For waiting that must not end the run: who waits has something in his hands that is nowhere else. */
export function oweWait(): void {
  oweFuel(WAIT);
}

/** Another CPU's tank, or a new one: what it holds, and what it can hold. */
export function setFuel(held: i64, limit: i64): void {
  fuel = held;
  fuelLimit = limit;
  fuelShare = max(limit / FUEL_SHARE, i64(LEAST_FUEL));
}

/** For runs that do not belong to a packet loop: each has a full tank. */
export function fillFuel(): void {
  fuel = fuelLimit;
}

/** A timer fires: it may be one of very many in a second. */
export function addTimerFuel(): void {
  fuel = min(fuel + LEAST_FUEL, fuelLimit);
}

/** A packet has come. */
export function addFuel(): void {
  fuel = min(fuel + fuelShare, fuelLimit);
}
