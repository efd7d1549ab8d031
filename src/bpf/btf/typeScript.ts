import { ProblemError } from "../../problem/index.ts";
import { isChar, isOctet } from "./decode.ts";
import { strippedId, typeById } from "./layout.ts";
import { btfProblems } from "./problems.ts";
import { namedMembers, ValueWalk } from "./typedValue.ts";
import { type Btf, type BtfComposite, type BtfEnum, btfName } from "./types.ts";

const DEPTH_LIMIT = 64;
/** Enumerators that a type lists; of a longer enum any name may come. */
const ENUMERATOR_LIMIT = 500;

/**
 * The types of an object as TypeScript, in the form that `decodePlain` gives (PlainValue). Structs, unions and enums with a name (their own, or a typedef's)
 * become declarations of that name, in the order in which they are asked for; the others are written where they stand.
 */
export class TypeScriptTypes {
  readonly #btf: Btf;
  readonly #names = new Map<number, string>();
  readonly #taken: Set<string>;
  readonly #declarations: string[] = [];

  /** `taken`: names that declarations may not have. */
  constructor(btf: Btf, taken: Iterable<string>) {
    this.#btf = btf;
    this.#taken = new Set(taken);
  }

  /** Declarations that what was asked for so far needs. */
  get declarations(): readonly string[] {
    return this.#declarations;
  }

  /** The type's text. */
  of(typeId: number, depth = 0): string {
    if (depth > DEPTH_LIMIT) throw new ProblemError(btfProblems.btf_cyclic({ id: typeId }));
    const id = strippedId(this.#btf, typeId);
    const type = typeById(this.#btf, id);
    switch (type.kind) {
      case "int":
        return type.bool ? "boolean" : type.size >= 8 ? "bigint" : "number";
      case "float":
        return "number";
      case "ptr":
        return "bigint";
      case "array":
        return this.#array(type.element, depth);
      case "var":
        return this.of(type.type, depth + 1);
      case "enum":
      case "enum64":
        return this.#named(id, typeId, () => enumText(type), "type", `enum ${type.name}`);
      case "struct":
      case "union":
        return this.#named(id, typeId, () => this.#members(type, depth), "interface", `${type.kind} ${type.name}, ${type.size} bytes.`);
      default:
        return "unknown";
    }
  }

  #array(element: number, depth: number): string {
    const type = typeById(this.#btf, strippedId(this.#btf, element));
    if (isChar(type)) return "string";
    if (isOctet(type)) return "Uint8Array";
    return `readonly (${this.of(element, depth + 1)})[]`.replace(/\((\w+)\)/, "$1");
  }

  #members(type: BtfComposite, depth: number): string {
    const members = new Map(namedMembers(new ValueWalk(this.#btf, type.name), type).map(({ name, member }) => [name, member]));
    const lines = [...members].map(([name, member]) => `  readonly ${propertyName(name)}: ${indented(this.of(member.type, depth + 1))};\n`);
    return `{\n${lines.join("")}}`;
  }

  /** A declared name for a type that has one, else its body. */
  #named(id: number, given: number, body: () => string, keyword: "type" | "interface", what: string): string {
    const known = this.#names.get(id);
    if (known !== undefined) return known;
    const wanted = btfName(typeById(this.#btf, id)) || this.#typedefOf(given);
    if (wanted === "") return body();
    let name = /^[A-Za-z_$][\w$]*$/.test(wanted) ? wanted : `type_${id}`;
    while (this.#taken.has(name)) name += "_";
    this.#taken.add(name);
    this.#names.set(id, name);
    const text = body();
    const comment = btfName(typeById(this.#btf, id)) === "" ? "" : `/** ${what.replaceAll("*/", "")} */\n`;
    this.#declarations.push(keyword === "type" ? `${comment}export type ${name} = ${text};` : `${comment}export interface ${name} ${text}`);
    return name;
  }

  /** The typedef that gives an anonymous type its name; "" when none does. */
  #typedefOf(typeId: number): string {
    let at = typeId;
    for (let depth = 0; depth < DEPTH_LIMIT; depth++) {
      const type = typeById(this.#btf, at);
      if (type.kind === "typedef") return type.name;
      if (type.kind !== "const" && type.kind !== "volatile" && type.kind !== "restrict" && type.kind !== "type_tag") return "";
      at = type.type;
    }
    return "";
  }
}

function enumText({ values, size }: BtfEnum): string {
  const names = values.length > ENUMERATOR_LIMIT ? ["string"] : values.map(({ name }) => JSON.stringify(name));
  return [...new Set(names), size >= 8 ? "bigint" : "number"].join(" | ");
}

/** A property as TypeScript writes it. */
export const propertyName = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name));

const indented = (text: string): string => text.replaceAll("\n", "\n  ");
