/** Looking declared xfrm states up. net/xfrm/xfrm_state_bpf.c, and __xfrm_state_lookup of net/xfrm/xfrm_state.c. */
import {
  AF_INET,
  AF_INET6,
  CpuBlock_network,
  EINVAL,
  ENOENT,
  ENONET,
  NetNamespace_xfrm,
  NetNamespace_xfrm_array,
  NetNamespace_xfrm_count,
  XFRM_BUCKETS,
  XfrmEntry_next,
  XfrmEntry_SIZE,
  XfrmEntry_state,
  XfrmOptions_daddr,
  XfrmOptions_error,
  XfrmOptions_family,
  XfrmOptions_mark,
  XfrmOptions_netns_id,
  XfrmOptions_proto,
  XfrmOptions_SIZE,
  XfrmOptions_spi,
  XfrmState_id_daddr,
  XfrmState_id_proto,
  XfrmState_id_spi,
  XfrmState_mark_mask,
  XfrmState_mark_value,
  XfrmState_props_family,
} from "../layout/layout.generated.as";
import { cpu } from "../runtime/cpu.as";

function isWanted(state: u32, options: u32): bool {
  const family = u32(load<u16>(options, XfrmOptions_family));
  if (load<u32>(state, XfrmState_id_spi) != load<u32>(options, XfrmOptions_spi)) return false;
  if (load<u8>(state, XfrmState_id_proto) != load<u8>(options, XfrmOptions_proto)) return false;
  if (u32(load<u16>(state, XfrmState_props_family)) != family) return false;
  const words: u32 = family == AF_INET ? 1 : 4;
  for (let word: u32 = 0; word < words; word++) {
    if (load<u32>(state + (word << 2), XfrmState_id_daddr) != load<u32>(options + (word << 2), XfrmOptions_daddr)) return false;
  }
  return (load<u32>(options, XfrmOptions_mark) & load<u32>(state, XfrmState_mark_mask)) == load<u32>(state, XfrmState_mark_value);
}

/** The state that the options name, or 0. */
function find(options: u32): u32 {
  const table = load<u32>(load<u32>(cpu, CpuBlock_network), NetNamespace_xfrm);
  const family = load<u16>(options, XfrmOptions_family);
  if (table == 0 || (family != AF_INET && family != AF_INET6)) return 0;
  // The last byte of the SPI, which stands in network byte order.
  const bucket = u32(load<u8>(options, XfrmOptions_spi + 3)) & (XFRM_BUCKETS - 1);
  for (let entry = load<u32>(table + (bucket << 2)); entry != 0; entry = load<u32>(entry, XfrmEntry_next)) {
    if (isWanted(entry + XfrmEntry_state, options)) return entry + XfrmEntry_state;
  }
  return 0;
}

/** bpf_xdp_get_xfrm_state: the address of an XfrmState, or 0 with the errno in the options. */
export function xdpGetXfrmState(context: u32, options: u32, size: u32): u32 {
  if (options == 0 || size < 4) return 0;
  const namespace = size == XfrmOptions_SIZE ? load<i32>(options, XfrmOptions_netns_id) : -2;
  let errno: i32 = 0;
  let state: u32 = 0;
  if (namespace < -1) errno = EINVAL;
  // No other namespace has an id here.
  else if (namespace >= 0) errno = ENONET;
  else {
    state = find(options);
    if (state == 0) errno = ENOENT;
  }
  if (errno != 0) store<i32>(options, -errno, XfrmOptions_error);
  return state;
}

/** bpf_xdp_xfrm_state_release: nobody counts references to declared states. Ends the run for what is none. */
export function xdpXfrmStateRelease(state: u32): void {
  const namespace = load<u32>(cpu, CpuBlock_network);
  const offset = state - XfrmEntry_state - load<u32>(namespace, NetNamespace_xfrm_array);
  if (offset >= load<u32>(namespace, NetNamespace_xfrm_count) * XfrmEntry_SIZE || offset % XfrmEntry_SIZE != 0) unreachable();
}
