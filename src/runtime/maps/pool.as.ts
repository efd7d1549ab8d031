import {
  CpuBlock_slot,
  HashElement_link,
  HashHeader_capacity,
  HashHeader_free_lists,
  HashHeader_fresh,
  HashHeader_slots,
  HashHeader_value_offset,
  HashHeader_value_stride,
  HashHeader_values,
  MapHeader_cpu_stride,
  MapHeader_elements,
  MapHeader_stride,
} from "../../layout/layout.generated.as";
import { cpu } from "../cpu.as";

/**
 * Elements of a hash table that are not in it. Each slot (CPU, and the host) has a stack of free elements, a 64-bit word: address of the first in
 * the low half, a count of changes in the high half, so that a compare-and-swap fails if the stack changed and changed back. `link` of a free
 * element is the next one; `next` stays as it was for readers who stand on it.
 * An element is taken from the own stack (last freed first, as the kernel does), then from those never handed out, then from the other stacks:
 * so "full" means that every element is in use.
 */
const TRIES: u32 = 1 << 20;

function pop(list: u32): u32 {
  for (let tries = TRIES; tries > 0; tries--) {
    const top = atomic.load<u64>(list);
    const element = u32(top);
    if (element == 0) return 0;
    const next = u64(load<u32>(element, HashElement_link));
    if (atomic.cmpxchg<u64>(list, top, (((top >> 32) + 1) << 32) | next) == top) return element;
  }
  return 0;
}

/** Puts an element on the own stack. */
export function giveElement(map: u32, element: u32): void {
  const list = load<u32>(map, HashHeader_free_lists) + (load<u32>(cpu, CpuBlock_slot) << 3);
  for (let tries = TRIES; tries > 0; tries--) {
    const top = atomic.load<u64>(list);
    store<u32>(element, u32(top), HashElement_link);
    if (atomic.cmpxchg<u64>(list, top, (((top >> 32) + 1) << 32) | u64(element)) == top) return;
  }
}

/** An element that is in no chain, or 0 when all are in use. */
export function takeElement(map: u32): u32 {
  const lists = load<u32>(map, HashHeader_free_lists);
  const slot = load<u32>(cpu, CpuBlock_slot);
  const own = pop(lists + (slot << 3));
  if (own != 0) return own;
  const capacity = load<u32>(map, HashHeader_capacity);
  if (atomic.load<u32>(map, HashHeader_fresh) < capacity) {
    const index = atomic.add<u32>(map, 1, HashHeader_fresh);
    if (index < capacity) return freshElement(map, index);
  }
  for (let other: u32 = 0; other < load<u32>(map, HashHeader_slots); other++) {
    const element = pop(lists + (other << 3));
    if (element != 0) return element;
  }
  return 0;
}

/** Address of element `index`; in per-CPU kinds it gets its values' address. */
export function freshElement(map: u32, index: u32): u32 {
  const element = load<u32>(map, MapHeader_elements) + index * load<u32>(map, MapHeader_stride);
  if (load<u32>(map, MapHeader_cpu_stride) != 0) {
    const values = load<u32>(map, HashHeader_values) + index * load<u32>(map, HashHeader_value_stride);
    store<u32>(element + load<u32>(map, HashHeader_value_offset), values);
  }
  return element;
}
