import type { BtfType } from "./types.ts";

const kinds = [
  ...["void", "int", "ptr", "array", "struct", "union", "enum", "fwd", "typedef", "volatile", "const", "restrict", "func", "func_proto"],
  ...["var", "datasec", "float", "decl_tag", "type_tag", "enum64"],
];

/** Writes types as a .BTF section, of either byte order, with a header as long as asked. Documentation/bpf/btf.rst. */
export function writeBtf(types: readonly BtfType[], littleEndian: boolean, headerLength = 24): Uint8Array {
  const strings: number[] = [0];
  const known = new Map([["", 0]]);
  const words: number[] = [];
  const name = (text: string): number => {
    const before = known.get(text);
    if (before !== undefined) return before;
    const at = strings.length;
    known.set(text, at);
    strings.push(...new TextEncoder().encode(text), 0);
    return at;
  };
  const head = (type: BtfType, text: string, count: number, flag: boolean, sizeOrType: number) =>
    words.push(name(text), (((flag ? 1 << 31 : 0) | (kinds.indexOf(type.kind) << 24) | count) >>> 0) as number, sizeOrType);
  for (const type of types.slice(1)) {
    switch (type.kind) {
      case "int":
        head(type, type.name, 0, false, type.size);
        words.push((((type.signed ? 1 : 0) | (type.char ? 2 : 0) | (type.bool ? 4 : 0)) << 24) | (type.bitOffset << 16) | type.bits);
        break;
      case "array":
        head(type, "", 0, false, 0);
        words.push(type.element, type.index, type.length);
        break;
      case "struct":
      case "union": {
        const flag = type.members.some(({ bitSize }) => bitSize > 0);
        head(type, type.name, type.members.length, flag, type.size);
        for (const member of type.members)
          words.push(name(member.name), member.type, (flag ? (member.bitSize << 24) | member.bitOffset : member.bitOffset) >>> 0);
        break;
      }
      case "enum":
        head(type, type.name, type.values.length, type.signed, type.size);
        for (const { name: text, value } of type.values) words.push(name(text), Number(BigInt.asUintN(32, value)));
        break;
      case "enum64":
        head(type, type.name, type.values.length, type.signed, type.size);
        for (const { name: text, value } of type.values)
          words.push(name(text), Number(BigInt.asUintN(32, value)), Number(BigInt.asUintN(32, value >> 32n)));
        break;
      case "fwd":
        head(type, type.name, 0, type.union, 0);
        break;
      case "func":
        head(type, type.name, type.linkage, false, type.type);
        break;
      case "func_proto":
        head(type, "", type.parameters.length, false, type.result);
        for (const parameter of type.parameters) words.push(name(parameter.name), parameter.type);
        break;
      case "var":
        head(type, type.name, 0, false, type.type);
        words.push(type.linkage);
        break;
      case "datasec":
        head(type, type.name, type.variables.length, false, type.size);
        for (const variable of type.variables) words.push(variable.type, variable.offset, variable.size);
        break;
      case "float":
        head(type, type.name, 0, false, type.size);
        break;
      case "decl_tag":
        head(type, type.name, 0, false, type.type);
        words.push(type.component >>> 0);
        break;
      case "typedef":
      case "type_tag":
        head(type, type.name, 0, false, type.type);
        break;
      case "ptr":
      case "const":
      case "volatile":
      case "restrict":
        head(type, "", 0, false, type.type);
        break;
      default:
        throw new Error(`no record for ${type.kind}`);
    }
  }
  const bytes = new Uint8Array(headerLength + words.length * 4 + strings.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 0xeb9f, littleEndian);
  view.setUint8(2, 1);
  view.setUint32(4, headerLength, littleEndian);
  view.setUint32(12, words.length * 4, littleEndian);
  view.setUint32(16, words.length * 4, littleEndian);
  view.setUint32(20, strings.length, littleEndian);
  for (const [index, word] of words.entries()) view.setUint32(headerLength + index * 4, word, littleEndian);
  bytes.set(strings, headerLength + words.length * 4);
  return bytes;
}
