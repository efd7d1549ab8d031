import { sizeOfType, stripped, strippedId } from "./layout.ts";
import type { Btf, BtfComposite, BtfEnum, BtfType } from "./types.ts";

/** One step into a value: a named member of a composite, an enumerator, or an element of an array (no name). */
export interface AccessStep {
  /** The composite or enum that the member belongs to; of an element, the element's type. */
  readonly typeId: number;
  readonly index: number;
  readonly name: string | null;
}

/** What a CO-RE relocation speaks of, in terms of one set of types. Members of anonymous members are reached in one step, as in C. */
export interface AccessPath {
  readonly rootId: number;
  readonly steps: readonly AccessStep[];
  /** Bits from the start of the root. */
  readonly bitOffset: number;
}

/** Why a relocation cannot be read or decided at all; libbpf refuses the object, xdplane lets the instruction trap. */
export class CoreFault extends Error {}

/** Steps that one path may have. tools/lib/bpf/relo_core.h: BPF_CORE_SPEC_MAX_LEN. */
const MAX_STEPS = 64;
/** Bit offsets have 32 bits in BTF and in libbpf. */
const MAX_BITS = 0xffffffff;

/** The part of a name that kernels know: `sk_buff___old` is a local flavour of `sk_buff`. */
export function essentialName(name: string): string {
  const flavour = /^(.*[^_])___[^_]/s.exec(name);
  return flavour?.[1] ?? name;
}

/** Enumerators of an enum of either width. */
export const enumOf = (type: BtfType): BtfEnum | null => (type.kind === "enum" || type.kind === "enum64" ? type : null);

const compositeOf = (type: BtfType): BtfComposite | null => (type.kind === "struct" || type.kind === "union" ? type : null);

/** Is the array at the end of that member step a flexible one, which has no length of its own? */
function isFlexible(btf: Btf, before: AccessStep | undefined, length: number): boolean {
  if (length > 0 || before === undefined || before.name === null) return false;
  const owner = compositeOf(stripped(btf, before.typeId));
  return owner !== null && before.index === owner.members.length - 1;
}

/** A path that grows step by step. */
class PathBuilder {
  readonly btf: Btf;
  readonly rootId: number;
  readonly steps: AccessStep[] = [];
  bitOffset = 0;

  constructor(btf: Btf, rootId: number) {
    this.btf = btf;
    this.rootId = rootId;
  }

  add(step: AccessStep): void {
    if (this.steps.length === MAX_STEPS) throw new CoreFault(`the access goes through more than ${MAX_STEPS} members`);
    this.steps.push(step);
  }

  move(bits: number): void {
    this.bitOffset += bits;
    if (this.bitOffset > MAX_BITS) throw new CoreFault("the access lies beyond 512 MiB");
  }

  /** Element `index` of the type; the first step of every path is one, of the root. */
  addElement(typeId: number, index: number): void {
    this.add({ typeId, index, name: null });
    this.move(index * sizeOfType(this.btf, typeId) * 8);
  }

  path(): AccessPath {
    return { rootId: this.rootId, steps: this.steps, bitOffset: this.bitOffset };
  }
}

/** Reads the indices of an access string ("0:1:2"). */
function indicesOf(access: string): number[] {
  const indices = access.split(":").map((text) => (/^\d{1,10}$/.test(text) ? Number(text) : Number.NaN));
  if (indices.some((index) => Number.isNaN(index)) || indices.length > MAX_STEPS)
    throw new CoreFault(`"${access}" is not a list of member indices`);
  return indices;
}

