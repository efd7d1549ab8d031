import { ProblemError } from "../../problem/index.ts";
import type { FileRange } from "./fileRange.ts";
import { btfByteOrder, btfHeaderLength } from "./parse.ts";
import { btfProblems } from "./problems.ts";
import type { StringTable } from "./stringTable.ts";

/** What .BTF.ext says of the functions of a section: where each begins, and its FUNC. Offsets are bytes in the ELF section. */
interface FunctionInfo {
  readonly section: string;
  readonly offset: number;
  readonly typeId: number;
}

/** A source line: it holds from its byte offset in the ELF section to the next line's. Line and column count from 1; column 0 is unknown. */
export interface LineInfo {
  readonly section: string;
  readonly offset: number;
  readonly file: string;
  readonly text: string;
  readonly line: number;
  readonly column: number;
}

/** A CO-RE relocation: the instruction to patch, and which fact of the running kernel's types it needs. include/uapi/linux/bpf.h: bpf_core_relo. */
export interface CoreRelocation {
  readonly section: string;
  readonly offset: number;
  readonly typeId: number;
  /** Indices of members, as "0:1:2". */
  readonly access: string;
  /** enum bpf_core_relo_kind, in words. */
  readonly kind: string;
}

export interface BtfExt {
  readonly functions: readonly FunctionInfo[];
  readonly lines: readonly LineInfo[];
  readonly relocations: readonly CoreRelocation[];
}

/** enum bpf_core_relo_kind, in the kernel's order and libbpf's words. */
const coreKinds = [
  "byte_off",
  "byte_sz",
  "field_exists",
  "signed",
  "lshift_u64",
  "rshift_u64",
  "local_type_id",
  "target_type_id",
  "type_exists",
  "type_size",
  "enumval_exists",
  "enumval_value",
  "type_matches",
] as const;

/** Bytes of a record that Linux 6.18 knows: longer ones are read as far as that. */
const RECORDS = { functions: 8, lines: 16, relocations: 16 };

/** Reads a .BTF.ext section: function starts, source lines, CO-RE relocations. `strings` are those of .BTF. Throws a ProblemError. */
export function parseBtfExt(given: FileRange, strings: StringTable): BtfExt {
  const section = btfByteOrder(given);
  const headerLength = btfHeaderLength(section);
  const part = (at: number, what: string): FileRange => {
    const has = headerLength >= at + 8;
    const [offset, length] = has ? [section.u32(at, what), section.u32(at + 4, what)] : [0, 0];
    return section.part(headerLength + offset, length, what);
  };
  const functions: FunctionInfo[] = [];
  readRecords(part(8, "function information"), strings, "function information", RECORDS.functions, (name, record) =>
    functions.push({ section: name, offset: record.u32(0, "a function"), typeId: record.u32(4, "a function") }),
  );
  const lines: LineInfo[] = [];
  readRecords(part(16, "line information"), strings, "line information", RECORDS.lines, (name, record) => {
    const position = record.u32(12, "a line");
    lines.push({
      section: name,
      offset: record.u32(0, "a line"),
      file: strings.at(record.u32(4, "a line")),
      text: strings.at(record.u32(8, "a line")),
      line: position >>> 10,
      column: position & 0x3ff,
    });
  });
  const relocations: CoreRelocation[] = [];
  readRecords(part(24, "CO-RE relocations"), strings, "CO-RE relocations", RECORDS.relocations, (name, record) => {
    const kind = record.u32(12, "a CO-RE relocation");
    relocations.push({
      section: name,
      offset: record.u32(0, "a CO-RE relocation"),
      typeId: record.u32(4, "a CO-RE relocation"),
      access: strings.at(record.u32(8, "a CO-RE relocation")),
      kind: coreKinds[kind] ?? `kind ${kind}`,
    });
  });
  return { functions, lines, relocations };
}

/** Record size, then for each ELF section: its name, how many records, the records. */
function readRecords(
  range: FileRange,
  strings: StringTable,
  what: string,
  least: number,
  each: (section: string, record: FileRange) => void,
): void {
  if (range.length === 0) return;
  const size = range.u32(0, what);
  if (size < least) throw new ProblemError(btfProblems.btf_ext_bad_record({ what, size, least }, range.place(0)));
  let at = 4;
  while (at < range.length) {
    const section = strings.at(range.u32(at, what));
    const count = range.u32(at + 4, what);
    const records = range.part(at + 8, count * size, what);
    for (let index = 0; index < count; index++) each(section, records.part(index * size, size, what));
    at += 8 + count * size;
  }
}
