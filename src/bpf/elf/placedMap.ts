import type { MapSpec } from "../spec.ts";
import type { ElfImage, ElfRelocation, ElfSection, ElfSymbol } from "./image.ts";
import { STT_FILE, STT_SECTION } from "./image.ts";

/** A map and the bytes that stand for it in the object: what a relocation must point at to mean it. */
export interface PlacedMap {
  readonly spec: MapSpec;
  /** Index of its section, or -1 (.kconfig, which has none). */
  readonly section: number;
  readonly from: number;
  readonly to: number;
  /** A global data section: an address in it is a map value. */
  readonly data: boolean;
  /** Of an ARENA: the section of the variables that stand at its beginning, and its bytes. An address in it is one in the arena. */
  readonly variables?: { readonly section: number; readonly size: number };
}

/** The symbols that name something in a section, in the order of their places. */
export const symbolsIn = (image: ElfImage, section: ElfSection): ElfSymbol[] =>
  image.symbols
    .filter((symbol) => symbol.section === section.index && symbol.type !== STT_SECTION && symbol.type !== STT_FILE && symbol.name !== "")
    .sort((a, b) => a.value - b.value);

/** Where a relocation of 8 bytes of data points: section and offset. The addend of a REL section stands in the patched bytes. */
export function dataTarget(section: ElfSection, relocation: ElfRelocation): { readonly section: number; readonly offset: number } {
  const addend = relocation.addend ?? Number(BigInt.asIntN(53, section.data.u64(relocation.offset, "a pointer")));
  return { section: relocation.symbol.section, offset: relocation.symbol.value + addend };
}
