import { ProblemError } from "../../problem/index.ts";
import { FileRange, StringTable } from "../btf/index.ts";
import { elfProblems } from "./problems.ts";

/** Numbers of the ELF format (System V ABI, chapter 4; machine: include/uapi/linux/elf-em.h). */
const ELF_HEADER_SIZE = 64;
const SECTION_HEADER_SIZE = 64;
const SYMBOL_SIZE = 24;
const REL_SIZE = 16;
const RELA_SIZE = 24;
const ET_REL = 1;
const EM_NONE = 0;
const EM_BPF = 247;
const SHN_LORESERVE = 0xff00;
const SHN_XINDEX = 0xffff;
const SHT_SYMTAB = 2;
const SHT_RELA = 4;
const SHT_NOBITS = 8;
const SHT_REL = 9;
const SHF_EXECINSTR = 4;
const SHF_WRITE = 1;

export const SHN_UNDEF = 0;

/** Symbol types and bindings that matter here. */
export const STT_OBJECT = 1;
export const STT_FUNC = 2;
export const STT_SECTION = 3;
export const STT_FILE = 4;
export const STB_LOCAL = 0;
export const STB_WEAK = 2;

export interface ElfSection {
  readonly index: number;
  readonly name: string;
  readonly type: number;
  /** SHF_EXECINSTR */
  readonly executable: boolean;
  readonly writable: boolean;
  /** Bytes in memory; more than the file holds for a section of zeros (.bss). */
  readonly size: number;
  /** A section of zeros: it has no bytes in the file. */
  readonly zeros: boolean;
  /** Where its bytes are in the file. */
  readonly fileOffset: number;
  /** Its bytes; empty for a section of zeros. */
  readonly data: FileRange;
}

export interface ElfSymbol {
  readonly index: number;
  readonly name: string;
  /** STT_* and STB_*. */
  readonly type: number;
  readonly binding: number;
  /** Index of its section; 0 (SHN_UNDEF) when it is defined elsewhere. */
  readonly section: number;
  /** Offset in its section. */
  readonly value: number;
  readonly size: number;
  /** Where it stands in the file. */
  readonly fileOffset: number;
}

export interface ElfRelocation {
  /** Offset in the section that is patched. */
  readonly offset: number;
  readonly symbol: ElfSymbol;
  readonly type: number;
  /** Of RELA sections; null where the addend stands in the patched bytes. */
  readonly addend: number | null;
  readonly fileOffset: number;
}

/** An ELF file as it is, whole and checked: every offset, size and index in it is inside the file. */
export interface ElfImage {
  readonly file: string;
  readonly littleEndian: boolean;
  readonly sections: readonly ElfSection[];
  readonly symbols: readonly ElfSymbol[];
  /** Relocations by the index of the section that they patch, in the order of their offsets. */
  readonly relocations: ReadonlyMap<number, readonly ElfRelocation[]>;
}

/**
 * Reads an ELF64 relocatable object for BPF, of either byte order; with "any", an executable for any machine as well. Throws a ProblemError with the offset
 * of what is wrong.
 */
export function readElf(bytes: Uint8Array, file: string, kind: "bpf" | "any" = "bpf"): ElfImage {
  const whole = checkHeader(bytes, file, kind);
  const headers = sectionHeaders(whole);
  const names = new StringTable(headers.names, "sections");
  const sections = headers.raw.map((raw, index) => section(whole, names, raw, index));
  const stored = sections.reduce((sum, { data }) => sum + data.length, 0);
  if (stored > bytes.length) throw new ProblemError(elfProblems.elf_sections_overlap({ stored, size: bytes.length }, { file, offset: 40 }));
  if (kind === "any") return { file, littleEndian: whole.littleEndian, sections, symbols: [], relocations: new Map() };
  const symbols = readSymbols(whole, headers.raw, sections);
  return { file, littleEndian: whole.littleEndian, sections, symbols, relocations: readRelocations(headers.raw, sections, symbols) };
}

