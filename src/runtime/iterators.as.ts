/** Open-coded iterators: a state on the program's stack that is made, asked for the next element until it gives NULL, and destroyed. */
import {
  BITS_ITER_NR_WORDS_MAX,
  BPF_MAX_LOOPS,
  BpfIterBits_bit,
  BpfIterBits_bits,
  BpfIterBits_nr_bits,
  BpfIterNum_cur,
  BpfIterNum_end,
  CpuBlock_iterator_used,
  CpuBlock_iterator_words,
  E2BIG,
  EFAULT,
  EINVAL,
  ENOMEM,
  ITERATOR_PLACES,
} from "../layout/layout.generated.as";
import { cpu } from "./cpu.as";
import { kernelReadFault } from "./probe.as";

/** bpf_iter_num_new: the integers from `start` to `end` - 1, at most BPF_MAX_LOOPS of them. kernel/bpf/bpf_iter.c. */
export function iterNumNew(iterator: u32, start: i32, end: i32): i32 {
  iterNumDestroy(iterator);
  if (start > end) return -i32(EINVAL);
  if (i64(end) - i64(start) > i64(BPF_MAX_LOOPS)) return -i32(E2BIG);
  store<i32>(iterator, start - 1, BpfIterNum_cur);
  store<i32>(iterator, end, BpfIterNum_end);
  return 0;
}

/** bpf_iter_num_next: the address of the next integer, or NULL at the end. The number before INT_MIN is INT_MAX. */
export function iterNumNext(iterator: u32): u32 {
  const next = load<i32>(iterator, BpfIterNum_cur) + 1;
  if (next >= load<i32>(iterator, BpfIterNum_end)) {
    iterNumDestroy(iterator);
    return 0;
  }
  store<i32>(iterator, next, BpfIterNum_cur);
  return iterator + BpfIterNum_cur;
}

/** bpf_iter_num_destroy */
export function iterNumDestroy(iterator: u32): void {
  store<u64>(iterator, 0);
}

/** A free place of this CPU for a copy of bits, or 0. */
function takeWords(): u32 {
  const used = load<u32>(cpu, CpuBlock_iterator_used);
  const place = ctz<u32>(~used);
  if (place >= ITERATOR_PLACES) return 0;
  store<u32>(cpu, used | (1 << place), CpuBlock_iterator_used);
  return load<u32>(cpu, CpuBlock_iterator_words) + place * (BITS_ITER_NR_WORDS_MAX << 3);
}

function releaseWords(address: u32): void {
  const place = (address - load<u32>(cpu, CpuBlock_iterator_words)) / (BITS_ITER_NR_WORDS_MAX << 3);
  if (place < ITERATOR_PLACES) store<u32>(cpu, load<u32>(cpu, CpuBlock_iterator_used) & ~(1 << place), CpuBlock_iterator_used);
}

/** bpf_iter_bits_new: the numbers of the bits that are set in `words` 64-bit words. One word is kept in the iterator, more are copied. kernel/bpf/helpers.c. */
export function iterBitsNew(iterator: u32, from: u64, words: u32): i32 {
  store<u64>(iterator, 0, BpfIterBits_bits);
  store<i32>(iterator, 0, BpfIterBits_nr_bits);
  store<i32>(iterator, -1, BpfIterBits_bit);
  if (from == 0 || words == 0) return -i32(EINVAL);
  if (words > BITS_ITER_NR_WORDS_MAX) return -i32(E2BIG);
  const bytes = words << 3;
  if (kernelReadFault(from, bytes) != 0) return -i32(EFAULT);
  if (words == 1) store<u64>(iterator, load<u64>(u32(from)), BpfIterBits_bits);
  else {
    const copy = takeWords();
    if (copy == 0) return -i32(ENOMEM);
    memory.copy(copy, u32(from), bytes);
    store<u64>(iterator, u64(copy), BpfIterBits_bits);
  }
  store<i32>(iterator, i32(words << 6), BpfIterBits_nr_bits);
  return 0;
}

/** bpf_iter_bits_next: the address of the number of the next bit that is set, or NULL when there is none. */
export function iterBitsNext(iterator: u32): u32 {
  const count = load<i32>(iterator, BpfIterBits_nr_bits);
  let bit = load<i32>(iterator, BpfIterBits_bit);
  if (count == 0 || bit >= count) return 0;
  const words = count == 64 ? iterator + BpfIterBits_bits : load<u32>(iterator, BpfIterBits_bits);
  for (bit++; bit < count; bit = (bit | 63) + 1) {
    const rest = load<u64>(words + ((bit >> 6) << 3)) >> u64(bit & 63);
    if (rest == 0) continue;
    bit += i32(ctz<u64>(rest));
    break;
  }
  store<i32>(iterator, bit, BpfIterBits_bit);
  return bit >= count ? 0 : iterator + BpfIterBits_bit;
}

/** bpf_iter_bits_destroy */
export function iterBitsDestroy(iterator: u32): void {
  if (load<i32>(iterator, BpfIterBits_nr_bits) > 64) releaseWords(load<u32>(iterator, BpfIterBits_bits));
}
