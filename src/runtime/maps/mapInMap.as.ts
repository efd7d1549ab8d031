import { arrayLookup } from "./array.as";
import { hashLookup } from "./hash.as";

/**
 * ARRAY_OF_MAPS and HASH_OF_MAPS: arrays and hash tables whose values are u32 addresses of MapHeaders, 0 for an empty entry. Only the main thread writes
 * them, one aligned word each, so a CPU sees the old inner map or the new one.
 */
export function innerOfArray(map: u32, key: u32): u32 {
  const at = arrayLookup(map, key);
  return at == 0 ? 0 : load<u32>(at);
}

export function innerOfHash(map: u32, key: u32): u32 {
  const at = hashLookup(map, key);
  return at == 0 ? 0 : load<u32>(at);
}
