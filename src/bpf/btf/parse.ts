import { ProblemError } from "../../problem/index.ts";
import type { FileRange } from "./fileRange.ts";
import { btfProblems } from "./problems.ts";
import { StringTable } from "./stringTable.ts";
import type { Btf, BtfType } from "./types.ts";

/** First bytes of .BTF and .BTF.ext. include/uapi/linux/btf.h. */
const BTF_MAGIC = 0xeb9f;
/** Bytes of the fixed part of the header; a longer one is read and its rest passed over. */
const HEADER_SIZE = 24;
const HEADER_LENGTH_END = 8;

/** The sections of a .BTF section: types and names, in the byte order that its magic number shows. */
export interface BtfSection {
  readonly btf: Btf;
  /** The table that .BTF.ext names its files and lines in. */
  readonly strings: StringTable;
}

/** Says in which byte order a .BTF or .BTF.ext section is written. Throws a ProblemError when it is neither. */
export function btfByteOrder(section: FileRange): FileRange {
  const little = section.inByteOrder(true);
  const magic = little.u16(0, "the header of type information");
  if (magic === BTF_MAGIC) return little;
  if (section.inByteOrder(false).u16(0, "the header of type information") === BTF_MAGIC) return section.inByteOrder(false);
  throw new ProblemError(btfProblems.btf_bad_magic({ magic: magic.toString(16).padStart(4, "0") }, section.place(0)));
}

/**
 * Checks the header that .BTF and .BTF.ext begin with, and gives the offset where their data begins.
 */
export function btfHeaderLength(section: FileRange): number {
  const version = section.u8(2, "the header of type information");
  if (version !== 1) throw new ProblemError(btfProblems.btf_bad_version({ version }, section.place(2)));
  const length = section.u32(4, "the header of type information");
  section.part(0, Math.max(length, HEADER_LENGTH_END), "the header of type information");
  return length;
}

/** Reads a .BTF section of either byte order. Every name, index and length is checked; throws a ProblemError. */
export function parseBtf(given: FileRange): BtfSection {
  const section = btfByteOrder(given);
  const headerLength = btfHeaderLength(section);
  if (headerLength < HEADER_SIZE)
    throw new ProblemError(
      btfProblems.object_cut({ what: "the header of type information", need: HEADER_SIZE, have: headerLength }, section.place(4)),
    );
  const field = (at: number) => section.u32(at, "the header of type information");
  const types = section.part(headerLength + field(8), field(12), "the types");
  const strings = new StringTable(section.part(headerLength + field(16), field(20), "the strings of type information"), "type information");
  return { btf: { types: new TypeReader(types, strings).all(), littleEndian: section.littleEndian }, strings };
}

type References = [owner: number, what: string, to: number, at: number];

/** Reads the records of the type section one after the other; references are checked when all types are known. */
class TypeReader {
  readonly #range: FileRange;
  readonly #strings: StringTable;
  readonly #types: BtfType[] = [{ kind: "void" }];
  readonly #references: References[] = [];
  #at = 0;
  #recordAt = 0;

  constructor(range: FileRange, strings: StringTable) {
    this.#range = range;
    this.#strings = strings;
  }

  all(): readonly BtfType[] {
    while (this.#at < this.#range.length) {
      this.#recordAt = this.#at;
      this.#types.push(this.#type());
    }
    const count = this.#types.length;
    for (const [id, what, to, at] of this.#references) {
      if (to >= count) throw new ProblemError(btfProblems.btf_bad_reference({ id, what, to, count }, this.#range.place(at)));
    }
    return this.#types;
  }

  #u32(): number {
    const value = this.#range.u32(this.#at, "a type");
    this.#at += 4;
    return value;
  }

  #name(): string {
    return this.#strings.at(this.#u32());
  }