function checkHeader(bytes: Uint8Array, file: string, kind: "bpf" | "any"): FileRange {
  const fail = (problem: keyof typeof elfProblems, offset: number, details = {}): never => {
    throw new ProblemError(elfProblems[problem](details, { file, offset }));
  };
  if (bytes.length < 4 || bytes[0] !== 0x7f || bytes[1] !== 0x45 || bytes[2] !== 0x4c || bytes[3] !== 0x46) fail("elf_not_elf", 0);
  const order = bytes[5] ?? 0;
  const whole = new FileRange(bytes, file, 0, order !== 2);
  whole.part(0, ELF_HEADER_SIZE, "the ELF header");
  if (bytes[4] !== 2) fail("elf_not_64", 4, { class: bytes[4] });
  if (order !== 1 && order !== 2) fail("elf_bad_byte_order", 5, { order });
  if (kind === "any") return whole;
  const type = whole.u16(16, "the ELF header");
  if (type !== ET_REL) fail("elf_not_relocatable", 16, { type });
  const machine = whole.u16(18, "the ELF header");
  if (machine !== EM_BPF && machine !== EM_NONE) fail("elf_not_bpf", 18, { machine });
  return whole;
}

/** A section header, as it stands in the file. */
interface RawSection {
  readonly at: number;
  readonly name: number;
  readonly type: number;
  readonly flags: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
  readonly info: number;
  readonly entrySize: number;
}

function sectionHeaders(whole: FileRange): { raw: RawSection[]; names: FileRange } {
  const what = "the section headers";
  const at = whole.offset64(40, what);
  const entrySize = whole.u16(58, what);
  if (at === 0) return { raw: [], names: whole.part(0, 0, what) };
  if (entrySize !== SECTION_HEADER_SIZE)
    throw new ProblemError(elfProblems.elf_bad_entry_size({ what, size: entrySize, expected: SECTION_HEADER_SIZE }, whole.place(58)));
  const read = (index: number): RawSection => {
    const header = whole.part(at + index * SECTION_HEADER_SIZE, SECTION_HEADER_SIZE, what);
    return {
      at: header.start,
      name: header.u32(0, what),
      type: header.u32(4, what),
      flags: header.offset64(8, what),
      offset: header.offset64(24, what),
      size: header.offset64(32, what),
      link: header.u32(40, what),
      info: header.u32(44, what),
      entrySize: header.offset64(56, what),
    };
  };
  // More sections than 16 bits count: the first header holds their number, and the index of the names.
  const count = whole.u16(60, what) || read(0).size;
  whole.part(at, count * SECTION_HEADER_SIZE, what);
  const raw = Array.from({ length: count }, (_, index) => read(index));
  const shortIndex = whole.u16(62, what);
  const namesIndex = shortIndex === SHN_XINDEX ? (raw[0]?.link ?? 0) : shortIndex;
  const names = raw[namesIndex];
  if (names === undefined)
    throw new ProblemError(elfProblems.elf_no_section({ what: "the ELF header", index: namesIndex, count }, whole.place(62)));
  const zeros = names.type === SHT_NOBITS || namesIndex === 0;
  return { raw, names: whole.part(zeros ? 0 : names.offset, zeros ? 0 : names.size, "the section names") };
}

function section(whole: FileRange, names: StringTable, raw: RawSection, index: number): ElfSection {
  const name = names.at(raw.name);
  const zeros = raw.type === SHT_NOBITS;
  const empty = zeros || raw.type === 0;
  const data = whole.part(empty ? 0 : raw.offset, empty ? 0 : raw.size, `section ${name === "" ? index : name}`);
  return {
    index,
    name,
    type: raw.type,
    executable: (raw.flags & SHF_EXECINSTR) !== 0,
    writable: (raw.flags & SHF_WRITE) !== 0,
    size: zeros ? raw.size : data.length,
    zeros,
    fileOffset: empty ? Math.min(raw.offset, whole.length) : raw.offset,
    data,
  };
}

