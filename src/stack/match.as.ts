/**
 * Longest-prefix match. A trie node is 256 words, one per value of an address byte: 0 for no route, an address for a route (leaf), an odd address for the node
 * of the next byte (plus 1). Prefixes that end within a byte fill all words they cover, so a match is at most one load per address byte. Built by stack/trie.ts.
 */
import { Neighbour_SIZE, Neighbour_address, Neighbour_family, Neighbour_ifindex } from "../layout/layout.generated.as";

/** The route that matches the address (network byte order) at `address` best, or 0. `root`: a node, or 0 for an empty table. */
export function matchRoute(root: u32, address: u32): u32 {
  if (root == 0) return 0;
  let entry = root + 1;
  while (entry & 1) entry = load<u32>(entry - 1 + (u32(load<u8>(address++)) << 2));
  return entry;
}

/** Where the search for a neighbour begins; stack/neighbours.ts computes the same. */
function neighbourHash(ifindex: u32, a: u32, b: u32, c: u32, d: u32): u32 {
  let hash = (a ^ rotl<u32>(b, 8) ^ rotl<u32>(c, 16) ^ rotl<u32>(d, 24) ^ (ifindex * 0x9e3779b1)) * 0x85ebca6b;
  hash ^= hash >> 15;
  return hash * 0xc2b2ae35;
}

/** The Neighbour entry of an IPv4 address on a device, or 0. */
export function findNeighbour4(table: u32, mask: u32, ifindex: u32, family: u32, address: u32): u32 {
  return find(table, mask, ifindex, family, load<u32>(address), 0, 0, 0);
}

/** The Neighbour entry of an IPv6 address on a device, or 0. */
export function findNeighbour6(table: u32, mask: u32, ifindex: u32, family: u32, address: u32): u32 {
  return find(table, mask, ifindex, family, load<u32>(address), load<u32>(address, 4), load<u32>(address, 8), load<u32>(address, 12));
}

function find(table: u32, mask: u32, ifindex: u32, family: u32, a: u32, b: u32, c: u32, d: u32): u32 {
  if (table == 0) return 0;
  let slot = neighbourHash(ifindex, a, b, c, d) & mask;
  for (let left = mask + 1; left != 0; left--) {
    const entry = table + slot * Neighbour_SIZE;
    const at = load<u32>(entry, Neighbour_ifindex);
    if (at == 0) return 0;
    if (
      at == ifindex &&
      load<u32>(entry, Neighbour_family) == family &&
      load<u32>(entry, Neighbour_address) == a &&
      load<u32>(entry, Neighbour_address + 4) == b &&
      load<u32>(entry, Neighbour_address + 8) == c &&
      load<u32>(entry, Neighbour_address + 12) == d
    )
      return entry;
    slot = (slot + 1) & mask;
  }
  return 0;
}
