import { ARENA_PAGE, BPF_MAP_TYPE_ARENA } from "../../layout/index.ts";
import { ProblemError } from "../../problem/index.ts";
import type { Btf } from "../btf/index.ts";
import { asRun } from "./globalMaps.ts";
import type { ElfImage } from "./image.ts";
import type { PlacedMap } from "./placedMap.ts";
import { elfProblems } from "./problems.ts";

/** Where compilers put variables of address space 1 (`__arena`). */
const SECTION = ".addr_space.1";

/**
 * Gives an object's `__arena` variables to its ARENA, at whose beginning they stand: tools/lib/bpf/libbpf.c of Linux 6.18, init_arena_map_data. Throws a Problem where there are variables and no
 * arena, or several, or one that is too small.
 */
export function withArenaVariables(maps: readonly PlacedMap[], image: ElfImage, btf: Btf | null): readonly PlacedMap[] {
  const section = image.sections.find(({ name, size }) => name === SECTION && size > 0);
  const [arena, second] = maps.filter(({ spec }) => spec.type === BPF_MAP_TYPE_ARENA);
  if (second !== undefined)
    throw new ProblemError(elfProblems.elf_bad_map({ map: second.spec.name, why: "it is a second ARENA; an object can have one" }));
  if (section === undefined) return maps;
  const fail = (why: string): never => {
    throw new ProblemError(elfProblems.elf_bad_map({ map: SECTION, why }, section.data.place(0)));
  };
  if (arena === undefined) return fail("its variables need a map of type ARENA");
  if (section.size > arena.spec.maxEntries * ARENA_PAGE) fail(`its ${section.size} bytes do not fit into the arena ${arena.spec.name}`);
  const typeId = btf === null ? -1 : btf.types.findIndex((type) => type.kind === "datasec" && type.name === SECTION);
  const contents = section.zeros ? new Uint8Array(section.size) : section.data.bytes.slice();
  const typed = btf === null || typeId < 0 ? {} : { btf: asRun(btf), valueTypeId: typeId };
  const spec = { ...arena.spec, contents, ...typed };
  return maps.map((map) => (map === arena ? { ...map, spec, variables: { section: section.index, size: section.size } } : map));
}
