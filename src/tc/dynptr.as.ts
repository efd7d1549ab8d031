/** Dynamic pointers over the packet and the metadata of an skb, which is in one piece here: net/core/filter.c and kernel/bpf/helpers.c. What is neither is the runtime's. */
import {
  BPF_DYNPTR_TYPE_SKB,
  BPF_DYNPTR_TYPE_SKB_META,
  Dynptr_data,
  EINVAL,
  SkBuff_data,
  SkBuff_data_meta,
  SkBuff_len,
} from "../layout/layout.generated.as";
import { currentContext, programAddress } from "../runtime/zone.as";
import {
  dynptrCopyFault,
  dynptrData,
  dynptrInit,
  dynptrIsNullPointer,
  dynptrKind,
  dynptrMemset,
  dynptrMemsetFault,
  dynptrOutside,
  dynptrPacketOffset,
  dynptrRead,
  dynptrReadFault,
  dynptrReadOnly,
  dynptrSetNull,
  dynptrSlice,
  dynptrWrite,
  dynptrWriteFault,
} from "../runtime/dynptr.as";
import { PROBE_KERNEL, PROBE_KERNEL_STR, PROBE_USER, probeDynptr, probeInto } from "../runtime/dynptrProbe.as";
import { skbLoadBytes, skbStoreBytes } from "./bytes.as";

/** bpf_dynptr_from_skb: over the whole packet, as long as it is now. */
export function dynptrFromSkb(skb: u32, flags: u64, dynptr: u32): i32 {
  dynptrSetNull(dynptr);
  if (flags != 0) return -i32(EINVAL);
  dynptrInit(dynptr, skb, BPF_DYNPTR_TYPE_SKB, load<u32>(skb, SkBuff_len));
  return 0;
}

/** bpf_dynptr_from_skb_meta: over the metadata that an XDP program left in front of the packet. */
export function dynptrFromSkbMeta(skb: u32, flags: u64, dynptr: u32): i32 {
  dynptrSetNull(dynptr);
  if (flags != 0) return -i32(EINVAL);
  dynptrInit(dynptr, skb, BPF_DYNPTR_TYPE_SKB_META, load<u32>(skb, SkBuff_data) - load<u32>(skb, SkBuff_data_meta));
  return 0;
}

function skbOf(dynptr: u32): u32 {
  return currentContext(load<u32>(dynptr, Dynptr_data));
}

function ofSkb(kind: u32): bool {
  return kind == BPF_DYNPTR_TYPE_SKB || kind == BPF_DYNPTR_TYPE_SKB_META;
}

/** Address of bytes at `offset` of the packet or of its metadata. */
function addressAt(dynptr: u32, offset: u32): u32 {
  const skb = skbOf(dynptr);
  const start = dynptrKind(dynptr) == BPF_DYNPTR_TYPE_SKB ? load<u32>(skb, SkBuff_data) : load<u32>(skb, SkBuff_data_meta);
  return programAddress(start + dynptrPacketOffset(dynptr, offset));
}

/** bpf_dynptr_read */
export function skbDynptrRead(to: u32, length: u32, dynptr: u32, offset: u32, flags: u64): i32 {
  const kind = dynptrKind(dynptr);
  if (!ofSkb(kind)) return dynptrRead(to, length, dynptr, offset, flags);
  const fault = dynptrReadFault(dynptr, offset, length, flags);
  if (fault != 0) return fault;
  if (kind == BPF_DYNPTR_TYPE_SKB) return skbLoadBytes(skbOf(dynptr), dynptrPacketOffset(dynptr, offset), to, length);
  memory.copy(to, addressAt(dynptr, offset), length);
  return 0;
}

/** bpf_dynptr_write: the flags are bpf_skb_store_bytes' for a packet. */
export function skbDynptrWrite(dynptr: u32, offset: u32, from: u32, length: u32, flags: u64): i32 {
  const kind = dynptrKind(dynptr);
  if (!ofSkb(kind)) return dynptrWrite(dynptr, offset, from, length, flags);
  const fault = dynptrWriteFault(dynptr, offset, length);
  if (fault != 0) return fault;
  if (kind == BPF_DYNPTR_TYPE_SKB) return skbStoreBytes(skbOf(dynptr), dynptrPacketOffset(dynptr, offset), from, length, flags);
  if (flags != 0) return -i32(EINVAL);
  memory.copy(addressAt(dynptr, offset), from, length);
  return 0;
}

