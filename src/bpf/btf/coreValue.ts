import type { AccessPath } from "./coreAccess.ts";
import { CoreFault, enumOf } from "./coreAccess.ts";
import { sizeOfType, stripped, strippedId } from "./layout.ts";
import type { Btf, BtfType } from "./types.ts";

/** What one set of types answers to a relocation. */
export interface CoreAnswer {
  readonly value: bigint;
  /** The compiler's value must stand in the instruction before it is replaced; not where compilers are free to differ. */
  readonly checked: boolean;
  /** Bytes and type of the field, where a load or store of it may have to change its width. */
  readonly field?: { readonly size: number; readonly type: BtfType };
}

const exact = (value: bigint | number): CoreAnswer => ({ value: BigInt(value), checked: true });

/** Where a field lies, and how wide a load that takes it all must be. Bits for the bitfields, bytes for the rest. */
interface FieldPlace {
  readonly type: BtfType;
  readonly bitOffset: number;
  readonly bits: number;
  readonly byteOffset: number;
  readonly bytes: number;
  readonly bitfield: boolean;
}

/** A bitfield is loaded by the smallest integer around it: of its own type's size, or wider where it crosses a boundary. */
function fieldPlace(btf: Btf, { steps, bitOffset }: AccessPath): FieldPlace {
  const last = steps.at(-1)!;
  const owner = stripped(btf, last.typeId);
  const member = owner.kind === "struct" || owner.kind === "union" ? owner.members[last.index] : undefined;
  if (member === undefined) throw new CoreFault("the field has no member");
  const typeId = strippedId(btf, member.type);
  const type = stripped(btf, typeId);
  let bytes = sizeOfType(btf, typeId);
  const bits = member.bitSize;
  if (bits === 0) return { type, bitOffset, bits: bytes * 8, byteOffset: Math.floor(bitOffset / 8), bytes, bitfield: false };
  const start = (width: number) => Math.floor(bitOffset / 8 / width) * width;
  while (bitOffset + bits - start(bytes) * 8 > bytes * 8) {
    if (bytes >= 8) throw new CoreFault("the bitfield does not fit 64 bits");
    bytes *= 2;
  }
  return { type, bitOffset, bits, byteOffset: start(bytes), bytes, bitfield: true };
}

/** The facts of a field that was found. `null` when the types have none: then only existence has an answer. */
export function fieldAnswer(btf: Btf, kind: string, path: AccessPath | null): CoreAnswer | null {
  if (kind === "field_exists") return exact(path === null ? 0 : 1);
  if (path === null) return null;
  const last = path.steps.at(-1)!;
  if (last.name === null) return elementAnswer(btf, kind, path, last.typeId);
  const place = fieldPlace(btf, path);
  const { type, bitOffset, bits, byteOffset, bytes, bitfield } = place;
  switch (kind) {
    case "byte_off":
      return { value: BigInt(byteOffset), checked: !bitfield, ...(bitfield ? {} : { field: { size: bytes, type } }) };
    case "byte_sz":
      return { value: BigInt(bytes), checked: !bitfield };
    case "signed":
      return exact((enumOf(type)?.signed ?? (type.kind === "int" && type.signed)) ? 1 : 0);
    case "lshift_u64":
      // In big-endian objects the value stands at the upper end of what was loaded.
      return {
        value: BigInt(btf.littleEndian ? 64 - (bitOffset + bits - byteOffset * 8) : (8 - bytes) * 8 + (bitOffset - byteOffset * 8)),
        checked: !bitfield,
      };
    case "rshift_u64":
      return exact(64 - bits);
    default:
      return null;
  }
}

function elementAnswer(btf: Btf, kind: string, { bitOffset }: AccessPath, typeId: number): CoreAnswer {
  const size = sizeOfType(btf, typeId);
  if (kind === "byte_off") return { value: BigInt(Math.floor(bitOffset / 8)), checked: true, field: { size, type: stripped(btf, typeId) } };
  if (kind === "byte_sz") return exact(size);
  throw new CoreFault(`${kind} is asked of an array's element`);
}

/** The facts of a type; 0 where there is none. */
export function typeAnswer(btf: Btf, kind: string, path: AccessPath | null): CoreAnswer | null {
  if (path === null) return exact(0);
  switch (kind) {
    case "target_type_id":
      return { value: BigInt(path.rootId), checked: false };
    case "type_exists":
    case "type_matches":
      return exact(1);
    case "type_size":
      return exact(sizeOfType(btf, path.rootId));
    default:
      return null;
  }
}

/** The facts of an enumerator. */
export function enumeratorAnswer(btf: Btf, kind: string, path: AccessPath | null): CoreAnswer | null {
  if (kind === "enumval_exists") return exact(path === null ? 0 : 1);
  const step = path?.steps[0];
  const value = step === undefined ? undefined : enumOf(stripped(btf, step.typeId))?.values[step.index]?.value;
  return value === undefined ? null : exact(BigInt.asUintN(64, value));
}
