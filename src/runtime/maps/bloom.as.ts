import {
  BloomHeader_bit_mask,
  BloomHeader_bits,
  BloomHeader_hashes,
  BPF_ANY,
  EINVAL,
  ENOENT,
  MapHeader_value_size,
} from "../../layout/layout.generated.as";
import { hashKey } from "./keyHash.as";

/**
 * BLOOM_FILTER: bits that are only ever set, by atomic or, so that no lock is needed. As in kernel/bpf/bloom_filter.c a push with flags other than
 * BPF_ANY is -EINVAL, and a peek is 0 for "perhaps" and -ENOENT for "certainly not".
 */
function bitAt(map: u32, hash: u32, turn: u32): u32 {
  // Two independent halves give as many hashes as wanted: Kirsch and Mitzenmacher, "Less hashing, same performance".
  return (hash + turn * (((hash >> 15) | (hash << 17)) * 0x9e3779b1 | 1)) & load<u32>(map, BloomHeader_bit_mask);
}

export function bloomPush(map: u32, value: u32, flags: u64): i32 {
  if (flags != BPF_ANY) return -i32(EINVAL);
  const hash = hashKey(value, load<u32>(map, MapHeader_value_size));
  const bits = load<u32>(map, BloomHeader_bits);
  for (let turn: u32 = 0; turn < load<u32>(map, BloomHeader_hashes); turn++) {
    const bit = bitAt(map, hash, turn);
    atomic.or<u32>(bits + ((bit >> 5) << 2), 1 << (bit & 31));
  }
  return 0;
}

export function bloomPeek(map: u32, value: u32): i32 {
  const hash = hashKey(value, load<u32>(map, MapHeader_value_size));
  const bits = load<u32>(map, BloomHeader_bits);
  for (let turn: u32 = 0; turn < load<u32>(map, BloomHeader_hashes); turn++) {
    const bit = bitAt(map, hash, turn);
    if ((load<u32>(bits + ((bit >> 5) << 2)) & (1 << (bit & 31))) == 0) return -i32(ENOENT);
  }
  return 0;
}
