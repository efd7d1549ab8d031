import {
  BPF_MTU_CHK_RET_FRAG_NEEDED,
  BPF_MTU_CHK_RET_SUCCESS,
  EINVAL,
  ENODEV,
  NetDevice_hard_header_len,
  NetDevice_mtu,
  XdpContext_data,
  XdpContext_data_end,
  XdpContext_device,
} from "../layout/layout.generated.as";
import { deviceByIndex } from "../runtime/devices.as";

/**
 * bpf_check_mtu on an XDP frame: does it, changed by `difference` bytes, fit the MTU of device `ifindex` (0: the receiving one)? A nonzero word at `length`
 * is taken for the frame's layer-3 length; the MTU is written there. net/core/filter.c.
 */
export function xdpCheckMtu(context: u32, ifindex: u32, length: u32, difference: i32, flags: u64): i32 {
  if (flags != 0) return -EINVAL;
  const device = ifindex == 0 ? load<u32>(context, XdpContext_device) : deviceByIndex(ifindex);
  if (device == 0) return -ENODEV;
  const mtu = load<u32>(device, NetDevice_mtu);
  const header = load<u32>(device, NetDevice_hard_header_len);
  const stated = load<u32>(length);
  const linear = load<u32>(context, XdpContext_data_end) - load<u32>(context, XdpContext_data);
  store<u32>(length, mtu);
  const size = i32((stated != 0 ? stated + header : linear) + u32(difference));
  return size > i32(mtu + header) ? BPF_MTU_CHK_RET_FRAG_NEEDED : BPF_MTU_CHK_RET_SUCCESS;
}