/** The path to a field in the types of the object: `access` counts members and elements from the root, which itself counts as an array's element. */
export function fieldPath(btf: Btf, rootId: number, access: string): AccessPath {
  const path = new PathBuilder(btf, rootId);
  const [first = 0, ...rest] = indicesOf(access);
  let typeId = strippedId(btf, rootId);
  path.addElement(typeId, first);
  for (const index of rest) {
    typeId = strippedId(btf, typeId);
    const type = stripped(btf, typeId);
    if (type.kind === "array") {
      if (index >= type.length && !isFlexible(btf, path.steps.at(-1), type.length)) throw new CoreFault(`there is no element ${index}`);
      typeId = strippedId(btf, type.element);
      path.addElement(typeId, index);
      continue;
    }
    const member = compositeOf(type)?.members[index];
    if (member === undefined) throw new CoreFault(`there is no member ${index} in a ${type.kind}`);
    path.move(member.bitOffset);
    if (member.name !== "") path.add({ typeId, index, name: member.name });
    typeId = member.type;
  }
  return path.path();
}

/** The path to an enumerator in the types of the object. */
export function enumeratorPath(btf: Btf, rootId: number, access: string): AccessPath {
  const typeId = strippedId(btf, rootId);
  const indices = indicesOf(access);
  const index = indices[0] ?? 0;
  const enumerator = enumOf(stripped(btf, typeId))?.values[index];
  if (enumerator === undefined || indices.length !== 1) throw new CoreFault(`there is no enumerator "${access}"`);
  return { rootId, steps: [{ typeId, index, name: enumerator.name }], bitOffset: 0 };
}

/** Decides whether two fields' types may stand for each other. */
type FieldsCompatible = (localId: number, targetId: number) => boolean;

/** The same field in the target's type `rootId`, member by member by name; null when that type has none like it. */
export function matchingField(local: Btf, path: AccessPath, target: Btf, rootId: number, compatible: FieldsCompatible): AccessPath | null {
  const found = new PathBuilder(target, rootId);
  let typeId = strippedId(target, rootId);
  for (const [position, step] of path.steps.entries()) {
    if (step.name !== null) {
      const owner = compositeOf(stripped(local, step.typeId));
      const localType = owner?.members[step.index]?.type;
      const next = localType === undefined ? null : findMember(found, typeId, step.name, (id) => compatible(localType, id), 0);
      if (next === null) return null;
      typeId = next;
      continue;
    }
    typeId = strippedId(target, typeId);
    if (position > 0) {
      const array = stripped(target, typeId);
      if (array.kind !== "array") return null;
      if (step.index >= array.length && !isFlexible(target, found.steps.at(-1), array.length)) return null;
      typeId = strippedId(target, array.element);
    }
    found.addElement(typeId, step.index);
  }
  return found.path();
}

/** Goes to the member of that name, also through anonymous members; gives its type, or null when there is none of a compatible type. */
function findMember(path: PathBuilder, ownerId: number, name: string, compatible: (id: number) => boolean, depth: number): number | null {
  const typeId = strippedId(path.btf, ownerId);
  const owner = compositeOf(stripped(path.btf, typeId));
  if (owner === null) return null;
  if (depth > MAX_STEPS) throw new CoreFault(`more than ${MAX_STEPS} anonymous members lie inside one another`);
  const before = path.bitOffset;
  for (const [index, member] of owner.members.entries()) {
    path.bitOffset = before;
    path.move(member.bitOffset);
    if (member.name === "") {
      const inner = findMember(path, member.type, name, compatible, depth + 1);
      if (inner !== null) return inner;
    } else if (member.name === name) {
      if (!compatible(member.type)) break;
      path.add({ typeId, index, name });
      return member.type;
    }
  }
  path.bitOffset = before;
  return null;
}

/** The enumerator of the same essential name in the target's type; null when it is no enum or has none. */
export function matchingEnumerator({ steps }: AccessPath, target: Btf, rootId: number): AccessPath | null {
  const wanted = essentialName(steps[0]?.name ?? "");
  const typeId = strippedId(target, rootId);
  const index = enumOf(stripped(target, typeId))?.values.findIndex(({ name }) => essentialName(name) === wanted) ?? -1;
  return index === -1 ? null : { rootId, steps: [{ typeId, index, name: wanted }], bitOffset: 0 };
}
