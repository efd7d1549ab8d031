import pc from "picocolors";
import { declaration } from "../bpf/btf/index.ts";
import { decode, INSTRUCTION_SIZE, type Instruction, listInstructions } from "../bpf/isa/index.ts";
import type { FunctionSpec, MapSpec, ProgramSpec, SourceLine } from "../bpf/spec.ts";
import { helperNames } from "../layout/index.ts";

/** A program as an object file holds it, whatever its type. */
export type ListedProgram = Omit<ProgramSpec, "type">;

/** One instruction of a listing. */
export interface ListingLine {
  readonly index: number;
  /** Its 8 bytes, or 16 of a ld_imm64, in hexadecimal with spaces. */
  readonly bytes: string;
  readonly text: string;
  /** What a number in it stands for: a map, a function, where a jump leads, or why it traps. */
  readonly note: string | null;
  readonly trap: boolean;
  /** The source line that begins here; null where the one before goes on. */
  readonly source: SourceLine | null;
  /** The function that begins here. */
  readonly function: FunctionSpec | null;
}

/** Lists a program's instructions with the functions and source lines that begin at each. */
export function programListing(program: ListedProgram): ListingLine[] {
  const { instructions, functions, lines } = program;
  const starts = new Map(functions.map((one) => [one.instruction, one]));
  const sources = new Map(lines.map((line) => [line.instruction, line]));
  const decoded = decode(instructions);
  const names = { helpers: helperNames, ...(program.kfuncs === undefined ? {} : { kfuncs: program.kfuncs }) };
  let before: SourceLine | null = null;
  return listInstructions(instructions, "verifier", names).map(({ index, text, target }, position, all) => {
    const next = all[position + 1]?.index ?? instructions.length / INSTRUCTION_SIZE;
    const trap = program.poisoned?.get(index);
    const line = sources.get(index) ?? null;
    const source = line !== null && (before === null || line.line !== before.line || line.file !== before.file) ? line : null;
    before = line ?? before;
    return {
      index,
      bytes: hexBytes(instructions.subarray(index * INSTRUCTION_SIZE, next * INSTRUCTION_SIZE)),
      text,
      note: trap === undefined ? noteOf(program, decoded[index], target, starts) : `traps: ${trap}`,
      trap: trap !== undefined,
      source,
      function: starts.get(index) ?? null,
    };
  });
}

function noteOf(
  { maps }: ListedProgram,
  instruction: Instruction | undefined,
  target: number | undefined,
  starts: ReadonlyMap<number, FunctionSpec>,
): string | null {
  if (instruction === undefined) return null;
  const { row, imm, high } = instruction;
  if (row.kind === "load_imm64" && row.source === "map") return maps[imm]?.name ?? null;
  if (row.kind === "load_imm64" && row.source === "map_value") return variableAt(maps[imm], high);
  if (target === undefined) return null;
  return starts.get(target)?.name ?? `to ${target}`;
}

/** The global variable at an offset of a data section's map: `last (.data)`, or `.data+16` where there are no types. */
function variableAt(map: MapSpec | undefined, offset: number): string {
  if (map === undefined) return `offset ${offset}`;
  const section = map.btf?.types[map.valueTypeId ?? 0];
  if (section?.kind === "datasec") {
    const found = section.variables.find((one) => offset >= one.offset && offset < one.offset + Math.max(1, one.size));
    const variable = found === undefined ? undefined : map.btf?.types[found.type];
    if (found !== undefined && variable?.kind === "var")
      return `${variable.name}${offset === found.offset ? "" : `+${offset - found.offset}`} (${map.name})`;
  }
  return `${map.name}+${offset}`;
}

/** A program as llvm-objdump -S shows one: prototypes, source lines, and instructions with their bytes. Ends with a newline. */
export function listingText(program: ListedProgram): string {
  const listing = programListing(program);
  const width = String(listing.at(-1)?.index ?? 0).length;
  // Bytes of a ld_imm64 take twice the room: in its second half they stand on a line of their own.
  const lines = listing.flatMap(({ index, bytes, text, note, trap, source, function: start }) => {
    const [first = "", second] = [bytes.slice(0, 23), bytes.length > 23 ? bytes.slice(24) : undefined];
    const comment = note === null ? "" : `   ${trap ? pc.yellow(`# ${note}`) : pc.dim(`# ${note}`)}`;
    return [
      ...(start === null ? [] : [...(index === 0 ? [] : [""]), pc.bold(`${prototype(program, start)}:`)]),
      ...(source === null ? [] : [pc.dim(`; ${source.text.trim()} @ ${fileName(source.file)}:${source.line}`)]),
      `${String(index).padStart(width + 2)}: ${pc.dim(first)}  ${text}${comment}`,
      ...(second === undefined ? [] : [`${" ".repeat(width + 4)}${pc.dim(second)}`]),
    ];
  });
  return `${lines.join("\n")}\n`;
}

/** `int leaf(int x)`, or the bare name where there is no type. */
function prototype({ btf }: ListedProgram, { name, typeId }: FunctionSpec): string {
  if (btf === undefined || typeId === undefined) return name;
  try {
    return declaration(btf, typeId, name);
  } catch {
    return name;
  }
}

const fileName = (path: string): string => path.slice(path.lastIndexOf("/") + 1);

const hexBytes = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
