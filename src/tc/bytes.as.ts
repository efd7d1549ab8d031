/** Helpers of TC programs that read and write the bytes of an skb. net/core/filter.c. */
import {
  BPF_F_INVALIDATE_HASH,
  BPF_F_RECOMPUTE_CSUM,
  BPF_HDR_START_MAC,
  BPF_HDR_START_NET,
  EFAULT,
  EINVAL,
  ENOMEM,
  SkBuff_data,
  SkBuff_data_end,
  SkBuff_head,
  SkBuff_len,
  SkBuff_mac_header,
} from "../layout/layout.generated.as";
import { burnBytes } from "../runtime/fuel.as";
import { skbClearHash, skbNetworkHeader, skbPostpullChecksum, skbPostpushChecksum } from "./skb.as";
import { programAddress } from "../runtime/zone.as";

const INT_MAX: u32 = 0x7fffffff;

/** bpf_skb_load_bytes: copies `length` bytes from `offset` of the frame to `to`, or clears `to` and gives -EFAULT. */
export function skbLoadBytes(skb: u32, offset: u32, to: u32, length: u32): i32 {
  if (offset > INT_MAX || u64(offset) + u64(length) > u64(load<u32>(skb, SkBuff_len))) {
    burnBytes(length);
    memory.fill(to, 0, length);
    return -EFAULT;
  }
  memory.copy(to, load<u32>(skb, SkBuff_data) + offset, length);
  return 0;
}

/** bpf_skb_load_bytes_relative: the same, counted from the MAC or the network header. */
export function skbLoadBytesRelative(skb: u32, offset: u32, to: u32, length: u32, start: u32): i32 {
  if (offset <= 0xffff && (start == BPF_HDR_START_MAC || start == BPF_HDR_START_NET)) {
    const base = start == BPF_HDR_START_MAC ? load<u32>(skb, SkBuff_head) + load<u32>(skb, SkBuff_mac_header) : skbNetworkHeader(skb);
    if (u64(base) + u64(offset) + u64(length) <= u64(load<u32>(skb, SkBuff_data_end))) {
      memory.copy(to, base + offset, length);
      return 0;
    }
  }
  burnBytes(length);
  memory.fill(to, 0, length);
  return -EFAULT;
}

/** bpf_skb_store_bytes: copies `length` bytes from `from` to `offset` of the frame. */
export function skbStoreBytes(skb: u32, offset: u32, from: u32, length: u32, flags: u64): i32 {
  if (flags & ~u64(BPF_F_RECOMPUTE_CSUM | BPF_F_INVALIDATE_HASH)) return -EINVAL;
  if (offset > INT_MAX || u64(offset) + u64(length) > u64(load<u32>(skb, SkBuff_len))) return -EFAULT;
  const at = programAddress(load<u32>(skb, SkBuff_data) + offset);
  if (flags & BPF_F_RECOMPUTE_CSUM) skbPostpullChecksum(skb, at, length);
  memory.copy(at, from, length);
  if (flags & BPF_F_RECOMPUTE_CSUM) skbPostpushChecksum(skb, at, length);
  if (flags & BPF_F_INVALIDATE_HASH) skbClearHash(skb);
  return 0;
}

/** bpf_skb_pull_data: all bytes are linear here, so only a length past the end fails. */
export function skbPullData(skb: u32, length: u32): i32 {
  return length > load<u32>(skb, SkBuff_len) ? -ENOMEM : 0;
}

/** Negative offsets of LD_ABS and LD_IND reach headers. include/uapi/linux/filter.h. */
const SKF_NET_OFF: i32 = -0x100000;
const SKF_LL_OFF: i32 = -0x200000;

/** Address of `size` bytes that LD_ABS or LD_IND names by `offset`, or 0 where there are none. */
function legacyPointer(skb: u32, offset: i32, size: u32): u32 {
  const head = load<u32>(skb, SkBuff_head);
  const end = i64(load<u32>(skb, SkBuff_data_end));
  let at: i64;
  if (offset >= 0) at = i64(load<u32>(skb, SkBuff_data)) + offset;
  else if (offset >= SKF_NET_OFF) at = i64(skbNetworkHeader(skb)) + offset - SKF_NET_OFF;
  else if (offset >= SKF_LL_OFF) at = i64(head + load<u32>(skb, SkBuff_mac_header)) + offset - SKF_LL_OFF;
  else return 0;
  return at >= i64(head) && at + i64(size) <= end ? u32(at) : 0;
}

/** LD_ABS and LD_IND of one byte: the value, or a negative number, on which the function that loads returns 0. */
export function skbLegacyLoad8(skb: u32, offset: i32): i64 {
  const at = legacyPointer(skb, offset, 1);
  return at == 0 ? -i64(EFAULT) : i64(load<u8>(at));
}

/** The same of two bytes in network order. */
export function skbLegacyLoad16(skb: u32, offset: i32): i64 {
  const at = legacyPointer(skb, offset, 2);
  return at == 0 ? -i64(EFAULT) : i64(bswap<u16>(load<u16>(at)));
}

/** The same of four bytes in network order. */
export function skbLegacyLoad32(skb: u32, offset: i32): i64 {
  const at = legacyPointer(skb, offset, 4);
  return at == 0 ? -i64(EFAULT) : i64(bswap<u32>(load<u32>(at)));
}
