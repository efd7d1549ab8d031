import { ProblemError } from "../../problem/index.ts";
import { declaration, type TypeNames } from "./declaration.ts";
import { alignmentOf, isPacked, sizeOfType, strippedId, typeById } from "./layout.ts";
import { btfProblems } from "./problems.ts";
import type { Btf, BtfComposite, BtfEnum, BtfMember } from "./types.ts";

/** Letters that the types of one object may take in C: damaged types can nest without end. */
const TEXT_LIMIT = 16 << 20;
const DEPTH_LIMIT = 64;
/** Declarations that follow one another's references, before the types are taken for damaged. */
const CHAIN_LIMIT = 2000;

/**
 * All types as C that a compiler takes and lays out the same way, as `bpftool btf dump format c` writes them: what a type contains
 * stands before it, what it only points at is declared forward. Padding that C would not leave by itself is written as unnamed bitfields.
 */
export function printTypes(btf: Btf): string {
  return new TypePrinter(btf).all();
}

class TypePrinter implements TypeNames {
  readonly #btf: Btf;
  readonly #parts: string[] = [];
  #length = 0;
  /** Types that are written, and composites that are being written or were declared forward. */
  readonly #done = new Set<number>();
  readonly #open = new Set<number>();
  readonly #forward = new Set<number>();
  /** Nameless types whose references were seen to: they may be referred to a great many times. */
  readonly #seen = new Set<number>();
  readonly #names = new Map<number, string>();
  readonly #uses = new Map<string, number>();
  /** Anonymous types that stand inside others: they are written there. */
  readonly #inside: ReadonlySet<number>;
  readonly #alignments = new Map<number, number>();

  constructor(btf: Btf) {
    this.#btf = btf;
    this.#inside = referenced(btf);
  }

