import { findProgram, type ObjectFile } from "../../bpf/elf/index.ts";
import type { ProgramSpec } from "../../bpf/spec.ts";
import { ProblemError, type Result } from "../../problem/index.ts";
import { type ObjectParts, objectJson, objectText, programWasm } from "../../report/index.ts";
import { ObjectOpener, type ObjectOptions } from "../options/objects.node.ts";
import { problems } from "../options/problems.ts";

/** The options of `dump` that concern objects. */
export interface ObjectDumpOptions extends ObjectOptions {
  readonly program?: string;
  readonly insns?: boolean;
  readonly maps?: boolean;
  readonly types?: boolean;
  readonly sections?: boolean;
  readonly wasm?: boolean;
  readonly json?: boolean;
}

/** Does a file that begins so hold an object? */
export const beginsObject = (magic: Uint8Array): boolean =>
  magic[0] === 0x7f && magic[1] === 0x45 && magic[2] === 0x4c && magic[3] === 0x46;

/** The text that `dump OBJECT` prints. Throws a ProblemError for what is no object, or holds no program of the name asked for. */
export function dumpObject(bytes: Uint8Array, file: string, options: ObjectDumpOptions): string {
  const opener = new ObjectOpener(options);
  const object = opener.open(bytes, file);
  opener.checkSettings();
  const only = options.program === undefined ? undefined : taken(findProgram(object, options.program));
  if (options.wasm) return wasmText(object, only);
  const parts = partsAsked(options);
  return placed(object, () =>
    options.json ? `${JSON.stringify(objectJson(object, parts, only), null, 2)}\n` : objectText(object, parts, only),
  );
}

/** The generated code of one program, or of all that have a type which runs. */
function wasmText({ file, programs }: ObjectFile, only: Pick<ProgramSpec, "name"> | undefined): string {
  const wanted = only === undefined ? programs : programs.filter(({ name }) => name === only.name);
  if (wanted.length === 0) throw new ProblemError(problems.dump_wasm_none({ file, name: only?.name ?? "no program" }, { file }));
  return wanted.map(programWasm).join("\n");
}

/** The parts that were named; with none named an overview as text, everything as JSON. */
function partsAsked({ program, insns, maps, types, sections, json }: ObjectDumpOptions): ObjectParts {
  const instructions = insns === true || program !== undefined;
  if (instructions || maps || types || sections)
    return { instructions, maps: maps === true, types: types === true, sections: sections === true, programs: false };
  return { sections: true, programs: true, maps: true, types: json === true, instructions: json === true };
}

/** Types are walked only when they are shown: a fault that comes up then is placed where they stand. */
function placed<T>({ file, sections }: ObjectFile, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    const offset = sections.find(({ name }) => name === ".BTF")?.fileOffset ?? 0;
    throw new ProblemError({ ...error.problem, at: { file, offset, ...error.problem.at } });
  }
}

function taken<T>(result: Result<T>): T {
  if (result.ok) return result.value;
  throw new ProblemError(result.problem);
}
