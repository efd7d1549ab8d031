/** A section of an object made by hand. */
export interface MadeSection {
  readonly name: string;
  readonly data: Uint8Array;
  readonly code?: boolean;
  readonly relocations?: readonly MadeRelocation[];
}

interface MadeRelocation {
  readonly offset: number;
  /** Name of a symbol. */
  readonly symbol: string;
  /** Makes the section RELA; all relocations of a section must have one, or none. */
  readonly addend?: number;
}

export interface MadeSymbol {
  readonly name: string;
  /** Name of its section; none for an undefined symbol. */
  readonly section?: string;
  readonly value?: number;
  readonly size?: number;
  readonly type?: "notype" | "object" | "func" | "section";
  readonly binding?: "local" | "global" | "weak";
}

export interface MadeElf {
  readonly sections: readonly MadeSection[];
  readonly symbols?: readonly MadeSymbol[];
  readonly machine?: number;
  /** Numbers that do not fit the header stand in section 0, as they do above 65,279 sections. */
  readonly longNumbers?: boolean;
}

const types = { notype: 0, object: 1, func: 2, section: 3 };
const bindings = { local: 0, global: 1, weak: 2 };

class Names {
  readonly #bytes: number[] = [0];
  add(name: string): number {
    const at = this.#bytes.length;
    this.#bytes.push(...new TextEncoder().encode(name), 0);
    return at;
  }
  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes);
  }
}

interface Header {
  readonly name: string;
  readonly type: number;
  readonly flags: number;
  readonly data: Uint8Array;
  readonly link: number;
  readonly info: number;
  readonly entrySize: number;
}

/** Writes a little-endian ELF64 relocatable object. */
export function buildElf({ sections, symbols = [], machine = 247, longNumbers = false }: MadeElf): Uint8Array {
  const sectionIndex = (name: string | undefined) => (name === undefined ? 0 : sections.findIndex((one) => one.name === name) + 1);
  const symbolIndex = (name: string) => symbols.findIndex((one) => one.name === name) + 1;
  const symbolNames = new Names();
  const table = new DataView(new ArrayBuffer((symbols.length + 1) * 24));
  for (const [index, symbol] of symbols.entries()) {
    const at = (index + 1) * 24;
    table.setUint32(at, symbolNames.add(symbol.name), true);
    table.setUint8(at + 4, (bindings[symbol.binding ?? "global"] << 4) | types[symbol.type ?? "func"]);
    table.setUint16(at + 6, sectionIndex(symbol.section), true);
    table.setBigUint64(at + 8, BigInt(symbol.value ?? 0), true);
    table.setBigUint64(at + 16, BigInt(symbol.size ?? 0), true);
  }
  const empty = new Uint8Array();
  const plain = { flags: 0, link: 0, info: 0, entrySize: 0 };
  const headers: Header[] = [{ ...plain, name: "", type: 0, data: empty }];
  for (const { name, data, code } of sections) headers.push({ ...plain, name, type: 1, flags: code ? 6 : 3, data });
  const symtab = headers.length;
  headers.push({ ...plain, name: ".symtab", type: 2, data: new Uint8Array(table.buffer), link: symtab + 1, entrySize: 24 });
  headers.push({ ...plain, name: ".strtab", type: 3, data: symbolNames.bytes() });
  for (const { name, relocations = [] } of sections) {
    if (relocations.length === 0) continue;
    const rela = relocations[0]!.addend !== undefined;
    const size = rela ? 24 : 16;
    const view = new DataView(new ArrayBuffer(relocations.length * size));
    for (const [index, relocation] of relocations.entries()) {
      view.setBigUint64(index * size, BigInt(relocation.offset), true);
      view.setBigUint64(index * size + 8, (BigInt(symbolIndex(relocation.symbol)) << 32n) | 1n, true);
      if (rela) view.setBigInt64(index * size + 16, BigInt(relocation.addend ?? 0), true);
    }
    const data = new Uint8Array(view.buffer);
    headers.push({
      ...plain,
      name: `${rela ? ".rela" : ".rel"}${name}`,
      type: rela ? 4 : 9,
      data,
      link: symtab,
      info: sectionIndex(name),
      entrySize: size,
    });
  }
  const sectionNames = new Names();
  const nameOffsets = [...headers, { name: ".shstrtab" }].map(({ name }) => (name === "" ? 0 : sectionNames.add(name)));
  headers.push({ ...plain, name: ".shstrtab", type: 3, data: sectionNames.bytes() });

  const starts: number[] = [];
  let end = 64;
  for (const { data } of headers) {
    starts.push(end);
    end = Math.ceil((end + data.length) / 8) * 8;
  }
  const file = new Uint8Array(end + headers.length * 64);
  const view = new DataView(file.buffer);
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, 1, true);
  view.setUint16(18, machine, true);
  view.setUint32(20, 1, true);
  view.setBigUint64(40, BigInt(end), true);
  view.setUint16(52, 64, true);
  view.setUint16(58, 64, true);
  view.setUint16(60, longNumbers ? 0 : headers.length, true);
  view.setUint16(62, longNumbers ? 0xffff : headers.length - 1, true);
  for (const [index, header] of headers.entries()) {
    file.set(header.data, starts[index]!);
    const at = end + index * 64;
    view.setUint32(at, nameOffsets[index]!, true);
    view.setUint32(at + 4, header.type, true);
    view.setBigUint64(at + 8, BigInt(header.flags), true);
    view.setBigUint64(at + 24, BigInt(starts[index]!), true);
    view.setBigUint64(at + 32, BigInt(header.data.length), true);
    view.setUint32(at + 40, header.link, true);
    view.setUint32(at + 44, header.info, true);
    view.setBigUint64(at + 56, BigInt(header.entrySize), true);
  }
  if (longNumbers) {
    view.setBigUint64(end + 32, BigInt(headers.length), true);
    view.setUint32(end + 40, headers.length - 1, true);
  }
  return file;
}
