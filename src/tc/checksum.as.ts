/** Checksum helpers of TC programs. net/core/filter.c, net/core/utils.c. */
import {
  BPF_CSUM_LEVEL_DEC,
  BPF_CSUM_LEVEL_INC,
  BPF_CSUM_LEVEL_QUERY,
  BPF_CSUM_LEVEL_RESET,
  BPF_F_HDR_FIELD_MASK,
  BPF_F_IPV6,
  BPF_F_MARK_ENFORCE,
  BPF_F_MARK_MANGLED_0,
  BPF_F_PSEUDO_HDR,
  CHECKSUM_COMPLETE,
  CHECKSUM_NONE,
  CHECKSUM_PARTIAL,
  CHECKSUM_UNNECESSARY,
  EACCES,
  EFAULT,
  EINVAL,
  ENOTSUPP,
  SKB_MAX_CSUM_LEVEL,
  SkBuff_csum,
  SkBuff_csum_level,
  SkBuff_data,
  SkBuff_ip_summed,
  SkBuff_len,
} from "../layout/layout.generated.as";
import { csumAdd, csumFold, csumReplace2, csumReplace4, csumReplaceByDiff, csumSub } from "../packet/csum.as";
import { programAddress } from "../runtime/zone.as";

/** What UDP sends instead of a checksum of 0, which would mean that there is none. */
const CSUM_MANGLED_0: u16 = 0xffff;

/** Whether a checksum field at `offset` may be touched. */
function reachable(skb: u32, offset: u32): bool {
  return offset <= 0xffff && (offset & 1) == 0 && offset + 2 <= load<u32>(skb, SkBuff_len);
}

/** bpf_l3_csum_replace */
export function l3CsumReplace(skb: u32, offset: u32, from: u64, to: u64, flags: u64): i32 {
  if (flags & ~u64(BPF_F_HDR_FIELD_MASK)) return -EINVAL;
  if (!reachable(skb, offset)) return -EFAULT;
  const field = programAddress(load<u32>(skb, SkBuff_data) + offset);
  switch (u32(flags)) {
    case 0:
      if (from != 0) return -EINVAL;
      csumReplaceByDiff(field, u32(to));
      return 0;
    case 2:
      csumReplace2(field, u32(from), u32(to));
      return 0;
    case 4:
      csumReplace4(field, u32(from), u32(to));
      return 0;
    default:
      return -EINVAL;
  }
}

/** inet_proto_csum_replace4: `pseudo` says that the words are summed by the pseudo header too. */
function replaceWord(skb: u32, field: u32, from: u32, to: u32, pseudo: bool): void {
  const summed = load<u32>(skb, SkBuff_ip_summed);
  if (summed != CHECKSUM_PARTIAL) {
    csumReplace4(field, from, to);
    if (summed == CHECKSUM_COMPLETE && pseudo) {
      store<u32>(skb, ~csumAdd(csumSub(~load<u32>(skb, SkBuff_csum), from), to), SkBuff_csum);
    }
  } else if (pseudo) {
    store<u16>(field, ~csumFold(csumAdd(csumSub(load<u16>(field), from), to)));
  }
}

/** inet_proto_csum_replace_by_diff */
function replaceByDiff(skb: u32, field: u32, diff: u32, pseudo: bool, ipv6: bool): void {
  const summed = load<u32>(skb, SkBuff_ip_summed);
  if (summed != CHECKSUM_PARTIAL) {
    csumReplaceByDiff(field, diff);
    if (summed == CHECKSUM_COMPLETE && pseudo && !ipv6) {
      store<u32>(skb, ~csumSub(diff, load<u32>(skb, SkBuff_csum)), SkBuff_csum);
    }
  } else if (pseudo) {
    store<u16>(field, ~csumFold(csumAdd(diff, load<u16>(field))));
  }
}

/** bpf_l4_csum_replace */
export function l4CsumReplace(skb: u32, offset: u32, from: u64, to: u64, flags: u64): i32 {
  const known = BPF_F_MARK_MANGLED_0 | BPF_F_MARK_ENFORCE | BPF_F_PSEUDO_HDR | BPF_F_HDR_FIELD_MASK | BPF_F_IPV6;
  if (flags & ~u64(known)) return -EINVAL;
  if (!reachable(skb, offset)) return -EFAULT;
  const field = programAddress(load<u32>(skb, SkBuff_data) + offset);
  const mayBeAbsent = (flags & BPF_F_MARK_MANGLED_0) != 0;
  if (mayBeAbsent && (flags & BPF_F_MARK_ENFORCE) == 0 && load<u16>(field) == 0) return 0;
  const pseudo = (flags & BPF_F_PSEUDO_HDR) != 0;
  switch (u32(flags) & BPF_F_HDR_FIELD_MASK) {
    case 0:
      if (from != 0) return -EINVAL;
      replaceByDiff(skb, field, u32(to), pseudo, (flags & BPF_F_IPV6) != 0);
      break;
    case 2:
      replaceWord(skb, field, u32(from) & 0xffff, u32(to) & 0xffff, pseudo);
      break;
    case 4:
      replaceWord(skb, field, u32(from), u32(to), pseudo);
      break;
    default:
      return -EINVAL;
  }
  if (mayBeAbsent && load<u16>(field) == 0) store<u16>(field, CSUM_MANGLED_0);
  return 0;
}

/** bpf_csum_update: the new skb->csum as 32 bits, or -ENOTSUPP without CHECKSUM_COMPLETE. */
export function csumUpdate(skb: u32, csum: u32): i64 {
  if (load<u32>(skb, SkBuff_ip_summed) != CHECKSUM_COMPLETE) return -i64(ENOTSUPP);
  const sum = csumAdd(load<u32>(skb, SkBuff_csum), csum);
  store<u32>(skb, sum, SkBuff_csum);
  return sum;
}

/** __skb_reset_checksum_unnecessary */
export function resetChecksumUnnecessary(skb: u32): void {
  if (load<u32>(skb, SkBuff_ip_summed) != CHECKSUM_UNNECESSARY) return;
  store<u32>(skb, CHECKSUM_NONE, SkBuff_ip_summed);
  store<u32>(skb, 0, SkBuff_csum_level);
}

/** bpf_csum_level */
export function csumLevel(skb: u32, what: u64): i32 {
  const verified = load<u32>(skb, SkBuff_ip_summed) == CHECKSUM_UNNECESSARY;
  const level = load<u32>(skb, SkBuff_csum_level);
  if (what == BPF_CSUM_LEVEL_QUERY) return verified ? i32(level) : -EACCES;
  if (what == BPF_CSUM_LEVEL_INC) {
    if (!verified) {
      if (load<u32>(skb, SkBuff_ip_summed) != CHECKSUM_NONE) return 0;
      store<u32>(skb, CHECKSUM_UNNECESSARY, SkBuff_ip_summed);
      store<u32>(skb, 0, SkBuff_csum_level);
    } else if (level < SKB_MAX_CSUM_LEVEL) store<u32>(skb, level + 1, SkBuff_csum_level);
    return 0;
  }
  if (what == BPF_CSUM_LEVEL_DEC) {
    if (verified && level == 0) resetChecksumUnnecessary(skb);
    else if (verified) store<u32>(skb, level - 1, SkBuff_csum_level);
    return 0;
  }
  if (what == BPF_CSUM_LEVEL_RESET) {
    resetChecksumUnnecessary(skb);
    return 0;
  }
  return -EINVAL;
}
