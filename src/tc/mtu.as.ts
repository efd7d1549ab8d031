import {
  BPF_MTU_CHK_RET_FRAG_NEEDED,
  BPF_MTU_CHK_RET_SEGS_TOOBIG,
  BPF_MTU_CHK_RET_SUCCESS,
  BPF_MTU_CHK_SEGS,
  EINVAL,
  ENODEV,
  NetDevice_hard_header_len,
  NetDevice_mtu,
  SkBuff_device,
  SkBuff_gso_size,
  SkBuff_gso_type,
  SkBuff_head,
  SkBuff_len,
  SkBuff_network_header,
  SkBuff_transport_header,
} from "../layout/layout.generated.as";
import { deviceByIndex } from "../runtime/devices.as";
import { skbIsGso } from "./resize.as";

/** bpf_check_mtu on an skb: does it, changed by `difference` bytes, fit the MTU of device `ifindex` (0: its own)? Writes the MTU to `length`. net/core/filter.c. */
export function skbCheckMtu(skb: u32, ifindex: u32, length: u32, difference: i32, flags: u64): i32 {
  const stated = load<u32>(length);
  const segments = (flags & BPF_MTU_CHK_SEGS) != 0;
  if (flags & ~u64(BPF_MTU_CHK_SEGS)) return -EINVAL;
  if (segments && (difference != 0 || stated != 0)) return -EINVAL;
  const device = ifindex == 0 ? load<u32>(skb, SkBuff_device) : deviceByIndex(ifindex);
  if (device == 0) return -ENODEV;
  const mtu = load<u32>(device, NetDevice_mtu);
  const header = load<u32>(device, NetDevice_hard_header_len);
  store<u32>(length, mtu);
  const size = i32((stated != 0 ? stated + header : load<u32>(skb, SkBuff_len)) + u32(difference));
  if (size <= i32(mtu + header)) return BPF_MTU_CHK_RET_SUCCESS;
  if (!skbIsGso(skb)) return BPF_MTU_CHK_RET_FRAG_NEEDED;
  return segments && segmentLength(skb) > mtu ? BPF_MTU_CHK_RET_SEGS_TOOBIG : BPF_MTU_CHK_RET_SUCCESS;
}

/** gso_type bits. include/linux/skbuff.h. */
const SKB_GSO_TCPV4: u32 = 1;
const SKB_GSO_TCPV6: u32 = 1 << 4;
const SKB_GSO_UDP_L4: u32 = 1 << 17;

/** Network-layer length of the longest segment that a GSO skb is cut into (skb_gso_network_seglen). */
function segmentLength(skb: u32): u32 {
  const type = load<u32>(skb, SkBuff_gso_type);
  const transport = load<u32>(skb, SkBuff_transport_header);
  const headers = transport - load<u32>(skb, SkBuff_network_header);
  let transportHeader: u32 = 0;
  if (type & (SKB_GSO_TCPV4 | SKB_GSO_TCPV6)) transportHeader = (load<u8>(load<u32>(skb, SkBuff_head) + transport, 12) >> 4) * 4;
  else if (type & SKB_GSO_UDP_L4) transportHeader = 8;
  return headers + transportHeader + load<u32>(skb, SkBuff_gso_size);
}
