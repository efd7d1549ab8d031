import type {
  AccessSize,
  AtomicOperation,
  AtomicRow,
  LegacyLoadRow,
  LoadImmediateRow,
  LoadRow,
  OrderedAccessRow,
  RegisterUse,
  StoreRow,
} from "./row.ts";

/** Bits 3 and 4 of a code say how many bytes are moved. RFC 9669, section 5. */
const sizeBits: Readonly<Record<AccessSize, number>> = { 4: 0x00, 2: 0x08, 1: 0x10, 8: 0x18 };

const loadRow = (size: AccessSize, signed: boolean): LoadRow => ({
  code: (signed ? 0x81 : 0x61) | sizeBits[size],
  kind: "load",
  size,
  signed,
  text: `{dst} = *(${signed ? "s" : "u"}${size * 8} *)({src}{off})`,
  reads: ["src"],
  writes: ["dst"],
});

const storeRow = (size: AccessSize, operand: "imm" | "src"): StoreRow => ({
  code: (operand === "src" ? 0x63 : 0x62) | sizeBits[size],
  kind: "store",
  size,
  operand,
  text: `*(u${size * 8} *)({dst}{off}) = {${operand}}`,
  ...(operand === "src" && size < 8 ? { objdump: `*(u${size * 8} *)({dst}{off}) = {src}` } : {}),
  reads: operand === "src" ? ["dst", "src"] : ["dst"],
  writes: [],
});

/** `lock *(u64 *)(r1 +0) += r2` and its kin: no result. Immediates: RFC 9669, section 5.3. */
const atomicRow = (operation: AtomicOperation, imm: number, sign: string, size: 4 | 8): AtomicRow => ({
  code: 0xc3 | sizeBits[size],
  imm,
  kind: "atomic",
  size,
  operation,
  fetch: false,
  text: `lock *(u${size * 8} *)({dst}{off}) ${sign} {src}`,
  ...(size === 4 ? { objdump: `lock *(u32 *)({dst}{off}) ${sign} {wsrc}` } : {}),
  reads: ["dst", "src"],
  writes: [],
});

/** The forms that give the old value back. */
function fetchingRow(operation: AtomicOperation, imm: number, size: 4 | 8): AtomicRow {
  const [name, bits] = size === 8 ? ["atomic64", 64] : ["atomic", 32];
  const at = `(u${bits} *)({dst}{off})`;
  const common = { code: 0xc3 | sizeBits[size], imm, kind: "atomic", size, operation, fetch: true } as const;
  if (operation === "cmpxchg") {
    const text = `r0 = ${name}_cmpxchg(${at}, r0, {src})`;
    const objdump = size === 8 ? "r0 = cmpxchg_64({dst}{off}, r0, {src})" : "w0 = cmpxchg32_32({dst}{off}, w0, {wsrc})";
    return { ...common, text, objdump, reads: ["dst", "src", "r0"], writes: ["r0"] };
  }
  const registers: { reads: RegisterUse[]; writes: RegisterUse[] } = { reads: ["dst", "src"], writes: ["src"] };
  if (operation === "xchg") {
    const objdump = size === 8 ? "{src} = xchg_64({dst}{off}, {src})" : "{wsrc} = xchg32_32({dst}{off}, {wsrc})";
    return { ...common, text: `{src} = ${name}_xchg(${at}, {src})`, objdump, ...registers };
  }
  const result = size === 8 ? "{src}" : "{wsrc}";
  const objdump = `${result} = atomic_fetch_${operation}(${at}, ${result})`;
  return { ...common, text: `{src} = ${name}_fetch_${operation}(${at}, {src})`, objdump, ...registers };
}

const atomicSizes = [8, 4] as const;
const accessSizes = [1, 2, 4, 8] as const;

function orderedRow(kind: "load_acquire" | "store_release", size: AccessSize): OrderedAccessRow {
  const common = { code: 0xc3 | sizeBits[size], kind, size } as const;
  const type = `(u${size * 8} *)`;
  if (kind === "load_acquire") {
    const objdump = `${size === 8 ? "{dst}" : "{wdst}"} = load_acquire(${type}({src}{off}))`;
    return { ...common, imm: 0x100, text: `{dst} = load_acquire(${type}({src}{off}))`, objdump, reads: ["src"], writes: ["dst"] };
  }
  const objdump = `store_release(${type}({dst}{off}), ${size === 8 ? "{src}" : "{wsrc}"})`;
  return { ...common, imm: 0x110, text: `store_release(${type}({dst}{off}), {src})`, objdump, reads: ["dst", "src"], writes: [] };
}

/** Maps are given by their place among the program's maps; `map[idx:N]` is the kernel's own way of numbering them (fd_array). */
const loadImmediateRow = (src: number, source: LoadImmediateRow["source"], text: string): LoadImmediateRow => ({
  code: 0x18,
  src,
  kind: "load_imm64",
  source,
  text,
  objdump: "{dst} = {imm64} ll",
  reads: [],
  writes: ["dst"],
});

const legacyRow = (mode: "abs" | "ind", size: 1 | 2 | 4): LegacyLoadRow => ({
  code: (mode === "abs" ? 0x20 : 0x40) | sizeBits[size],
  kind: "legacy_load",
  mode,
  size,
  text: mode === "abs" ? `r0 = *(u${size * 8} *)skb[{imm}]` : `r0 = *(u${size * 8} *)skb[{src} + {imm}]`,
  ...(mode === "ind" ? { objdump: `r0 = *(u${size * 8} *)skb[{src}]` } : {}),
  reads: mode === "abs" ? ["r6"] : ["src", "r6"],
  writes: ["r0", "r1", "r2", "r3", "r4", "r5"],
});

export const memoryRows: readonly (LoadRow | StoreRow | AtomicRow | OrderedAccessRow | LoadImmediateRow | LegacyLoadRow)[] = [
  ...accessSizes.map((size) => loadRow(size, false)),
  ...([1, 2, 4] as const).map((size) => loadRow(size, true)),
  ...accessSizes.map((size) => storeRow(size, "src")),
  ...accessSizes.map((size) => storeRow(size, "imm")),
  ...atomicSizes.flatMap((size) => [
    atomicRow("add", 0x00, "+=", size),
    atomicRow("or", 0x40, "|=", size),
    atomicRow("and", 0x50, "&=", size),
    atomicRow("xor", 0xa0, "^=", size),
    fetchingRow("add", 0x01, size),
    fetchingRow("or", 0x41, size),
    fetchingRow("and", 0x51, size),
    fetchingRow("xor", 0xa1, size),
    fetchingRow("xchg", 0xe1, size),
    fetchingRow("cmpxchg", 0xf1, size),
  ]),
  ...accessSizes.map((size) => orderedRow("load_acquire", size)),
  ...accessSizes.map((size) => orderedRow("store_release", size)),
  loadImmediateRow(0, "value", "{dst} = {imm64} ll"),
  loadImmediateRow(1, "map", "{dst} = map[{imm}]"),
  loadImmediateRow(2, "map_value", "{dst} = map[{imm}][0]{high}"),
  loadImmediateRow(3, "variable", "{dst} = variable[{imm}]{high}"),
  loadImmediateRow(4, "function", "{dst} = subprog[{function}]"),
  loadImmediateRow(5, "map_index", "{dst} = map[idx:{imm}]"),
  loadImmediateRow(6, "map_index_value", "{dst} = map[idx:{imm}][0]{high}"),
  ...([1, 2, 4] as const).flatMap((size) => [legacyRow("abs", size), legacyRow("ind", size)]),
];
