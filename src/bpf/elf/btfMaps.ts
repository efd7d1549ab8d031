import { type Problem, ProblemError } from "../../problem/index.ts";
import { type Btf, type BtfComposite, type BtfMember, sizeOfType, stripped, strippedId } from "../btf/index.ts";
import type { MapSpec } from "../spec.ts";
import type { ElfFunction } from "./functions.ts";
import type { ElfImage, ElfSection } from "./image.ts";
import { dataTarget, type PlacedMap, symbolsIn } from "./placedMap.ts";
import { elfProblems } from "./problems.ts";

/** LIBBPF_PIN_BY_NAME, the value of the field `pinning`. */
const PIN_BY_NAME = 1;
/** Types whose keys and values are 4 bytes when the object does not say: libbpf's rule. */
const POINTER_SIZE = 8;

/** A map definition under construction: what its struct says, and where its static initialisers begin. */
interface Definition {
  readonly spec: MapSpec;
  /** Offset of `values` in the struct; null when there is none. */
  readonly valuesAt: number | null;
}

/**
 * The maps of the section .maps: variables whose struct types encode the attributes (`__uint` as the length of an array behind a pointer,
 * `__type` as the target of a pointer, `__array(values, …)` as an array of pointers, `__ulong` as the value of an enum).
 */
export function btfMaps(
  image: ElfImage,
  section: ElfSection,
  btf: Btf | null,
  functions: readonly ElfFunction[],
  warnings: Problem[],
): PlacedMap[] {
  const place = section.data.place(0);
  if (btf === null) throw new ProblemError(elfProblems.elf_map_needs_btf({}, place));
  const types = mapTypes(btf, section.name);
  const placed: { definition: Definition; from: number; to: number }[] = [];
  for (const symbol of symbolsIn(image, section)) {
    const at = { file: image.file, offset: symbol.fileOffset };
    const type = types.get(symbol.name);
    if (type === undefined) {
      throw new ProblemError(elfProblems.elf_bad_map({ map: symbol.name, why: "no type information describes it" }, at));
    }
    const to = symbol.value + symbol.size;
    if (to > section.size)
      throw new ProblemError(elfProblems.elf_bad_map({ map: symbol.name, why: `it ends behind section ${section.name}` }, at));
    placed.push({ definition: new MapReader(btf, symbol.name, section, warnings).read(type), from: symbol.value, to });
  }
  const slots = staticSlots(image, section, placed, functions);
  return placed.map(({ definition, from, to }, index) => {
    const own = slots[index]!;
    const spec = own.length === 0 ? definition.spec : { ...definition.spec, slots: own };
    return { spec, section: section.index, from, to, data: false };
  });
}

/** Type ids of the variables that the DATASEC of that name lists, by variable. */
function mapTypes(btf: Btf, section: string): Map<string, number> {
  const types = new Map<string, number>();
  for (const type of btf.types) {
    if (type.kind !== "datasec" || type.name !== section) continue;
    for (const { type: id } of type.variables) {
      const variable = btf.types[id];
      if (variable?.kind === "var") types.set(variable.name, variable.type);
    }
  }
  return types;
}

type Slots = { readonly index: number; readonly target: string }[];

/** Static initialisers: each relocation of the section fills a slot with a map or a program. */
function staticSlots(
  image: ElfImage,
  section: ElfSection,
  placed: readonly { definition: Definition; from: number; to: number }[],
  functions: readonly ElfFunction[],
): Slots[] {
  const slots: Slots[] = placed.map(() => []);
  for (const relocation of image.relocations.get(section.index) ?? []) {
    const at = { file: image.file, offset: relocation.fileOffset };
    const fail = (why: string): never => {
      throw new ProblemError(elfProblems.elf_bad_relocation({ symbol: relocation.symbol.name, why }, at));
    };
    const mapIndex = placed.findIndex(({ from, to }) => relocation.offset >= from && relocation.offset < to);
    const map = placed[mapIndex];
    if (map === undefined) return fail(`no map stands at offset ${relocation.offset} of section ${section.name}`);
    const { valuesAt, spec } = map.definition;
    const offset = relocation.offset - map.from - (valuesAt ?? 0);
    if (valuesAt === null || offset < 0 || offset % POINTER_SIZE !== 0) fail(`map ${spec.name} has no slot there`);
    const index = offset / POINTER_SIZE;
    const target = dataTarget(section, relocation);
    const inner = target.section === section.index ? placed.find(({ from }) => from === target.offset)?.definition.spec.name : undefined;
    const program = functions.find((one) => one.section.index === target.section && one.from === target.offset)?.name;
    slots[mapIndex]!.push({ index, target: inner ?? program ?? fail("it is neither a map nor a program") });
  }
  return slots;
}

/** Reads one map definition. */
class MapReader {
  readonly #btf: Btf;
  readonly #name: string;
  readonly #section: ElfSection;
  readonly #warnings: Problem[];

