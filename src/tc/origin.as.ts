/**
 * What TC programs ask about where an skb comes from. Packets come from a wire: no local socket sent them, and no IPsec policy has been at them. net/core/filter.c.
 */
import { EINVAL, EOPNOTSUPP, ETH_P_IP, ETH_P_IPV6, SkBuff_protocol, SkBuff_tstamp, SkBuff_tstamp_type } from "../layout/layout.generated.as";

/** bpf_skb_cgroup_classid: net_cls tells no classes of sockets apart. */
export function skbCgroupClassid(): u64 {
  return 0;
}

/** The cookie of the first network namespace: a number, never 0, that means nothing but which one it is. */
const NETNS_COOKIE: u64 = 1;

/** bpf_get_netns_cookie */
export function skbGetNetnsCookie(): u64 {
  return NETNS_COOKIE;
}

/** bpf_skb_get_xfrm_state: zeros, as no packet went through a transform. */
export function skbGetXfrmState(skb: u32, index: u32, to: u32, size: u32, flags: u64): i32 {
  memory.fill(to, 0, size);
  return -i32(EINVAL);
}

/** Clocks of bpf_skb_set_tstamp: BPF_SKB_CLOCK_REALTIME, _MONOTONIC, _TAI. */
const CLOCK_REALTIME: u32 = 0;
const CLOCK_TAI: u32 = 2;

/** bpf_skb_set_tstamp: the delivery time of an IP packet and the clock it is told by; 0 is a time on the first clock only. */
export function skbSetTstamp(skb: u32, time: u64, clock: u32): i32 {
  const protocol = u32(bswap<u16>(load<u16>(skb, SkBuff_protocol)));
  if (protocol != ETH_P_IP && protocol != ETH_P_IPV6) return -i32(EOPNOTSUPP);
  if (clock > CLOCK_TAI || (clock != CLOCK_REALTIME && time == 0)) return -i32(EINVAL);
  store<u64>(skb, time, SkBuff_tstamp);
  store<u8>(skb, u8(clock), SkBuff_tstamp_type);
  return 0;
}
