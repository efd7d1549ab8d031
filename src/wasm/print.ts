import { EMPTY_BLOCK, memoryCodes, valueTypes } from "./opcodes.ts";
import { type ReadFunction, type ReadInstruction, type ReadModule, readModule } from "./read.ts";

const openers = new Set(["block", "loop", "if"]);

function blockResult(code: number): string {
  if (code === EMPTY_BLOCK) return "";
  const name = Object.entries(valueTypes).find(([, value]) => value === code)?.[0];
  return ` (result ${name})`;
}

function memoryText(name: string, immediates: readonly (number | bigint)[]): string {
  const [align, offset] = immediates as [number, number];
  const natural = memoryCodes[name as keyof typeof memoryCodes][1];
  return `${name}${offset === 0 ? "" : ` offset=${offset}`}${align === natural ? "" : ` align=${2 ** align}`}`;
}

function instructionText(module: ReadModule, { locals }: ReadFunction, { name, immediates }: ReadInstruction): string {
  const first = immediates[0];
  if (openers.has(name)) return `${name}${blockResult(first as number)}`;
  if (name.startsWith("local.")) return `${name} $${locals[first as number]!.name}`;
  if (name === "call" || name === "return_call") return `${name} $${module.functionNames[first as number]}`;
  if (name === "call_indirect" || name === "return_call_indirect") return `${name} (type ${first})`;
  if (name in memoryCodes) return memoryText(name, immediates);
  return [name, ...immediates].join(" ");
}

function functionText(module: ReadModule, entry: ReadFunction): string[] {
  const parameters = entry.locals.slice(0, entry.parameters.length).map(({ name, type }) => ` (param $${name} ${type})`);
  const result = entry.results.map((type) => ` (result ${type})`);
  const lines = [`  (func $${entry.name}${parameters.join("")}${result.join("")}`];
  const locals = entry.locals.slice(entry.parameters.length).map(({ name, type }) => `(local $${name} ${type})`);
  if (locals.length > 0) lines.push(`    ${locals.join(" ")}`);
  let depth = 2;
  for (const instruction of entry.instructions.slice(0, -1)) {
    if (instruction.name === "end" || instruction.name === "else") depth--;
    lines.push(`${"  ".repeat(depth)}${instructionText(module, entry, instruction)}`);
    if (openers.has(instruction.name) || instruction.name === "else") depth++;
  }
  lines.push("  )");
  return lines;
}

/** The text format of a module that `ModuleWriter` wrote: flat instructions, indented by block, with names where the module has them. */
export function printModule(bytes: Uint8Array): string {
  const module = readModule(bytes);
  const lines = [
    `(module $${module.name}`,
    ...module.imports.map(({ module: from, name, text }) => `  (import "${from}" "${name}" ${text})`),
    ...module.functions.flatMap((entry) => functionText(module, entry)),
    ...module.exports.map(({ name, index }) => `  (export "${name}" (func $${module.functionNames[index]}))`),
    ")",
  ];
  return `${lines.join("\n")}\n`;
}
