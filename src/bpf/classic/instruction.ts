/** One classic BPF instruction, as struct sock_filter has it (include/uapi/linux/filter.h): `code` 16 bits, `jt` and `jf` 8, `k` 32, all without sign. */
export interface ClassicInstruction {
  readonly code: number;
  /** Branches: instructions to skip when the condition holds, and when it does not. */
  readonly jt: number;
  readonly jf: number;
  readonly k: number;
}

/** A program as it was read or made; nothing of it is checked. */
export type ClassicProgram = readonly ClassicInstruction[];

/** Words of scratch memory, M[0] to M[15]. include/uapi/linux/filter.h: BPF_MEMWORDS. */
export const SCRATCH_WORDS = 16;
/** Longest program. include/uapi/linux/bpf_common.h: BPF_MAXINSNS. */
export const MAX_CLASSIC_INSTRUCTIONS = 4096;

/** Offsets from here on up name no packet bytes but what the kernel knows of the packet. include/uapi/linux/filter.h: SKF_AD_OFF. */
export const SKF_AD_OFF = 0xfffff000;
/** Offsets that count from the network header, and from the link-layer header. include/uapi/linux/filter.h. */
export const SKF_NET_OFF = 0xfff00000;
export const SKF_LL_OFF = 0xffe00000;

/** What loads at SKF_AD_OFF name, by the distance from it; the names are those that `tcpdump -d` prints. include/uapi/linux/filter.h: SKF_AD_*. */
const ancillaryRows = [
  "proto",
  "type",
  "ifidx",
  "nla",
  "nlan",
  "mark",
  "queue",
  "hatype",
  "rxhash",
  "cpu",
  "xor_x",
  "vlan_tci",
  "vlanp",
  "poff",
  "random",
  "vlan_tpid",
] as const;

export type Ancillary = (typeof ancillaryRows)[number];

/** What an absolute load at `k` names, if it is no packet bytes. */
export function ancillaryAt(k: number): Ancillary | undefined {
  const distance = k - SKF_AD_OFF;
  return distance >= 0 && distance % 4 === 0 ? ancillaryRows[distance / 4] : undefined;
}

/** The offset that names it. */
export const ancillaryOffset = (name: Ancillary): number => SKF_AD_OFF + 4 * ancillaryRows.indexOf(name);

/** The device type of Ethernet: every device here is one. include/uapi/linux/if_arp.h. */
export const ARPHRD_ETHER = 1;

export type ClassicOperation = "add" | "sub" | "mul" | "div" | "or" | "and" | "lsh" | "rsh" | "mod" | "xor";
export type ClassicRelation = "jeq" | "jgt" | "jge" | "jset";
/** Bytes of a packet load. */
export type LoadSize = 1 | 2 | 4;
type Register = "a" | "x";

interface Row {
  readonly code: number;
  /** As `tcpdump -d` writes it. */
  readonly mnemonic: string;
}

export interface PacketLoadRow extends Row {
  readonly kind: "packet_load";
  readonly mode: "abs" | "ind";
  readonly size: LoadSize;
}
/** X = 4 * (low four bits of the byte at k): the length of an IPv4 header. */
export interface HeaderLengthRow extends Row {
  readonly kind: "header_length";
}
export interface LoadRow extends Row {
  readonly kind: "load_length" | "load_immediate" | "load_scratch" | "store";
  readonly register: Register;
}
export interface OperationRow extends Row {
  readonly kind: "operation";
  readonly operation: ClassicOperation;
  readonly operand: "k" | "x";
}
export interface NegateRow extends Row {
  readonly kind: "negate";
}
export interface JumpRow extends Row {
  readonly kind: "jump";
}
export interface BranchRow extends Row {
  readonly kind: "branch";
  readonly relation: ClassicRelation;
  readonly operand: "k" | "x";
}
export interface ReturnRow extends Row {
  readonly kind: "return";
  readonly value: "k" | "a";
}
export interface MoveRow extends Row {
  readonly kind: "move";
  readonly to: Register;
}

export type ClassicRow = PacketLoadRow | HeaderLengthRow | LoadRow | OperationRow | NegateRow | JumpRow | BranchRow | ReturnRow | MoveRow;

const sizes = [
  { size: 4, bits: 0x00, mnemonic: "ld" },
  { size: 2, bits: 0x08, mnemonic: "ldh" },
  { size: 1, bits: 0x10, mnemonic: "ldb" },
] as const;
const operations = { add: 0x00, sub: 0x10, mul: 0x20, div: 0x30, or: 0x40, and: 0x50, lsh: 0x60, rsh: 0x70, mod: 0x90, xor: 0xa0 } as const;
const relations = { jeq: 0x10, jgt: 0x20, jge: 0x30, jset: 0x40 } as const;
const operands = [
  { operand: "k", bit: 0x00 },
  { operand: "x", bit: 0x08 },
] as const;

const entries = <Key extends string>(record: Readonly<Record<Key, number>>): [Key, number][] => Object.entries(record) as [Key, number][];

/** All instructions that Linux accepts. net/core/filter.c: chk_code_allowed. */
export const classicRows: readonly ClassicRow[] = [
  ...sizes.map(({ size, bits, mnemonic }) => ({ code: 0x20 | bits, mnemonic, kind: "packet_load", mode: "abs", size }) as const),
  ...sizes.map(({ size, bits, mnemonic }) => ({ code: 0x40 | bits, mnemonic, kind: "packet_load", mode: "ind", size }) as const),
  { code: 0xb1, mnemonic: "ldxb", kind: "header_length" },
  { code: 0x80, mnemonic: "ld", kind: "load_length", register: "a" },
  { code: 0x81, mnemonic: "ldx", kind: "load_length", register: "x" },
  { code: 0x00, mnemonic: "ld", kind: "load_immediate", register: "a" },
  { code: 0x01, mnemonic: "ldx", kind: "load_immediate", register: "x" },
  { code: 0x60, mnemonic: "ld", kind: "load_scratch", register: "a" },
  { code: 0x61, mnemonic: "ldx", kind: "load_scratch", register: "x" },
  { code: 0x02, mnemonic: "st", kind: "store", register: "a" },
  { code: 0x03, mnemonic: "stx", kind: "store", register: "x" },
  ...entries(operations).flatMap(([operation, bits]) =>
    operands.map(({ operand, bit }) => ({ code: 0x04 | bits | bit, mnemonic: operation, kind: "operation", operation, operand }) as const),
  ),
  { code: 0x84, mnemonic: "neg", kind: "negate" },
  { code: 0x05, mnemonic: "ja", kind: "jump" },
  ...entries(relations).flatMap(([relation, bits]) =>
    operands.map(({ operand, bit }) => ({ code: 0x05 | bits | bit, mnemonic: relation, kind: "branch", relation, operand }) as const),
  ),
  { code: 0x06, mnemonic: "ret", kind: "return", value: "k" },
  { code: 0x16, mnemonic: "ret", kind: "return", value: "a" },
  { code: 0x07, mnemonic: "tax", kind: "move", to: "x" },
  { code: 0x87, mnemonic: "txa", kind: "move", to: "a" },
];

const byCode = new Map(classicRows.map((row) => [row.code, row]));

/** The row of a code; undefined for a code that Linux refuses. */
export const classicRow = (code: number): ClassicRow | undefined => byCode.get(code);