/** bpf_dynptr_data: NULL for a packet, which Linux may keep in pieces. */
export function skbDynptrData(dynptr: u32, offset: u32, length: u32): u32 {
  return ofSkb(dynptrKind(dynptr)) ? 0 : dynptrData(dynptr, offset, length);
}

/** bpf_dynptr_slice: the bytes in the packet, or NULL where the packet has become shorter than the dynptr. */
export function skbDynptrSlice(dynptr: u32, offset: u32, buffer: u32, length: u32): u32 {
  const kind = dynptrKind(dynptr);
  if (!ofSkb(kind)) return dynptrSlice(dynptr, offset, buffer, length);
  if (dynptrIsNullPointer(dynptr) || dynptrOutside(dynptr, offset, length)) return 0;
  const end = u64(dynptrPacketOffset(dynptr, offset)) + u64(length);
  if (kind == BPF_DYNPTR_TYPE_SKB && end > u64(load<u32>(skbOf(dynptr), SkBuff_len))) return 0;
  return addressAt(dynptr, offset);
}

/** bpf_dynptr_slice_rdwr */
export function skbDynptrSliceRdwr(dynptr: u32, offset: u32, buffer: u32, length: u32): u32 {
  return dynptrReadOnly(dynptr) ? 0 : skbDynptrSlice(dynptr, offset, buffer, length);
}

/** bpf_dynptr_copy */
export function skbDynptrCopy(target: u32, targetOffset: u32, source: u32, sourceOffset: u32, length: u32): i32 {
  const from = skbDynptrSlice(source, sourceOffset, 0, length);
  const to = skbDynptrSliceRdwr(target, targetOffset, 0, length);
  if (from != 0 && to != 0) {
    memory.copy(to, from, length);
    return 0;
  }
  if (from != 0) return skbDynptrWrite(target, targetOffset, from, length, 0);
  if (to != 0) return skbDynptrRead(to, length, source, sourceOffset, 0);
  return dynptrCopyFault(target, targetOffset, source, sourceOffset, length);
}

/** bpf_dynptr_memset */
export function skbDynptrMemset(dynptr: u32, offset: u32, length: u32, value: u32): i32 {
  if (!ofSkb(dynptrKind(dynptr))) return dynptrMemset(dynptr, offset, length, value);
  const fault = dynptrMemsetFault(dynptr, offset, length);
  if (fault != 0) return fault;
  const at = skbDynptrSliceRdwr(dynptr, offset, 0, length);
  // The packet has become shorter: the write that Linux falls back on says so.
  if (at == 0) return length == 0 ? 0 : skbStoreBytes(skbOf(dynptr), dynptrPacketOffset(dynptr, offset), 0, length, 0);
  memory.fill(at, u8(value), length);
  return 0;
}

/** bpf_probe_read_kernel_dynptr and its kin. Packet and metadata are in one piece each, so what gives none is refused. */
function probe(dynptr: u32, offset: u32, size: u32, from: u64, kind: u32): i64 {
  if (ofSkb(dynptrKind(dynptr))) {
    const to = skbDynptrSliceRdwr(dynptr, offset, 0, size);
    if (to != 0) return probeInto(to, size, from, kind);
  }
  return probeDynptr(dynptr, offset, size, from, kind);
}

export function skbProbeReadKernelDynptr(dynptr: u32, offset: u32, size: u32, from: u64): i64 {
  return probe(dynptr, offset, size, from, PROBE_KERNEL);
}

export function skbProbeReadKernelStrDynptr(dynptr: u32, offset: u32, size: u32, from: u64): i64 {
  return probe(dynptr, offset, size, from, PROBE_KERNEL_STR);
}

/** bpf_probe_read_user_dynptr and bpf_probe_read_user_str_dynptr. */
export function skbProbeReadUserDynptr(dynptr: u32, offset: u32, size: u32, from: u64): i64 {
  return probe(dynptr, offset, size, from, PROBE_USER);
}