  constructor(btf: Btf, name: string, section: ElfSection, warnings: Problem[]) {
    this.#btf = btf;
    this.#name = name;
    this.#section = section;
    this.#warnings = warnings;
  }

  read(typeId: number): Definition {
    const type = stripped(this.#btf, typeId);
    if (type.kind !== "struct") return this.#fail("it is not a struct");
    return this.#definition(type, this.#name, false);
  }

  #fail(why: string): never {
    throw new ProblemError(elfProblems.elf_bad_map({ map: this.#name, why }, this.#section.data.place(0)));
  }

  #definition(struct: BtfComposite, name: string, isInner: boolean): Definition {
    const numbers = new Map<string, bigint>();
    const types = new Map<string, number>();
    let inner: MapSpec | undefined;
    let valuesAt: number | null = null;
    for (const member of struct.members) {
      switch (member.name) {
        case "type":
        case "max_entries":
        case "map_flags":
        case "numa_node":
        case "key_size":
        case "value_size":
        case "pinning":
        case "map_extra":
          numbers.set(member.name, this.#number(member));
          break;
        case "key":
        case "value":
          types.set(member.name, this.#target(member));
          break;
        case "values":
          if (isInner) this.#fail("an inner map cannot hold maps or programs of its own");
          if (member.bitOffset % 8 !== 0) this.#fail("values is a bitfield");
          valuesAt = member.bitOffset / 8;
          inner = this.#innerMap(member);
          break;
        default:
          this.#warnings.push(
            elfProblems.elf_map_field_unknown({ map: name, field: member.name || "without a name" }, this.#section.data.place(0)),
          );
      }
    }
    const number32 = (field: string): number => {
      const value = numbers.get(field) ?? 0n;
      if (value < 0n || value > 0xffffffffn) this.#fail(`${field} is ${value}`);
      return Number(value);
    };
    const keySize = this.#size("key", types, numbers, number32);
    // The values of maps that hold maps or programs are file descriptors.
    const valueSize = this.#size("value", types, numbers, number32) || (valuesAt === null ? 0 : 4);
    if (number32("type") === 0) this.#fail("it has no type");
    const mapExtra = numbers.get("map_extra");
    const spec: MapSpec = {
      name,
      type: number32("type"),
      keySize,
      valueSize,
      maxEntries: number32("max_entries"),
      flags: number32("map_flags"),
      ...(inner === undefined ? {} : { inner }),
      btf: this.#btf,
      keyTypeId: types.get("key") ?? 0,
      valueTypeId: types.get("value") ?? 0,
      ...(number32("pinning") === PIN_BY_NAME ? { pinByName: true } : {}),
      ...(mapExtra === undefined ? {} : { mapExtra: BigInt.asUintN(64, mapExtra) }),
      section: this.#section.name,
    };
    return { spec, valuesAt };
  }

  /** `__uint`: the length of an array behind a pointer; `__ulong`: the value of an enum. */
  #number(member: BtfMember): bigint {
    const type = stripped(this.#btf, member.type);
    if (type.kind === "ptr") {
      const array = stripped(this.#btf, type.type);
      if (array.kind === "array") return BigInt(array.length);
    }
    if ((type.kind === "enum" || type.kind === "enum64") && type.values[0] !== undefined) return type.values[0].value;
    return this.#fail(`${member.name} is neither a __uint nor a __ulong`);
  }

  /** `__type`: what the pointer points at. */
  #target(member: BtfMember): number {
    const type = stripped(this.#btf, member.type);
    return type.kind === "ptr" ? type.type : this.#fail(`${member.name} is not a __type`);
  }

  #size(
    which: "key" | "value",
    types: ReadonlyMap<string, number>,
    numbers: ReadonlyMap<string, bigint>,
    read: (f: string) => number,
  ): number {
    const said = read(`${which}_size`);
    const type = types.get(which);
    if (type === undefined) return said;
    const size = sizeOfType(this.#btf, type);
    if (numbers.has(`${which}_size`) && said !== size) this.#fail(`${which}_size is ${said}, but its type has ${size} bytes`);
    return size;
  }

  /** `__array(values, struct { … })` gives the template of inner maps; `__array(values, int (void *))` takes programs. */
  #innerMap(member: BtfMember): MapSpec | undefined {
    const array = stripped(this.#btf, member.type);
    const pointer = array.kind === "array" ? stripped(this.#btf, array.element) : array;
    if (array.kind !== "array" || pointer.kind !== "ptr") return this.#fail("values is not an array of pointers");
    const target = stripped(this.#btf, strippedId(this.#btf, pointer.type));
    if (target.kind === "func_proto") return undefined;
    if (target.kind !== "struct") return this.#fail("values points neither at maps nor at programs");
    return this.#definition(target, `${this.#name}.inner`, true).spec;
  }
}
