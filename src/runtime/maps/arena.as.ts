import { ArenaHeader_pages, ArenaHeader_present, ArenaHeader_start, MapHeader_elements } from "../../layout/layout.generated.as";

/**
 * ARENA, as programs reach it: where the `size` (1 to 8) bytes stand whose user address has this low half, or 0 where the kernel's access would fault: outside of the arena, or on a page that
 * is not there. Only user space makes pages, one atomic byte each, and none ever goes. kernel/bpf/arena.c.
 */
export function arenaAddress(map: u32, at: u32, size: u32): u32 {
  const offset = at - load<u32>(map, ArenaHeader_start);
  const last = u64(offset) + u64(size) - 1;
  if (last >= u64(load<u32>(map, ArenaHeader_pages)) << 12) return 0;
  const present = load<u32>(map, ArenaHeader_present);
  if (atomic.load<u8>(present + (offset >> 12)) == 0 || atomic.load<u8>(present + u32(last >> 12)) == 0) return 0;
  return load<u32>(map, MapHeader_elements) + offset;
}
