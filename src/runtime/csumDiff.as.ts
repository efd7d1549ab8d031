import { csumFrom32To16, csumPartial, csumSub } from "../packet/csum.as";
import { burnBytes } from "./fuel.as";

/** bpf_csum_diff: 16-bit sum of `to` less that of `from`, plus `seed`; lengths in bytes, any, since Linux 6.13. net/core/filter.c. */
export function csumDiff(from: u32, fromSize: u32, to: u32, toSize: u32, seed: u32): u32 {
  burnBytes(u64(fromSize) + u64(toSize));
  let sum = seed;
  if (fromSize != 0 && toSize != 0) sum = csumSub(csumPartial(to, toSize, seed), csumPartial(from, fromSize, 0));
  else if (toSize != 0) sum = csumPartial(to, toSize, seed);
  else if (fromSize != 0) sum = ~csumPartial(from, fromSize, ~seed);
  return csumFrom32To16(sum);
}
