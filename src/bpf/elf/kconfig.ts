import { BPF_F_MMAPABLE, BPF_F_RDONLY_PROG, BPF_MAP_TYPE_ARRAY } from "../../layout/index.ts";
import type { Problem } from "../../problem/index.ts";
import { type Btf, type BtfType, sizeOfType, stripped } from "../btf/index.ts";
import { type ElfImage, SHN_UNDEF, STB_WEAK } from "./image.ts";
import type { PlacedMap } from "./placedMap.ts";
import { elfProblems } from "./problems.ts";

/** Where an extern of .kconfig stands in its map; `fault` says why reading it must trap. */
interface KconfigVariable {
  readonly offset: number;
  readonly fault?: string;
}

export interface Kconfig {
  readonly map: PlacedMap;
  readonly variables: ReadonlyMap<string, KconfigVariable>;
}

/**
 * The values that the object's `extern … __kconfig` variables ask for, as a read-only map; null when it asks for none. The variables are laid
 * out by falling alignment, then size, then by name. What is not known is 0 when it is weak, else a warning and a trap where it is read.
 */
export function kconfigMap(image: ElfImage, btf: Btf | null, known: ReadonlyMap<string, string>, warnings: Problem[]): Kconfig | null {
  if (btf === null) return null;
  const sectionId = btf.types.findIndex((type) => type.kind === "datasec" && type.name === ".kconfig");
  const section = btf.types[sectionId];
  if (section?.kind !== "datasec") return null;
  const undefinedSymbols = new Map(
    image.symbols.filter((symbol) => symbol.section === SHN_UNDEF && symbol.name !== "").map((symbol) => [symbol.name, symbol]),
  );
  const wanted = section.variables.flatMap(({ type: id }) => {
    const variable = btf.types[id];
    if (variable?.kind !== "var") return [];
    const symbol = undefinedSymbols.get(variable.name);
    if (symbol === undefined) return [];
    const size = sizeOfType(btf, variable.type);
    return [{ name: variable.name, id, type: variable.type, size, alignment: elementSize(btf, variable.type, size), symbol }];
  });
  wanted.sort((a, b) => b.alignment - a.alignment || b.size - a.size || (a.name < b.name ? -1 : 1));
  let end = 0;
  const placed = wanted.map((one) => {
    const offset = Math.ceil(end / one.alignment) * one.alignment;
    end = offset + one.size;
    return { ...one, offset };
  });
  if (end > MAX_KCONFIG) return null;
  const contents = new Uint8Array(end);
  const variables = new Map<string, KconfigVariable>();
  for (const { name, type, offset, size, symbol } of placed) {
    const at = { file: image.file, offset: symbol.fileOffset };
    const value = known.get(name);
    if (value === undefined) {
      const weak = symbol.binding === STB_WEAK;
      if (!weak) warnings.push(elfProblems.elf_kconfig_unresolved({ name }, at));
      variables.set(name, weak ? { offset } : { offset, fault: `${name} is not known` });
    } else if (writeSetting(contents.subarray(offset, offset + size), stripped(btf, type), value, elementIsChar(btf, type))) {
      variables.set(name, { offset });
    } else {
      warnings.push(elfProblems.elf_kconfig_bad_value({ name, value }, at));
      variables.set(name, { offset, fault: `${name} is ${value} in the kernel's configuration, which does not fit its type` });
    }
  }
  // The compiler leaves the offsets to the loader.
  const laidOut = { ...section, size: end, variables: placed.map(({ id, offset, size }) => ({ type: id, offset, size })) };
  const spec = {
    name: ".kconfig",
    type: BPF_MAP_TYPE_ARRAY,
    keySize: 4,
    valueSize: end,
    maxEntries: 1,
    flags: BPF_F_RDONLY_PROG | BPF_F_MMAPABLE,
    contents,
    frozen: true,
    btf: { types: btf.types.with(sectionId, laidOut), littleEndian: true },
    keyTypeId: 0,
    valueTypeId: sectionId,
    section: ".kconfig",
  };
  return { map: { spec, section: -1, from: 0, to: end, data: true }, variables };
}

/** All settings of one object together; the kernel's whole configuration is smaller. */
const MAX_KCONFIG = 1 << 20;

const elementIsChar = (btf: Btf, id: number): boolean => {
  const type = stripped(btf, id);
  if (type.kind !== "array") return false;
  const element = stripped(btf, type.element);
  return element.kind === "int" && element.size === 1;
};

/** Settings are scalars or arrays of char: their alignment is the scalar's size. */
function elementSize(btf: Btf, id: number, size: number): number {
  return stripped(btf, id).kind === "array" ? 1 : Math.min(8, Math.max(1, size));
}

/** Writes a setting as libbpf does for the type: bool, char, integer, enum libbpf_tristate, or char array. False when it does not fit. */
function writeSetting(to: Uint8Array, type: BtfType, value: string, isText: boolean): boolean {
  if (isText) {
    const text = /^"(.*)"$/s.exec(value)?.[1];
    if (text === undefined || to.length === 0) return false;
    to.set(new TextEncoder().encode(text).subarray(0, to.length - 1));
    return true;
  }
  if (/^[ymn]$/.test(value)) {
    if (type.kind === "enum") return writeInteger(to, BigInt({ n: 0, y: 1, m: 2 }[value as "n" | "y" | "m"]), false);
    if (type.kind !== "int" || type.size !== 1) return false;
    if (type.bool) return value !== "m" && writeInteger(to, value === "y" ? 1n : 0n, false);
    return writeInteger(to, BigInt(value.charCodeAt(0)), false);
  }
  // What the loader itself says of the kernel (LINUX_HAS_…) may be asked for as a bool.
  if (type.kind === "int" && type.bool) return /^[01]$/.test(value) && writeInteger(to, BigInt(value), false);
  if (type.kind !== "int" || !/^-?(0x[0-9a-fA-F]+|\d+)$/.test(value)) return false;
  return writeInteger(to, value.startsWith("-") ? -BigInt(value.slice(1)) : BigInt(value), type.signed);
}

function writeInteger(to: Uint8Array, value: bigint, signed: boolean): boolean {
  const bits = to.length * 8;
  if ((signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value)) !== value) return false;
  for (let index = 0; index < to.length; index++) to[index] = Number((value >> BigInt(8 * index)) & 0xffn);
  return true;
}
