import { BPF_F_MMAPABLE, BPF_F_RDONLY_PROG, BPF_MAP_TYPE_ARRAY } from "../../layout/index.ts";
import { type Problem, ProblemError } from "../../problem/index.ts";
import { BTF_LINKAGE_STATIC, type Btf, type BtfDataSection, type BtfType, decodeValue, encodeValue } from "../btf/index.ts";
import { type ElfImage, type ElfSection, STT_FILE, STT_SECTION } from "./image.ts";
import type { PlacedMap } from "./placedMap.ts";
import { elfProblems } from "./problems.ts";

/** Largest value of a map. kernel/bpf/arraymap.c takes values of up to INT_MAX bytes. */
const MAX_VALUE = 0x7fffffff;

const isSectionOrPart = (name: string, of: string): boolean => name === of || name.startsWith(`${of}.`);

/** Is it a section of global variables, which loaders make a map of? */
const isGlobalSection = ({ name, executable, size }: ElfSection): boolean =>
  !executable && size > 0 && [".data", ".rodata", ".bss"].some((of) => isSectionOrPart(name, of));

/**
 * Puts what the linker would into the DATASECs: compilers leave their sizes, and the offsets of their variables, 0 for the symbol table to say.
 */
export function withSectionOffsets(btf: Btf, image: ElfImage): Btf {
  const sections = new Map(image.sections.map((section) => [section.name, section]));
  const offsets = new Map<string, number>();
  for (const { name, section, value, type } of image.symbols)
    if (name !== "" && type !== STT_SECTION && type !== STT_FILE) offsets.set(`${section}:${name}`, value);
  const fixed = (type: BtfType): BtfType => {
    if (type.kind !== "datasec") return type;
    const section = sections.get(type.name);
    if (section === undefined) return type;
    const variables = type.variables.map((variable) => {
      const named = btf.types[variable.type];
      const offset = named?.kind === "var" ? offsets.get(`${section.index}:${named.name}`) : undefined;
      return offset === undefined ? variable : { ...variable, offset };
    });
    return { ...type, size: type.size || Math.min(section.size, MAX_VALUE), variables: variables.sort((a, b) => a.offset - b.offset) };
  };
  return { ...btf, types: btf.types.map(fixed) };
}

/** One ARRAY of one entry for each section of global variables, as libbpf makes them; .rodata is read-only to programs and frozen. */
export function globalMaps(image: ElfImage, btf: Btf | null, warnings: Problem[]): PlacedMap[] {
  return image.sections.filter(isGlobalSection).map((section) => {
    if (section.size > MAX_VALUE)
      throw new ProblemError(
        elfProblems.elf_bad_map({ map: section.name, why: `it has ${section.size} bytes, more than 2 GiB` }, section.data.place(0)),
      );
    const count = image.relocations.get(section.index)?.length ?? 0;
    if (count > 0) warnings.push(elfProblems.elf_data_relocated({ section: section.name, count }, section.data.place(0)));
    const readOnly = isSectionOrPart(section.name, ".rodata");
    const typeId = btf === null ? -1 : btf.types.findIndex((type) => type.kind === "datasec" && type.name === section.name);
    const mmapable = btf !== null && typeId !== -1 && hasGlobalVariable(btf, btf.types[typeId] as BtfDataSection);
    return {
      spec: {
        name: section.name,
        type: BPF_MAP_TYPE_ARRAY,
        keySize: 4,
        valueSize: section.size,
        maxEntries: 1,
        flags: (readOnly ? BPF_F_RDONLY_PROG : 0) | (mmapable ? BPF_F_MMAPABLE : 0),
        ...(section.zeros ? {} : { contents: firstContents(image, section, btf, typeId, warnings) }),
        ...(readOnly ? { frozen: true } : {}),
        ...(btf !== null && typeId !== -1 ? { btf: asRun(btf), keyTypeId: 0, valueTypeId: typeId } : {}),
        section: section.name,
      },
      section: section.index,
      from: 0,
      to: section.size,
      data: true,
    };
  });
}

/** Types as programs use them when they run: whatever the object's byte order, the machine's is little-endian. */
export const asRun = (btf: Btf): Btf => (btf.littleEndian ? btf : { ...btf, littleEndian: true });

/** First value of a section; that of a big-endian object is turned round, variable by variable, by its types. */
function firstContents(image: ElfImage, section: ElfSection, btf: Btf | null, typeId: number, warnings: Problem[]): Uint8Array {
  const { bytes } = section.data;
  if (image.littleEndian || bytes.every((byte) => byte === 0)) return bytes.slice();
  if (btf !== null && typeId !== -1) {
    const value = decodeValue(btf, typeId, bytes);
    const turned = value.ok ? encodeValue(asRun(btf), typeId, value.value) : value;
    if (turned.ok) return turned.value;
  }
  warnings.push(elfProblems.elf_big_endian_contents({ map: section.name }, section.data.place(0)));
  return new Uint8Array(bytes.length);
}

/** User space may map a section that holds at least one variable that is not static. */
const hasGlobalVariable = (btf: Btf, section: BtfDataSection): boolean =>
  section.variables.some(({ type }) => {
    const variable = btf.types[type];
    return variable?.kind === "var" && variable.linkage !== BTF_LINKAGE_STATIC;
  });
