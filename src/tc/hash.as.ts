/** The flow hash of an skb: what programs set, and what the stack computes. include/linux/skbuff.h. */
import {
  ETH_P_IP,
  ETH_P_IPV6,
  SkBuff_data_end,
  SkBuff_hash,
  SkBuff_hash_valid,
  SkBuff_l4_hash,
  SkBuff_protocol,
} from "../layout/layout.generated.as";
import { flowHash } from "../packet/flow.as";
import { protocolOf } from "./resize.as";
import { skbClearHash, skbNetworkHeader } from "./skb.as";

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

/** bpf_get_hash_recalc: the hash that is there, or a new one over the flow. */
export function skbGetHashRecalc(skb: u32): u32 {
  if (load<u32>(skb, SkBuff_hash_valid) == 0 && load<u32>(skb, SkBuff_l4_hash) == 0) {
    const protocol = load<u32>(skb, SkBuff_protocol);
    const ipv6 = protocol == protocolOf(ETH_P_IPV6);
    const isIp = ipv6 || protocol == protocolOf(ETH_P_IP);
    // What has no addresses is hashed by its EtherType; no hash is 0.
    const hash = isIp ? flowHash(skbNetworkHeader(skb), load<u32>(skb, SkBuff_data_end), ipv6) : u64((protocol * 0x9e3779b1) | 1);
    store<u32>(skb, u32(hash), SkBuff_hash);
    store<u32>(skb, u32(hash >> 32), SkBuff_l4_hash);
    store<u32>(skb, 1, SkBuff_hash_valid);
  }
  return load<u32>(skb, SkBuff_hash);
}

/** bpf_get_route_realm: an skb has no route yet where programs of this type see it, so no realm. */
export function skbGetRouteRealm(_skb: u32): u32 {
  return 0;
}
