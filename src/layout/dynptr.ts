import { defineStruct, i32, u32, u64 } from "./struct.ts";

/**
 * struct bpf_dynptr as the helpers see it (include/linux/bpf.h: struct bpf_dynptr_kern): 16 bytes on the program's stack that only helpers touch. A null dynptr is
 * all zero.
 */
export const Dynptr = defineStruct(
  "bpf_dynptr_kern",
  {
    /** Address of the memory, or of the context (xdp, skb) whose packet it stands for. */
    data: u64,
    /** Bytes in the low 24 bits, DYNPTR_TYPE_* from bit 28 on, DYNPTR_RDONLY. */
    size: u32,
    /** Where it begins in the memory or the packet. */
    offset: u32,
  },
  { size: 16 },
);

/** Bits of Dynptr.size. kernel/bpf/helpers.c. */
export const DYNPTR_MAX_SIZE = (1 << 24) - 1;
export const DYNPTR_TYPE_SHIFT = 28;
export const DYNPTR_TYPE_MASK = 7;
export const DYNPTR_RDONLY = 0x80000000;

/** enum bpf_dynptr_type: a range of memory, a ring buffer record, a TC packet, an XDP frame, the metadata of a TC packet. include/linux/bpf.h. */
export const BPF_DYNPTR_TYPE_LOCAL = 1;
export const BPF_DYNPTR_TYPE_RINGBUF = 2;
export const BPF_DYNPTR_TYPE_SKB = 3;
export const BPF_DYNPTR_TYPE_XDP = 4;
export const BPF_DYNPTR_TYPE_SKB_META = 5;

/** Bytes that dynptr copies go through where neither side is in one piece. kernel/bpf/helpers.c: bpf_dynptr_copy. */
export const DYNPTR_CHUNK = 256;

/** struct bpf_iter_num: the number that `next` handed out last, and the first that it will not. kernel/bpf/bpf_iter.c. */
export const BpfIterNum = defineStruct("bpf_iter_num", { cur: i32, end: i32 }, { size: 8 });

/** struct bpf_iter_bits: one word of bits itself, or the address of a copy of several; how many bits; the last one found. kernel/bpf/helpers.c. */
export const BpfIterBits = defineStruct("bpf_iter_bits", { bits: u64, nr_bits: i32, bit: i32 }, { size: 16 });
/** Most words that bpf_iter_bits goes over. kernel/bpf/helpers.c. */
export const BITS_ITER_NR_WORDS_MAX = 511;
/** Copies of more than one word that iterators on one CPU may hold at once. */
export const ITERATOR_PLACES = 8;
