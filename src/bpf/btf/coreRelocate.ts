import { ProblemError } from "../../problem/index.ts";
import { type AccessPath, CoreFault, enumeratorPath, essentialName, fieldPath, matchingEnumerator, matchingField } from "./coreAccess.ts";
import { fieldsCompatible, typesCompatible, typesMatch } from "./coreCompatible.ts";
import { type CoreAnswer, enumeratorAnswer, fieldAnswer, typeAnswer } from "./coreValue.ts";
import { declaration } from "./declaration.ts";
import type { CoreRelocation } from "./ext.ts";
import { typeById } from "./layout.ts";
import type { TargetTypes } from "./targetTypes.ts";
import { type Btf, type BtfType, btfName } from "./types.ts";

/**
 * What becomes of the instruction of a CO-RE relocation: a new value in place of the compiler's, or poison: what was asked has no answer, and the
 * instruction must never be reached.
 */
export type CoreDecision =
  | {
      readonly action: "patch";
      readonly before: bigint;
      readonly after: bigint;
      /** The instruction must hold `before`, else the object is damaged. */
      readonly checked: boolean;
      /** Widths of the field in bytes, of loads and stores; 0 when the relocation says nothing of widths. */
      readonly widthBefore: number;
      readonly widthAfter: number;
      /** A load or store may change to `widthAfter`: pointers and unsigned integers, where the upper bits become zeros. */
      readonly widthMayChange: boolean;
    }
  | {
      readonly action: "poison";
      readonly why: string;
      /** libbpf does not load an object with such a relocation, dead code or not. */
      readonly refused: boolean;
    };

/** A relocation with what was decided, as `dump` lists it. */
export interface DecidedRelocation extends CoreRelocation {
  /** What it asks for, in C: `struct sk_buff::len`. */
  readonly subject: string;
  readonly decision: CoreDecision;
  /** The target has no type of that name at all, and does not claim to know all types. */
  readonly typeUnknown: boolean;
}

const fieldKinds = new Set(["byte_off", "byte_sz", "field_exists", "signed", "lshift_u64", "rshift_u64"]);
const typeKinds = new Set(["local_type_id", "target_type_id", "type_exists", "type_size", "type_matches"]);
const enumeratorKinds = new Set(["enumval_exists", "enumval_value"]);

/**
 * Decides a relocation as libbpf does (tools/lib/bpf/relo_core.c): every type of the target that bears the essential name and fits gives an answer, and
 * all must agree. Never throws.
 */
export function decideRelocation(local: Btf, relocation: CoreRelocation, target: TargetTypes): DecidedRelocation {
  let path: AccessPath | null = null;
  let decision: CoreDecision;
  const root = local.types[relocation.typeId];
  const name = root === undefined ? "" : essentialName(btfName(root));
  const typeUnknown = relocation.kind !== "local_type_id" && root !== undefined && !target.complete && !target.knows(root);
  try {
    path = pathOf(local, relocation);
    decision = decide(local, relocation, path, target);
  } catch (error) {
    if (!(error instanceof CoreFault) && !(error instanceof ProblemError)) throw error;
    decision = { action: "poison", why: error.message, refused: true };
  }
  const subject = subjectOf(local, relocation, path);
  if (decision.action === "poison") {
    const missing = typeUnknown ? `${target.name} do not hold ${name}` : decision.why;
    decision = { ...decision, why: `CO-RE ${relocation.kind} of ${subject}: ${missing}` };
  }
  return { ...relocation, subject, decision, typeUnknown };
}

function pathOf(local: Btf, { typeId, access, kind }: CoreRelocation): AccessPath {
  typeById(local, typeId);
  if (fieldKinds.has(kind)) return fieldPath(local, typeId, access);
  if (enumeratorKinds.has(kind)) return enumeratorPath(local, typeId, access);
  if (!typeKinds.has(kind)) throw new CoreFault("this kind of relocation is not known");
  if (access !== "0") throw new CoreFault(`"${access}" is asked of a whole type`);
  return { rootId: typeId, steps: [], bitOffset: 0 };
}

function decide(local: Btf, relocation: CoreRelocation, path: AccessPath, target: TargetTypes): CoreDecision {
  const { kind, typeId } = relocation;
  if (kind === "local_type_id") return patch({ value: BigInt(typeId), checked: false }, { value: BigInt(typeId), checked: false });
  const root = typeById(local, typeId);
  if (btfName(root) === "") throw new CoreFault("the type has no name to look for");
  const before = answer(local, kind, path);
  if (before === null) throw new CoreFault("the object's own types have no answer");
  let chosen: { readonly found: AccessPath; readonly after: CoreAnswer | null } | null = null;
  for (const id of target.candidates(root)) {
    const found = match(local, relocation, path, target, id);
    if (found === null) continue;
    const after = answer(target.btf, kind, found);
    if (chosen === null) chosen = { found, after };
    else if (chosen.found.bitOffset !== found.bitOffset || chosen.after?.value !== after?.value)
      throw new CoreFault(`${target.name} have several types that answer differently`);
  }
  const after = chosen === null ? answer(target.btf, kind, null) : chosen.after;
  if (after === null) return { action: "poison", why: `${target.name} have nothing like it`, refused: false };
  return patch(before, after);
}

function answer(btf: Btf, kind: string, path: AccessPath | null): CoreAnswer | null {
  if (fieldKinds.has(kind)) return fieldAnswer(btf, kind, path);
  if (typeKinds.has(kind)) return typeAnswer(btf, kind, path);
  return enumeratorAnswer(btf, kind, path);
}

function match(local: Btf, { kind, typeId }: CoreRelocation, path: AccessPath, target: TargetTypes, id: number): AccessPath | null {
  if (enumeratorKinds.has(kind)) return matchingEnumerator(path, target.btf, id);
  if (fieldKinds.has(kind))
    return matchingField(local, path, target.btf, id, (mine, theirs) => fieldsCompatible(local, mine, target.btf, theirs));
  const fits = kind === "type_matches" ? typesMatch(local, typeId, target.btf, id) : typesCompatible(local, typeId, target.btf, id);
  return fits ? { rootId: id, steps: [], bitOffset: 0 } : null;
}

function patch(before: CoreAnswer, after: CoreAnswer): CoreDecision {
  const [was, is] = [before.field, after.field];
  const unsigned = (type: BtfType | undefined) => type?.kind === "int" && !type.signed;
  return {
    action: "patch",
    before: before.value,
    after: after.value,
    checked: before.checked,
    widthBefore: was?.size ?? 0,
    widthAfter: is?.size ?? 0,
    widthMayChange:
      was?.size === is?.size || (was?.type.kind === "ptr" && is?.type.kind === "ptr") || (unsigned(was?.type) && unsigned(is?.type)),
  };
}

/** `struct sk_buff::len`, `enum bpf_func_id::BPF_FUNC_loop`, `struct net_device`. Types of damaged objects have whatever name they can get. */
function subjectOf(local: Btf, { typeId, access }: CoreRelocation, path: AccessPath | null): string {
  let root: string;
  try {
    root = declaration(local, typeId);
  } catch {
    return `type ${typeId} (${access})`;
  }
  const steps = path?.steps ?? [];
  const members = steps.map(({ name, index }, position) => {
    if (name !== null) return `${position <= 1 ? "::" : "."}${name}`;
    return position === 0 && index === 0 ? "" : `[${index}]`;
  });
  return root + members.join("");
}
