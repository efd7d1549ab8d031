import { BPF_MAP_TYPE_ARRAY_OF_MAPS, BPF_MAP_TYPE_HASH_OF_MAPS, BPF_MAP_TYPE_PROG_ARRAY } from "../../layout/index.ts";
import { ProblemError } from "../../problem/index.ts";
import type { MapSpec } from "../spec.ts";
import type { ElfFunction } from "./functions.ts";
import { type ElfImage, type ElfSection, STB_LOCAL, STT_OBJECT } from "./image.ts";
import { type PlacedMap, symbolsIn } from "./placedMap.ts";
import { elfProblems } from "./problems.ts";

/**
 * Map definitions before BTF. All begin with type, key_size, value_size, max_entries and (from 20 bytes) map_flags, each 32 bits. Then
 *   28 bytes  inner_map_idx, numa_node                    (Linux samples before 5.11)
 *   36 bytes  id, pinning, inner_id, inner_idx            (iproute2, bpf_elf.h)
 * and 40 bytes as 36 with a word nobody reads. Longer ones hold what only their own loader knew.
 */
const SMALLEST = 16;
const WITH_FLAGS = 20;
const OF_SAMPLES = 28;
const OF_IPROUTE2 = [36, 40];
/** iproute2's pinning of a map that objects share; 1 shares it between loads of one object only. include/bpf_elf.h: PIN_GLOBAL_NS, custom paths above. */
const PIN_GLOBAL = 2;
/** iproute2's inner_idx of a map that is to be the template only. */
const NO_INDEX = 0xffffffff;

/** A definition's own words, beside the map they make. */
interface LegacyMap {
  readonly placed: PlacedMap;
  readonly innerMapIndex: number;
  readonly id: number;
  readonly innerId: number;
  readonly innerIndex: number;
}

/** Does a section hold legacy maps? "maps", and "maps/NAME" as gobpf writes them. */
const isLegacyMapSection = (name: string): boolean => name === "maps" || name.startsWith("maps/");

/** The maps of all legacy sections of an object, with iproute2's inner maps and the programs of its sections "ID/INDEX" in their slots. */
export function legacyMaps(image: ElfImage, functions: readonly ElfFunction[]): PlacedMap[] {
  const all = image.sections
    .filter((section) => isLegacyMapSection(section.name) && !section.executable && !section.zeros)
    .flatMap((section) => mapsOfSection(image, section));
  return all.map((map) => ({ ...map.placed, spec: complete(map, all, functions) }));
}

function mapsOfSection(image: ElfImage, section: ElfSection): LegacyMap[] {
  const symbols = symbolsIn(image, section).filter((symbol) => symbol.type === STT_OBJECT || symbol.binding !== STB_LOCAL);
  return symbols.map((symbol, index) => {
    const end = symbol.size > 0 ? symbol.value + symbol.size : (symbols[index + 1]?.value ?? section.size);
    const size = end - symbol.value;
    if (size < SMALLEST || end > section.size)
      throw new ProblemError(
        elfProblems.elf_bad_legacy_maps(
          { section: section.name, size: section.size, count: symbols.length },
          { file: image.file, offset: symbol.fileOffset },
        ),
      );
    const word = (at: number) => (at * 4 + 4 <= size ? section.data.u32(symbol.value + at * 4, `map ${symbol.name}`) : 0);
    const iproute2 = OF_IPROUTE2.includes(size);
    const spec: MapSpec = {
      name: symbol.name,
      type: word(0),
      keySize: word(1),
      valueSize: word(2),
      maxEntries: word(3),
      flags: size >= WITH_FLAGS ? word(4) : 0,
      ...(iproute2 && word(6) >= PIN_GLOBAL ? { pinByName: true } : {}),
      ...(iproute2 && word(5) !== 0 ? { iproute2Id: word(5) } : {}),
      section: section.name,
    };
    return {
      placed: { spec, section: section.index, from: symbol.value, to: end, data: false },
      innerMapIndex: size === OF_SAMPLES ? word(5) : 0,
      id: iproute2 ? word(5) : 0,
      innerId: iproute2 ? word(7) : 0,
      innerIndex: iproute2 ? word(8) : NO_INDEX,
    };
  });
}

const isMapInMap = ({ type }: MapSpec): boolean => type === BPF_MAP_TYPE_ARRAY_OF_MAPS || type === BPF_MAP_TYPE_HASH_OF_MAPS;

function complete(map: LegacyMap, all: readonly LegacyMap[], functions: readonly ElfFunction[]): MapSpec {
  const { spec } = map.placed;
  if (isMapInMap(spec)) {
    const inners = map.innerId === 0 ? [] : all.filter((one) => one.id === map.innerId && !isMapInMap(one.placed.spec));
    const template = inners[0] ?? all.filter((one) => !isMapInMap(one.placed.spec) && one !== map)[map.innerMapIndex];
    const slots = inners
      .filter((one) => one.innerIndex !== NO_INDEX && one.innerId === 0)
      .map((one) => ({ index: one.innerIndex, target: one.placed.spec.name }));
    return { ...spec, ...(template === undefined ? {} : { inner: template.placed.spec }), ...(slots.length > 0 ? { slots } : {}) };
  }
  if (spec.type === BPF_MAP_TYPE_PROG_ARRAY && map.id !== 0) {
    const slots = functions.flatMap((one) => {
      const position = slotOfSection(one.section.name);
      return position !== null && position.id === map.id ? [{ index: position.index, target: one.name }] : [];
    });
    return slots.length > 0 ? { ...spec, slots } : spec;
  }
  return spec;
}

/** iproute2's section names "MAP ID/SLOT", both as C writes integers. */
export function slotOfSection(name: string): { id: number; index: number } | null {
  const match = /^(0[xX][0-9a-fA-F]+|\d+)\/(0[xX][0-9a-fA-F]+|\d+)$/.exec(name);
  if (match === null) return null;
  const [id, index] = [integer(match[1]!), integer(match[2]!)];
  return id <= 0xffffffff && index <= 0xffffffff ? { id, index } : null;
}

const integer = (text: string): number => (/^0\d/.test(text) ? Number.parseInt(text, 8) : Number(text));