function entries(raw: RawSection, data: FileRange, what: string, expected: number): number {
  if (raw.entrySize !== expected)
    throw new ProblemError(
      elfProblems.elf_bad_entry_size({ what, size: raw.entrySize, expected }, { file: data.file, offset: raw.at + 56 }),
    );
  return Math.floor(data.length / expected);
}

function readSymbols(whole: FileRange, headers: readonly RawSection[], sections: readonly ElfSection[]): ElfSymbol[] {
  const index = headers.findIndex((header) => header.type === SHT_SYMTAB);
  const [raw, own] = [headers[index], sections[index]];
  if (raw === undefined || own === undefined) return [];
  const table = sections[raw.link];
  if (table === undefined)
    throw new ProblemError(
      elfProblems.elf_no_section({ what: "the symbol table", index: raw.link, count: sections.length }, whole.place(raw.at + 40)),
    );
  const names = new StringTable(table.data, "symbols");
  const { data } = own;
  return Array.from({ length: entries(raw, data, "the symbol table", SYMBOL_SIZE) }, (_, number) => {
    const at = number * SYMBOL_SIZE;
    const info = data.u8(at + 4, "a symbol");
    const type = info & 15;
    const sectionIndex = data.u16(at + 6, "a symbol");
    const ordinary = sectionIndex < SHN_LORESERVE;
    if (ordinary && sectionIndex >= sections.length)
      throw new ProblemError(
        elfProblems.elf_no_section({ what: `symbol ${number}`, index: sectionIndex, count: sections.length }, data.place(at + 6)),
      );
    const name = names.at(data.u32(at, "a symbol"));
    return {
      index: number,
      name: name === "" && type === STT_SECTION ? (sections[sectionIndex]?.name ?? "") : name,
      type,
      binding: info >> 4,
      section: ordinary ? sectionIndex : -1,
      value: data.offset64(at + 8, "a symbol"),
      size: data.offset64(at + 16, "a symbol"),
      fileOffset: data.start + at,
    };
  });
}

function readRelocations(
  headers: readonly RawSection[],
  sections: readonly ElfSection[],
  symbols: readonly ElfSymbol[],
): Map<number, ElfRelocation[]> {
  const all = new Map<number, ElfRelocation[]>();
  for (const [index, raw] of headers.entries()) {
    if (raw.type !== SHT_REL && raw.type !== SHT_RELA) continue;
    const own = sections[index]!;
    if (sections[raw.info] === undefined)
      throw new ProblemError(
        elfProblems.elf_no_section(
          { what: `section ${own.name}`, index: raw.info, count: sections.length },
          { file: own.data.file, offset: raw.at + 44 },
        ),
      );
    const list = all.get(raw.info) ?? [];
    for (const one of relocationsOf(raw, own, symbols)) list.push(one);
    all.set(raw.info, list);
  }
  for (const list of all.values()) list.sort((a, b) => a.offset - b.offset);
  return all;
}

function* relocationsOf(raw: RawSection, own: ElfSection, symbols: readonly ElfSymbol[]): Generator<ElfRelocation> {
  const size = raw.type === SHT_REL ? REL_SIZE : RELA_SIZE;
  const count = entries(raw, own.data, `section ${own.name}`, size);
  for (let number = 0; number < count; number++) {
    const at = number * size;
    const info = own.data.u64(at + 8, "a relocation");
    const index = Number(info >> 32n);
    const symbol = symbols[index];
    if (symbol === undefined)
      throw new ProblemError(
        elfProblems.elf_no_symbol({ what: `section ${own.name}`, index, count: symbols.length }, own.data.place(at + 8)),
      );
    yield {
      offset: own.data.offset64(at, "a relocation"),
      symbol,
      type: Number(info & 0xffffffffn),
      addend: raw.type === SHT_REL ? null : Number(BigInt.asIntN(64, own.data.u64(at + 16, "a relocation"))),
      fileOffset: own.data.start + at,
    };
  }
}
