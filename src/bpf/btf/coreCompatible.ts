import { CoreFault, enumOf, essentialName } from "./coreAccess.ts";
import { stripped, typeById } from "./layout.ts";
import { type Btf, type BtfComposite, type BtfType, btfName } from "./types.ts";

/** Types inside one another in a comparison. kernel/bpf/btf.c: BPF_CORE_TYPES_COMPAT_MAX_DEPTH and libbpf's 32. */
const MAX_DEPTH = 32;

/** Enums of 32 and of 64 bits count as one kind. */
export const sameKind = (a: BtfType, b: BtfType): boolean => a.kind === b.kind || (enumOf(a) !== null && enumOf(b) !== null);

const sameName = (local: string, target: string): boolean =>
  target === "" ? local === "" : essentialName(local) === essentialName(target);

/** May a field of the target's type stand for one of the object's? Composites and pointers always; integers of any width; enums by name. */
export function fieldsCompatible(local: Btf, localId: number, target: Btf, targetId: number, depth = 0): boolean {
  const [mine, theirs] = [stripped(local, localId), stripped(target, targetId)];
  const isComposite = (type: BtfType) => type.kind === "struct" || type.kind === "union";
  if (isComposite(mine) && isComposite(theirs)) return true;
  if (!sameKind(mine, theirs)) return false;
  switch (mine.kind) {
    case "ptr":
    case "float":
      return true;
    case "fwd":
    case "enum":
    case "enum64": {
      const [a, b] = [btfName(mine), btfName(theirs)];
      return a === "" || b === "" || essentialName(a) === essentialName(b);
    }
    case "int":
      return mine.bitOffset === 0 && theirs.kind === "int" && theirs.bitOffset === 0;
    case "array":
      if (depth > MAX_DEPTH) throw new CoreFault("its arrays lie too deep");
      return theirs.kind === "array" && fieldsCompatible(local, mine.element, target, theirs.element, depth + 1);
    default:
      return false;
  }
}

/** Is the target's type one that `bpf_core_type_exists` means? Names matter at the root only (they chose the candidate), sizes never. */
export function typesCompatible(local: Btf, localId: number, target: Btf, targetId: number): boolean {
  // The roots are compared as they are: a typedef means a typedef.
  return sameKind(typeById(local, localId), typeById(target, targetId)) && compatibleInside(local, localId, target, targetId, 0);
}

function compatibleInside(local: Btf, localId: number, target: Btf, targetId: number, depth: number): boolean {
  if (depth > MAX_DEPTH) throw new CoreFault("its types lie too deep");
  const [mine, theirs] = [stripped(local, localId), stripped(target, targetId)];
  if (!sameKind(mine, theirs)) return false;
  const inside = (a: number, b: number) => compatibleInside(local, a, target, b, depth + 1);
  switch (mine.kind) {
    case "void":
    case "struct":
    case "union":
    case "enum":
    case "enum64":
    case "fwd":
      return true;
    case "int":
      return mine.bitOffset === 0 && theirs.kind === "int" && theirs.bitOffset === 0;
    case "ptr":
      return theirs.kind === "ptr" && inside(mine.type, theirs.type);
    case "array":
      return theirs.kind === "array" && inside(mine.element, theirs.element);
    case "func_proto":
      return (
        theirs.kind === "func_proto" &&
        mine.parameters.length === theirs.parameters.length &&
        mine.parameters.every(({ type }, index) => inside(type, theirs.parameters[index]!.type)) &&
        inside(mine.result, theirs.result)
      );
    default:
      return false;
  }
}

/**
 * Does the target's type have all that the object's declares (`bpf_core_type_matches`)? Members and enumerators by name, whatever their order and offsets;
 * integers by size and sign; behind a pointer, composites by name and kind alone.
 */
export function typesMatch(local: Btf, localId: number, target: Btf, targetId: number, behindPointer = false, depth = 0): boolean {
  if (depth > MAX_DEPTH) throw new CoreFault("its types lie too deep");
  const [mine, theirs] = [stripped(local, localId), stripped(target, targetId)];
  if (!sameName(btfName(mine), btfName(theirs))) return false;
  const inside = (a: number, b: number, pointer: boolean) => typesMatch(local, a, target, b, pointer, depth + 1);
  switch (mine.kind) {
    case "void":
      return theirs.kind === "void";
    case "fwd":
      if (theirs.kind === "fwd") return mine.union === theirs.union;
      return behindPointer && theirs.kind === (mine.union ? "union" : "struct");
    case "enum":
    case "enum64": {
      const other = enumOf(theirs);
      if (other === null || mine.size !== other.size || mine.values.length > other.values.length) return false;
      return mine.values.every(({ name }) => other.values.some((value) => sameName(name, value.name)));
    }
    case "struct":
    case "union":
      if (behindPointer && theirs.kind === "fwd") return theirs.union === (mine.kind === "union");
      if (theirs.kind !== mine.kind) return false;
      return behindPointer || membersMatch(mine, theirs as BtfComposite, (a, b) => inside(a, b, behindPointer));
    case "int":
      return theirs.kind === "int" && mine.size === theirs.size && mine.signed === theirs.signed;
    case "ptr":
      return theirs.kind === "ptr" && inside(mine.type, theirs.type, true);
    case "array":
      return theirs.kind === "array" && mine.length === theirs.length && inside(mine.element, theirs.element, behindPointer);
    case "func_proto":
      return (
        theirs.kind === "func_proto" &&
        mine.parameters.length === theirs.parameters.length &&
        mine.parameters.every(({ type }, index) => inside(type, theirs.parameters[index]!.type, behindPointer)) &&
        inside(mine.result, theirs.result, behindPointer)
      );
    default:
      return false;
  }
}

const membersMatch = (mine: BtfComposite, theirs: BtfComposite, inside: (a: number, b: number) => boolean): boolean =>
  mine.members.length <= theirs.members.length &&
  mine.members.every((member) => theirs.members.some((other) => sameName(member.name, other.name) && inside(member.type, other.type)));
