/**
 * Fuel bounds what programs may do; a unit is about one instruction. Each simulated CPU has a tank. Every packet that it receives puts a sixteenth of a full tank
 * into it, and whatever runs on the CPU burns from it: nested runs, tail calls, callbacks, and what waits for the poll's end too, so that nothing
 * multiplies it. bpf/verifier/fuelCosts.ts says what is burnt where.
 */

/** A full tank unless the user says otherwise: enough for a bpf_loop of the full length, 2^23, over a short callback, and less than a second of compiled code. */
export const DEFAULT_FUEL = 2 ** 28;
/** A tank never becomes smaller than this, and a packet adds no less: enough for the programs of one poll's packets. */
export const LEAST_FUEL = 2 ** 16;
/** 1 / this of a full tank is what a packet adds, and what a tank shrinks to when it was found empty. */
export const FUEL_SHARE = 16;
/** What entering a program costs, from the packet loop or by a tail call. Its first so many instructions are free. */
export const RUN_FUEL = 256;
