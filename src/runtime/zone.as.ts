import { PROGRAM_ZONE } from "../layout/layout.generated.as";

/**
 * The context that the current program was started with. A global, like the fuel, so that no program can write it: helpers write through their context, and
 * nobody has proved that what a program passes for it is one. The engines compare before the call.
 */
export let context: u32 = 0;

export function setContext(address: u32): void {
  context = address;
}

/**
 * `size` bytes from here on are about to be copied: ends the run if they leave the memory, before anything is changed for their sake. A copy behind this check
 * does not trap.
 */
export function checkReadable(at: u32, size: u32): void {
  if (u64(at) + u64(size) > u64(memory.size()) << 16) unreachable();
}

/** An address that a program left in its memory (in a dynptr), or could have changed there (its context's edges), and that is now written at: ends the run if it is the engine's. */
export function programAddress(at: u32): u32 {
  if (at < PROGRAM_ZONE) unreachable();
  return at;
}

/** A context that a program left in its memory: ends the run if it is not the current one. */
export function currentContext(at: u32): u32 {
  if (at != context) unreachable();
  return at;
}
