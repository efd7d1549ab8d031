import { bytes, defineStruct, u32 } from "./struct.ts";

/** Bytes of a page: PAGE_SIZE of x86-64. */
export const ARENA_PAGE = 4096;
/** Pages that have a place in the memory, 256 MiB of them: those of a larger arena that lie behind are never there. */
export const ARENA_PAGES_MAX = 65_536;

/**
 * ARENA: the type's words of the header (runtime/maps/arena.as.ts). Its pages stand at `elements`, one behind the other. User space and programs name a byte by its user address, of
 * which `start` is the low half of the first; no arena crosses a multiple of 4 GiB.
 */
export const ArenaHeader = defineStruct(
  "arena_header",
  {
    common: bytes(64, 8),
    start: u32,
    /** Pages that have a place: max_entries, or ARENA_PAGES_MAX. */
    pages: u32,
    /** A byte for each of them: 1 when the page is there. */
    present: u32,
  },
  { start: 64 },
);

/**
 * What stands in the upper 24 bits of a pointer that was cast to the kernel's address space: so the engines tell it from other addresses, as the kernel's verifier does by the type of the
 * register. Its low half is the user address's. (In Linux the upper half is 0.)
 */
export const ARENA_POINTER = 0xa7e4a0;

/** map_flags. include/uapi/linux/bpf.h. */
export const BPF_F_SEGV_ON_FAULT = 0x20000;
export const BPF_F_NO_USER_CONV = 0x40000;
