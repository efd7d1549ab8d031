import { ProblemError } from "../../problem/index.ts";
import { btfProblems } from "./problems.ts";
import type { Btf, BtfComposite, BtfMember, BtfType } from "./types.ts";

/** Types in a row that only wrap another, before they are taken for a cycle. kernel/bpf/btf.c: MAX_RESOLVE_DEPTH is 32. */
const MAX_DEPTH = 64;
/** Largest size of a type. */
const MAX_SIZE = 0x7fffffff;

/** Bytes of a pointer, of the object's machine. */
const POINTER_SIZE = 8;

/** The type of that id. Throws a ProblemError when there is none. */
export function typeById(btf: Btf, id: number): BtfType {
  const type = btf.types[id];
  if (type === undefined) throw new ProblemError(btfProblems.btf_bad_index({ id, count: btf.types.length }));
  return type;
}

/** The id of what stands behind typedefs, qualifiers and tags. Throws a ProblemError on a cycle. */
export function strippedId(btf: Btf, id: number): number {
  let at = id;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const type = typeById(btf, at);
    switch (type.kind) {
      case "typedef":
      case "volatile":
      case "const":
      case "restrict":
      case "type_tag":
        at = type.type;
        break;
      default:
        return at;
    }
  }
  throw new ProblemError(btfProblems.btf_cyclic({ id }));
}

/** What stands behind typedefs, qualifiers and tags. */
export const stripped = (btf: Btf, id: number): BtfType => typeById(btf, strippedId(btf, id));

/** Bytes of a value of the type. Throws a ProblemError for one that has none (a function, a forward declaration, void). */
export function sizeOfType(btf: Btf, id: number): number {
  let count = 1;
  let at = id;
  for (let depth = 0; depth < MAX_DEPTH; depth++) {
    const type = stripped(btf, at);
    if (type.kind === "array") {
      count *= type.length;
      at = type.element;
    } else if (type.kind === "var") {
      at = type.type;
    } else {
      const size = count * ownSize(type, at);
      // Lengths beyond all numbers, of elements without a size, are too large as well: NaN.
      if (!(size <= MAX_SIZE)) throw new ProblemError(btfProblems.btf_too_large({ id }));
      return size;
    }
  }
  throw new ProblemError(btfProblems.btf_cyclic({ id }));
}

function ownSize(type: BtfType, id: number): number {
  switch (type.kind) {
    case "int":
    case "float":
    case "struct":
    case "union":
    case "enum":
    case "enum64":
    case "datasec":
      return type.size;
    case "ptr":
      return POINTER_SIZE;
    default:
      throw new ProblemError(btfProblems.btf_no_size({ id, what: type.kind }));
  }
}

/**
 * Alignment that C gives the type, in bytes; 1 for what has none. `known` keeps the answers of one walk over many types. Bounded in depth.
 */
export function alignmentOf(btf: Btf, id: number, known: Map<number, number> = new Map(), depth = 0): number {
  const before = known.get(id);
  if (before !== undefined) return before;
  if (depth > MAX_DEPTH) throw new ProblemError(btfProblems.btf_cyclic({ id }));
  const type = stripped(btf, id);
  const alignment = ownAlignment(btf, type, known, depth);
  known.set(id, alignment);
  return alignment;
}

function ownAlignment(btf: Btf, type: BtfType, known: Map<number, number>, depth: number): number {
  switch (type.kind) {
    case "int":
    case "float":
      // 128-bit integers are aligned to 16 bytes.
      return Math.max(1, Math.min(16, type.size));
    case "enum":
    case "enum64":
      return Math.max(1, Math.min(8, type.size));
    case "ptr":
      return POINTER_SIZE;
    case "array":
      return alignmentOf(btf, type.element, known, depth + 1);
    case "struct":
    case "union":
      return isPacked(btf, type, known, depth) ? 1 : widest(btf, type, known, depth);
    default:
      return 1;
  }
}

const widest = (btf: Btf, { members }: BtfComposite, known: Map<number, number>, depth: number): number =>
  members.reduce((most, member) => Math.max(most, alignmentOf(btf, member.type, known, depth + 1)), 1);

/** A composite whose members or size do not keep the alignment that C would give them was declared packed. */
export function isPacked(btf: Btf, type: BtfComposite, known: Map<number, number> = new Map(), depth = 0): boolean {
  if (type.size % widest(btf, type, known, depth) !== 0) return true;
  if (type.kind === "union") return false;
  return type.members.some(
    (member) => member.bitSize === 0 && member.bitOffset % (8 * alignmentOf(btf, member.type, known, depth + 1)) !== 0,
  );
}

/** Where the bits of a member stand in its struct: a bitfield, described in either of BTF's two ways, or null for an ordinary member. */
export function bitfieldOf(btf: Btf, member: BtfMember): { readonly bitOffset: number; readonly bits: number } | null {
  if (member.bitSize > 0) return { bitOffset: member.bitOffset, bits: member.bitSize };
  const type = stripped(btf, member.type);
  if (type.kind === "int" && type.bits !== type.size * 8) return { bitOffset: member.bitOffset + type.bitOffset, bits: type.bits };
  return null;
}
