import { BPF_F_INDEX_MASK, EFAULT, EINVAL, SkBuff_data, SkBuff_len } from "../layout/layout.generated.as";
import { isError, perfCommit, perfReserve } from "../runtime/maps/perf.as";

/** Bits of the flags that say how many bytes of the frame follow the program's own data. include/uapi/linux/bpf.h: BPF_F_CTXLEN_MASK. */
const LENGTH_MASK: u64 = 0xfffff << 32;

/** bpf_perf_event_output of a TC program: `size` bytes at `data`, then as many bytes of the frame as the flags say. net/core/filter.c. */
export function skbEventOutput(skb: u32, map: u32, flags: u64, data: u32, size: u32): i32 {
  if (flags & ~(LENGTH_MASK | u64(BPF_F_INDEX_MASK))) return -i32(EINVAL);
  const length = u32((flags & LENGTH_MASK) >> 32);
  if (length > load<u32>(skb, SkBuff_len)) return -i32(EFAULT);
  const reserved = perfReserve(map, flags & u64(BPF_F_INDEX_MASK), size + length);
  if (isError(reserved)) return i32(reserved);
  const at = u32(reserved);
  memory.copy(at, data, size);
  memory.copy(at + size, load<u32>(skb, SkBuff_data), length);
  perfCommit(reserved);
  return 0;
}
