import { type Btf, propertyName, stripped, strippedId, TypeScriptTypes } from "../bpf/btf/index.ts";
import type { ObjectFile } from "../bpf/elf/index.ts";
import type { MapSpec } from "../bpf/spec.ts";
import { isTyped, sectionProperty } from "../dataplane/index.ts";
import { mapTypeName } from "../layout/index.ts";
import { isPerCpu } from "../runtime/index.ts";

/** Letters of an object in a line of the module. */
const LINE = 140;
/** Names that the module itself uses. */
const OWN = ["BpfMap", "PerCpu", "Skeleton", "TypedMap", "Uint8Array", "openSkeleton", "object"];

export interface SkeletonRequest {
  /** The object's file name, for comments and problems. */
  readonly file: string;
  /** Name of the types: `Balancer` gives `BalancerMaps`, `openBalancer`, … */
  readonly name: string;
  /** Where the module imports the library from. */
  readonly library: string;
}

/** A name for the types of an object file: balancer.bpf.o is Balancer, drop_all.o is DropAll. */
export function skeletonName(file: string): string {
  const base = file.replace(/^.*[\\/]/, "").replace(/(?:[._]bpf)?\.[^.]*$/, "");
  const name = base
    .split(/[^A-Za-z0-9]+/)
    .map((part) => part.slice(0, 1).toUpperCase() + part.slice(1))
    .join("");
  return /^[A-Za-z]/.test(name) ? name : `Object${name}`;
}

/** A TypeScript module that opens the object, which it carries in itself, with its maps, programs and global variables by name and type. */
export function skeletonText(object: ObjectFile, bytes: Uint8Array, { file, name, library }: SkeletonRequest): string {
  const types = new Map<Btf, TypeScriptTypes>();
  const taken = new Set([...OWN, name, `${name}Maps`, `${name}Program`, `${name}Sections`, `open${name}`]);
  const typesOf = (btf: Btf): TypeScriptTypes => {
    const known = types.get(btf) ?? new TypeScriptTypes(btf, taken);
    types.set(btf, known);
    return known;
  };
  const sections = object.maps.filter((spec) => isSection(spec));
  const mapLines = object.maps
    .filter((spec) => !isSection(spec))
    .map(
      (spec) =>
        `  /** ${mapTypeName(spec.type)}, ${spec.maxEntries} entries. */\n  readonly ${propertyName(sectionProperty(spec.name))}: ${mapType(spec, typesOf)};\n`,
    );
  const sectionLines = sections.map((spec) => sectionText(spec, typesOf));
  const programs = object.programs.map((program) => JSON.stringify(program.name)).join(" | ") || "never";
  const declarations = [...types.values()].flatMap((one) => one.declarations);
  const body = [
    ...declarations,
    `/** Maps by name. */\nexport interface ${name}Maps {\n${mapLines.join("")}}`,
    `/** Programs by name. */\nexport type ${name}Program = ${programs};`,
    `/** Global variables by section. */\nexport interface ${name}Sections {\n${sectionLines.join("")}}`,
    `export type ${name} = Skeleton<${name}Maps, ${name}Program, ${name}Sections>;`,
    `/** Opens the object: set variables, then load it into a Dataplane, then attach its programs. */\nexport const open${name} = (): ${name} => openSkeleton<${name}Maps, ${name}Program, ${name}Sections>(object, ${JSON.stringify(file)});`,
    `const object =\n${base64Lines(bytes)};`,
  ].join("\n\n");
  const imports = ["type BpfMap", "openSkeleton", "type PerCpu", "type Skeleton", "type TypedMap"].filter((one) =>
    new RegExp(`\\b${one.replace("type ", "")}\\b`).test(body),
  );
  return `// Written by \`xdplane skeleton ${file}\` from the object, which stands at the end. Not for editing.
import { ${imports.join(", ")} } from ${JSON.stringify(library)};

${body}
`;
}

const isSection = ({ btf, valueTypeId }: MapSpec): boolean => btf?.types[valueTypeId ?? 0]?.kind === "datasec";

function mapType(spec: MapSpec, typesOf: (btf: Btf) => TypeScriptTypes): string {
  const { btf, keyTypeId, valueTypeId } = spec;
  if (!isTyped(spec) || btf === undefined) return "BpfMap";
  const side = (typeId: number | undefined) => (typeId ? typesOf(btf).of(typeId) : "Uint8Array");
  const key = spec.keySize === 0 ? "undefined" : side(keyTypeId);
  const value = side(valueTypeId);
  return `TypedMap<${key}, ${isPerCpu(spec.type) ? `PerCpu<${value}>` : value}>`;
}

function sectionText({ name, btf, valueTypeId }: MapSpec, typesOf: (btf: Btf) => TypeScriptTypes): string {
  const section = btf!.types[valueTypeId!]!;
  const names = new Set<string>();
  const lines = (section.kind === "datasec" ? section.variables : []).flatMap(({ type }) => {
    const variable = btf!.types[type];
    if (variable?.kind !== "var" || names.has(variable.name)) return [];
    names.add(variable.name);
    declareTarget(btf!, variable.type, typesOf(btf!));
    return [`    ${propertyName(variable.name)}: ${typesOf(btf!).of(variable.type).replaceAll("\n", "\n    ")};\n`];
  });
  return `  readonly ${propertyName(sectionProperty(name))}: {\n${lines.join("")}  };\n`;
}

/** Declares what a pointer leads to: objects name the types of their rings' records by such variables. */
function declareTarget(btf: Btf, typeId: number, types: TypeScriptTypes): void {
  const type = stripped(btf, typeId);
  if (type.kind !== "ptr") return;
  const target = btf.types[strippedId(btf, type.type)];
  if (target?.kind === "struct" || target?.kind === "union") types.of(type.type);
}

function base64Lines(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 4096) binary += String.fromCharCode(...bytes.subarray(at, at + 4096));
  const text = btoa(binary);
  const lines = Array.from({ length: Math.ceil(text.length / LINE) }, (_, line) => `  "${text.slice(line * LINE, (line + 1) * LINE)}"`);
  return lines.join(" +\n");
}
