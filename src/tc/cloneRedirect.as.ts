/** bpf_clone_redirect: a copy of the skb goes its own way at once, while the program runs on. net/core/filter.c. */
import {
  BPF_F_INGRESS,
  CpuBlock_network,
  EBADMSG,
  EINVAL,
  ERANGE,
  NetNamespace_redirect_hook,
  SkBuff_gso_size,
  SkBuff_gso_type,
  SkBuff_len,
  SkBuff_mac_header,
  SkBuff_network_header,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";
import { deviceByIndex } from "../runtime/devices.as";

/**
 * The dataplane's hook makes the copy, because it owns the frames; it takes (skb, device, flags) and gives what __bpf_redirect would: 0, an errno, or
 * NET_XMIT_* / NET_RX_DROP.
 */
export function skbCloneRedirect(skb: u32, ifindex: u32, flags: u64): i32 {
  if (flags & ~u64(BPF_F_INGRESS)) return -EINVAL;
  if (load<u32>(skb, SkBuff_gso_size) != 0 && load<u32>(skb, SkBuff_gso_type) == 0) return -EBADMSG;
  const device = deviceByIndex(ifindex);
  if (device == 0) return -EINVAL;
  if (load<u32>(skb, SkBuff_mac_header) >= load<u32>(skb, SkBuff_network_header) || load<u32>(skb, SkBuff_len) == 0) return -ERANGE;
  const hook = load<u32>(load<u32>(cpu, CpuBlock_network), NetNamespace_redirect_hook);
  return hook == 0 ? 0 : call_indirect<i32>(hook, skb, device, u32(flags));
}
