import { LpmHeader, LpmNode, LpmSlot, MapHeader } from "../layout/index.ts";
import { type MapPlace, padded } from "./mapLayout.ts";

/** Bytes of nodes that a trie sets aside at most; beyond them its updates fail with -ENOMEM. An LPM_TRIE is never preallocated in Linux, and max_entries often huge. */
const POOL_LIMIT = 256 << 20;
/** Entries from which on a trie gets an index, and bits of it: 4,096 slots of 8 bytes stay in the cache. */
const INDEX_FROM = 4;
const INDEX_BITS = 12;

export function layOutLpm({ memory, spec, address }: MapPlace): void {
  const dataSize = spec.keySize - 4;
  const valueOffset = LpmNode.size + padded(dataSize);
  const stride = valueOffset + padded(spec.valueSize);
  // n prefixes need up to n - 1 intermediate nodes, and an update holds one node more until the old one is free.
  const capacity = Math.min(spec.maxEntries * 2 + 1, Math.max(4, Math.floor(POOL_LIMIT / stride)));
  const indexBits = spec.maxEntries >= INDEX_FROM ? Math.min(INDEX_BITS, dataSize * 8) : 0;
  const elements = memory.allocate("program", capacity * stride, 64, spec.name);
  const index = indexBits === 0 ? 0 : memory.allocate("engine", 2 ** indexBits * LpmSlot.size, 64, spec.name);
  const { view } = memory;
  MapHeader.write(view, address, "stride", stride);
  MapHeader.write(view, address, "elements", elements);
  LpmHeader.write(view, address, "capacity", capacity);
  LpmHeader.write(view, address, "max_prefix", dataSize * 8);
  LpmHeader.write(view, address, "value_offset", valueOffset);
  LpmHeader.write(view, address, "index", index);
  LpmHeader.write(view, address, "index_bits", indexBits);
}
