import { ProblemError } from "../../problem/index.ts";
import { typeById } from "./layout.ts";
import { btfProblems } from "./problems.ts";
import type { Btf, BtfComposite, BtfEnum, BtfType } from "./types.ts";

/** Types inside one another in one declaration, and letters that one may take: damaged types can nest without end. */
const DEPTH_LIMIT = 64;
const TEXT_LIMIT = 1 << 20;

/** How a declaration writes what stands behind it: the names of types, and the bodies of those without one. */
export interface TypeNames {
  /** The name that C knows a named type by (two types may bear the same one). */
  nameOf(id: number, name: string): string;
  /** The body of an anonymous struct, union or enum, opening brace to closing brace. */
  bodyOf(type: BtfComposite | BtfEnum, indent: number, depth: number): string;
}

/** For a single declaration: plain names, and bodies cut to three dots. */
const plainNames: TypeNames = { nameOf: (_, name) => name, bodyOf: () => "{ … }" };

/** A declaration in C: `__u32 port`, `struct flow *(*next)[4]`; without a name, the type alone. */
export function declaration(btf: Btf, id: number, name = "", names: TypeNames = plainNames, indent = 0, depth = 0): string {
  return declarator(btf, id, name, "", names, indent, depth);
}

/** C writes a type around the name: pointers in front, arrays and parameters behind. `inner` is what is written so far. */
function declarator(btf: Btf, id: number, inner: string, outer: string, names: TypeNames, indent: number, depth: number): string {
  if (depth > DEPTH_LIMIT || inner.length > TEXT_LIMIT) throw new ProblemError(btfProblems.btf_cyclic({ id }));
  const next = (to: number, text: string, qualifiers = "") => declarator(btf, to, text, qualifiers, names, indent, depth + 1);
  const type = typeById(btf, id);
  switch (type.kind) {
    case "const":
    case "volatile":
    case "restrict":
      return next(type.type, inner, `${outer}${type.kind} `);
    case "type_tag":
      return next(type.type, inner, `${outer}__attribute__((btf_type_tag("${type.name}"))) `);
    case "ptr": {
      // Qualifiers of the pointer itself stand behind its star; a pointer to an array or function needs parentheses.
      const text = `*${outer === "" ? "" : ` ${inner === "" ? outer.trimEnd() : outer}`}${inner}`;
      return next(type.type, isSuffixed(btf, type.type) ? `(${text})` : text);
    }
    case "array":
      return next(type.element, `${inner}[${type.length}]`, outer);
    case "func_proto": {
      const parameters = type.parameters.map((one) =>
        one.type === 0 && one.name === "" ? "..." : declaration(btf, one.type, one.name, names, indent, depth + 1),
      );
      const list = parameters.join(", ") || "void";
      if (list.length > TEXT_LIMIT) throw new ProblemError(btfProblems.btf_text_too_long({ limit: TEXT_LIMIT }));
      return next(type.result, `${inner}(${list})`);
    }
    case "var":
    case "func":
      return next(type.type, type.name);
    default: {
      const base = `${outer}${baseName(type, id, names, indent, depth)}`;
      return inner === "" ? base : `${base} ${inner}`;
    }
  }
}

/** Does C write the type behind the name? */
function isSuffixed(btf: Btf, id: number): boolean {
  let type = typeById(btf, id);
  for (let depth = 0; depth < DEPTH_LIMIT; depth++) {
    if (type.kind === "array" || type.kind === "func_proto") return true;
    if (type.kind !== "const" && type.kind !== "volatile" && type.kind !== "restrict" && type.kind !== "type_tag") return false;
    type = typeById(btf, type.type);
  }
  return false;
}

function baseName(type: BtfType, id: number, names: TypeNames, indent: number, depth: number): string {
  switch (type.kind) {
    case "struct":
    case "union":
      return type.name === "" ? `${type.kind} ${names.bodyOf(type, indent, depth)}` : `${type.kind} ${names.nameOf(id, type.name)}`;
    case "enum":
    case "enum64":
      return type.name === "" ? `enum ${names.bodyOf(type, indent, depth)}` : `enum ${names.nameOf(id, type.name)}`;
    case "fwd":
      return `${type.union ? "union" : "struct"} ${type.name}`;
    case "typedef":
      return names.nameOf(id, type.name);
    case "int":
    case "float":
    case "datasec":
    case "decl_tag":
      return type.name;
    default:
      return "void";
  }
}