  all(): string {
    for (let id = 1; id < this.#btf.types.length; id++) {
      const type = this.#btf.types[id]!;
      const named = "name" in type && type.name !== "";
      if (type.kind === "struct" || type.kind === "union") {
        if (named) this.#whole(id, 0);
      } else if (type.kind === "enum" || type.kind === "enum64") {
        if (named || !this.#inside.has(id)) this.#whole(id, 0);
      } else if (type.kind === "typedef") {
        this.#whole(id, 0);
      }
    }
    return this.#parts.join("\n\n");
  }

  nameOf(id: number, name: string): string {
    const known = this.#names.get(id);
    if (known !== undefined) return known;
    const unique = this.#unique(typeById(this.#btf, id).kind === "typedef" ? "ordinary" : "tag", name);
    this.#names.set(id, unique);
    return unique;
  }

  /** Tags are a world of their own; typedefs and enumerators share one. The second thing of a name gets a number, as bpftool gives it. */
  #unique(space: "tag" | "ordinary", name: string): string {
    const count = (this.#uses.get(`${space} ${name}`) ?? 0) + 1;
    this.#uses.set(`${space} ${name}`, count);
    return count === 1 ? name : `${name}___${count}`;
  }

  bodyOf(type: BtfComposite | BtfEnum, indent: number, depth: number): string {
    if (depth > DEPTH_LIMIT) throw new ProblemError(btfProblems.btf_cyclic({ id: this.#btf.types.indexOf(type) }));
    return "members" in type ? this.#compositeBody(type, indent, depth) : this.#enumBody(type, indent);
  }

  #write(text: string): void {
    this.#length += text.length;
    if (this.#length > TEXT_LIMIT) throw new ProblemError(btfProblems.btf_text_too_long({ limit: TEXT_LIMIT }));
    this.#parts.push(text);
  }

  /** Sees to it that the type stands there in full. */
  #whole(id: number, chain: number): void {
    if (chain > CHAIN_LIMIT) throw new ProblemError(btfProblems.btf_cyclic({ id }));
    const type = typeById(this.#btf, id);
    const next = chain + 1;
    switch (type.kind) {
      case "const":
      case "volatile":
      case "restrict":
      case "type_tag":
        this.#whole(type.type, next);
        return;
      case "ptr":
        this.#mentioned(type.type, next);
        return;
      case "array":
        this.#whole(type.element, next);
        return;
      case "func_proto":
        if (this.#seen.has(id)) return;
        this.#seen.add(id);
        for (const to of [type.result, ...type.parameters.map((one) => one.type)]) this.#mentioned(to, next);
        return;
      case "typedef":
        // Where the typedef stands for a struct, the struct must be whole; a first mention of it may come before.
        if (this.#isOpen(type.type)) this.#typedef(id, next);
        else {
          this.#whole(type.type, next);
          this.#typedef(id, next);
        }
        return;
      case "fwd":
        this.#declareForward(id, type.union ? "union" : "struct", type.name);
        return;
      case "struct":
      case "union":
        this.#composite(id, type, next);
        return;
      case "enum":
      case "enum64":
        if (type.name === "" && this.#inside.has(id)) return;
        if (this.#done.has(id)) return;
        this.#done.add(id);
        this.#write(`enum ${type.name === "" ? "" : `${this.nameOf(id, type.name)} `}${this.#enumBody(type, 0)};`);
        return;
      default:
        return;
    }
  }

  #composite(id: number, type: BtfComposite, chain: number): void {
    if (type.name === "") {
      if (this.#seen.has(id)) return;
      this.#seen.add(id);
      for (const { type: member } of type.members) this.#whole(member, chain);
      return;
    }
    if (this.#done.has(id) || this.#open.has(id)) return;
    this.#open.add(id);
    for (const { type: member } of type.members) this.#whole(member, chain);
    this.#open.delete(id);
    this.#done.add(id);
    this.#write(`${type.kind} ${this.nameOf(id, type.name)} ${this.#compositeBody(type, 0, 0)};`);
  }

  /** Sees to it that the type may be pointed at. */
  #mentioned(id: number, chain: number): void {
    if (chain > CHAIN_LIMIT) throw new ProblemError(btfProblems.btf_cyclic({ id }));
    const type = typeById(this.#btf, id);
    switch (type.kind) {
      case "const":
      case "volatile":
      case "restrict":
      case "type_tag":
        this.#mentioned(type.type, chain + 1);
        return;
      case "typedef":
        this.#typedef(id, chain + 1);
        return;
      case "struct":
      case "union":
        if (type.name === "") this.#composite(id, type, chain + 1);
        else if (!this.#done.has(id)) this.#declareForward(id, type.kind, this.nameOf(id, type.name));
        return;
      default:
        this.#whole(id, chain + 1);
    }
  }

  #typedef(id: number, chain: number): void {
    const type = typeById(this.#btf, id);
    if (type.kind !== "typedef" || this.#done.has(id)) return;
    this.#done.add(id);
    // Compilers have this one built in.
    if (type.name === "__builtin_va_list") return;
    this.#mentioned(type.type, chain);
    this.#write(`typedef ${declaration(this.#btf, type.type, this.nameOf(id, type.name), this)};`);
  }

  #declareForward(id: number, kind: "struct" | "union", name: string): void {
    if (this.#forward.has(id)) return;
    this.#forward.add(id);
    this.#write(`${kind} ${name};`);
  }

  /** Is it, behind qualifiers and typedefs, a composite that is being written? */
  #isOpen(id: number): boolean {
    return this.#open.has(strippedId(this.#btf, id));
  }

  #compositeBody(type: BtfComposite, indent: number, depth: number): string {
    const tabs = "\t".repeat(indent + 1);
    const packed = isPacked(this.#btf, type, this.#alignments);
    const lines: string[] = [];
    let end = 0;
    for (const member of type.members) {
      if (type.kind === "struct") {
        if (this.#naturalOffset(member, end, packed) < member.bitOffset) lines.push(...padding(end, member.bitOffset));
        end = member.bitOffset + (member.bitSize || this.#bits(member));
      }
      const width = member.bitSize > 0 ? `: ${member.bitSize}` : "";
      lines.push(`${declaration(this.#btf, member.type, member.name, this, indent + 1, depth + 1)}${width}`);
    }
    if (type.kind === "struct") {
      const alignment = packed ? 8 : 8 * Math.max(1, ...type.members.map(({ type: id }) => this.#alignment(id)));
      if (Math.ceil(end / alignment) * alignment < type.size * 8) lines.push(...padding(end, type.size * 8));
    }
    const body = lines.length === 0 ? "{}" : `{\n${lines.map((line) => `${tabs}${line};\n`).join("")}${"\t".repeat(indent)}}`;
    if (body.length > TEXT_LIMIT) throw new ProblemError(btfProblems.btf_text_too_long({ limit: TEXT_LIMIT }));
    return packed ? `${body} __attribute__((packed))` : body;
  }

  #enumBody(type: BtfEnum, indent: number): string {
    const tabs = "\t".repeat(indent + 1);
    const suffix = type.kind === "enum64" ? (type.signed ? "LL" : "ULL") : "";
    const lines = type.values.map(({ name, value }) => `${tabs}${this.#unique("ordinary", name)} = ${value}${suffix},\n`);
    const body = `{\n${lines.join("")}${"\t".repeat(indent)}}`;
    return type.size === 1 ? `${body} __attribute__((mode(byte)))` : type.size === 2 ? `${body} __attribute__((mode(HI)))` : body;
  }

  #alignment(id: number): number {
    return alignmentOf(this.#btf, id, this.#alignments);
  }

  #bits(member: BtfMember): number {
    return sizeOfType(this.#btf, member.type) * 8;
  }

  /** Where C would put the member behind what ends at bit `end`. */
  #naturalOffset(member: BtfMember, end: number, packed: boolean): number {
    if (member.bitSize === 0) {
      const alignment = packed ? 8 : 8 * this.#alignment(member.type);
      return Math.ceil(end / alignment) * alignment;
    }
    const unit = this.#bits(member);
    const crosses = Math.floor(end / unit) !== Math.floor((end + member.bitSize - 1) / unit);
    return crosses && !packed ? Math.ceil(end / unit) * unit : end;
  }
}

/** Unnamed bitfields from bit `from` to bit `to`, in the largest units that alignment allows. */
function padding(from: number, to: number): string[] {
  const fields: string[] = [];
  const units = [
    ["long", 64],
    ["int", 32],
    ["short", 16],
    ["char", 8],
  ] as const;
  let at = from;
  while (at < to) {
    const unit = units.find(([, bits]) => at % bits === 0 && at + bits <= to);
    if (unit === undefined) {
      const bits = Math.min(8 - (at % 8), to - at);
      fields.push(`char: ${bits}`);
      at += bits;
    } else if (unit[1] === 64 && to - at > 64 * 16) {
      // A long gap is an array of bytes, not hundreds of fields.
      const bytes = Math.floor((to - at) / 8);
      fields.push(`char __padding_${at / 8}[${bytes}]`);
      at += bytes * 8;
    } else {
      fields.push(`${unit[0]}: ${unit[1]}`);
      at += unit[1];
    }
  }
  return fields;
}

/** Ids of the types that others refer to. */
function referenced(btf: Btf): Set<number> {
  const found = new Set<number>();
  for (const type of btf.types) {
    if ("type" in type) found.add(type.type);
    if (type.kind === "array") found.add(type.element);
    if (type.kind === "struct" || type.kind === "union") for (const member of type.members) found.add(member.type);
    if (type.kind === "func_proto") for (const one of [type.result, ...type.parameters.map((parameter) => parameter.type)]) found.add(one);
  }
  return found;
}
