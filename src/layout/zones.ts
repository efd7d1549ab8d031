/**
 * Where the memory's program zone begins: stacks, contexts, frames, map values, all that a program may hold a pointer to and write. Below it stands the engine's own
 * state (CPU blocks, map headers, queues, records). No program writes there: stores, and helpers that are told where to write, trap below this address.
 */
export const PROGRAM_ZONE = 0x4000_0000;