  /** An id of another type, to be checked at the end. */
  #reference(what: string, value = this.#u32()): number {
    this.#references.push([this.#types.length, what, value, this.#recordAt]);
    return value;
  }

  #list<T>(count: number, bytesEach: number, one: () => T): T[] {
    this.#range.part(this.#at, count * bytesEach, "the members of a type");
    return Array.from({ length: count }, one);
  }

  #type(): BtfType {
    const name = this.#name();
    const info = this.#u32();
    const sizeOrType = this.#u32();
    const count = info & 0xffff;
    const flag = info >>> 31 === 1;
    const kind = (info >>> 24) & 0x1f;
    switch (kind) {
      case 1:
        return this.#int(name, sizeOrType);
      case 2:
        return { kind: "ptr", type: this.#reference("ptr", sizeOrType) };
      case 3:
        return { kind: "array", element: this.#reference("array"), index: this.#reference("array"), length: this.#u32() };
      case 4:
        return this.#composite("struct", name, sizeOrType, count, flag);
      case 5:
        return this.#composite("union", name, sizeOrType, count, flag);
      case 6:
        return { kind: "enum", name, size: sizeOrType, signed: flag, values: this.#list(count, 8, () => this.#enumerator(flag)) };
      case 7:
        return { kind: "fwd", name, union: flag };
      case 8:
        return { kind: "typedef", name, type: this.#reference("typedef", sizeOrType) };
      case 9:
        return { kind: "volatile", type: this.#reference("volatile", sizeOrType) };
      case 10:
        return { kind: "const", type: this.#reference("const", sizeOrType) };
      case 11:
        return { kind: "restrict", type: this.#reference("restrict", sizeOrType) };
      case 12:
        return { kind: "func", name, type: this.#reference("func", sizeOrType), linkage: count };
      case 13: {
        const parameters = this.#list(count, 8, () => ({ name: this.#name(), type: this.#reference("parameter") }));
        return { kind: "func_proto", result: this.#reference("result", sizeOrType), parameters };
      }
      case 14:
        return { kind: "var", name, type: this.#reference("var", sizeOrType), linkage: this.#u32() };
      case 15: {
        const variables = this.#list(count, 12, () => ({ type: this.#reference("variable"), offset: this.#u32(), size: this.#u32() }));
        return { kind: "datasec", name, size: sizeOrType, variables };
      }
      case 16:
        return { kind: "float", name, size: sizeOrType };
      case 17:
        return { kind: "decl_tag", name, type: this.#reference("decl_tag", sizeOrType), component: this.#u32() | 0 };
      case 18:
        return { kind: "type_tag", name, type: this.#reference("type_tag", sizeOrType) };
      case 19:
        return { kind: "enum64", name, size: sizeOrType, signed: flag, values: this.#list(count, 12, () => this.#enumerator64(flag)) };
      default:
        throw new ProblemError(btfProblems.btf_unknown_kind({ id: this.#types.length, kind }, this.#range.place(this.#recordAt)));
    }
  }

  #int(name: string, size: number): BtfType {
    const word = this.#u32();
    const encoding = word >>> 24;
    const bitOffset = (word >>> 16) & 0xff;
    const bits = word & 0xff;
    if (size > 16 || bits === 0 || bits + bitOffset > size * 8)
      throw new ProblemError(
        btfProblems.btf_bad_int({ id: this.#types.length, bits, offset: bitOffset, size }, this.#range.place(this.#recordAt)),
      );
    const [signed, char, bool] = [(encoding & 1) !== 0, (encoding & 2) !== 0, (encoding & 4) !== 0];
    return { kind: "int", name, size, bits, bitOffset, signed, char, bool };
  }

  /** With the flag, a member's offset holds the bitfield's size in its upper byte. */
  #composite(kind: "struct" | "union", name: string, size: number, count: number, flag: boolean): BtfType {
    const members = this.#list(count, 12, () => {
      const memberName = this.#name();
      const type = this.#reference("member");
      const offset = this.#u32();
      return { name: memberName, type, bitOffset: flag ? offset & 0xffffff : offset, bitSize: flag ? offset >>> 24 : 0 };
    });
    return { kind, name, size, members };
  }

  #enumerator(signed: boolean): { name: string; value: bigint } {
    const name = this.#name();
    const value = this.#u32();
    return { name, value: BigInt(signed ? value | 0 : value) };
  }

  #enumerator64(signed: boolean): { name: string; value: bigint } {
    const name = this.#name();
    const value = BigInt(this.#u32()) | (BigInt(this.#u32()) << 32n);
    return { name, value: signed ? BigInt.asIntN(64, value) : value };
  }
}
