/** The flow hash of an skb: what programs set, and what the stack computes. include/linux/skbuff.h. */
import { SkBuff_hash, SkBuff_hash_valid, SkBuff_l4_hash } from "../layout/layout.generated.as";
import { skbClearHash } from "./skb.as";

/** bpf_set_hash */
export function skbSetHash(skb: u32, hash: u32): i32 {
  store<u32>(skb, hash, SkBuff_hash);
  store<u32>(skb, 1, SkBuff_hash_valid);
  store<u32>(skb, 1, SkBuff_l4_hash);
  return 0;
}

/** bpf_set_hash_invalid */
export function skbSetHashInvalid(skb: u32): i32 {
  skbClearHash(skb);
  return 0;
}

/** bpf_get_route_realm: an skb has no route yet where programs of this type see it, so no realm. */
export function skbGetRouteRealm(_skb: u32): u32 {
  return 0;
}
