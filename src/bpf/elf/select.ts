import { failure, type Place, type Result, success } from "../../problem/index.ts";
import type { ProgramSpec, ProgramTypeName } from "../spec.ts";
import type { ObjectFile, OtherProgram } from "./object.ts";
import { elfProblems } from "./problems.ts";

/** What a caller asks for: a program for a hook of that type, by name if the object holds several. */
interface ProgramWanted {
  readonly type: ProgramTypeName;
  /** Name of the function, or of its section. */
  readonly name?: string;
}

/**
 * Picks the program of an object for a hook. A program whose section names no type, or sched_act for a TC hook, takes the hook's type;
 * one whose section names another type is refused, as libbpf would.
 */
export function selectProgram(object: ObjectFile, { type, name }: ProgramWanted): Result<ProgramSpec> {
  const all: readonly (ProgramSpec | OtherProgram)[] = [...object.programs, ...object.otherPrograms];
  const { file } = object;
  const names = all.map((program) => program.name).join(", ") || "none";
  if (name !== undefined) {
    const found = findProgram(object, name);
    if (!found.ok) return found;
    if (!takes(type, found.value.type))
      return failure(
        elfProblems.elf_program_other_type({ file, name, actual: found.value.type ?? "unknown", wanted: type }, atNames(object)),
      );
    return success({ ...found.value, type });
  }
  const certain = withoutTargets(
    object,
    object.programs.filter((program) => program.type === type),
  );
  const possible =
    certain.length > 0
      ? certain
      : withoutTargets(
          object,
          object.otherPrograms.filter((program) => takes(type, program.type)),
        );
  const [first] = possible;
  if (first === undefined) return failure(elfProblems.elf_no_program_of_type({ file, wanted: type, names }, atNames(object)));
  if (possible.length > 1) {
    const candidates = possible.map((program) => program.name).join(", ");
    return failure(
      elfProblems.elf_program_ambiguous({ file, count: possible.length, type, names: candidates, example: first.name }, atNames(object)),
    );
  }
  return success({ ...first, type });
}

/** The symbol table, where the names of an object's programs stand; the file as a whole when it has none that is called so. */
const atNames = ({ file, sections }: ObjectFile): Place => ({
  file,
  offset: sections.find(({ name }) => name === ".symtab")?.fileOffset ?? 0,
});

/** The program of that name, or the only one of the section of that name, whatever its type. */
export function findProgram(object: ObjectFile, name: string): Result<ProgramSpec | OtherProgram> {
  const all: readonly (ProgramSpec | OtherProgram)[] = [...object.programs, ...object.otherPrograms];
  const found = all.find((program) => program.name === name) ?? only(all.filter((program) => program.section === name));
  if (found !== undefined) return success(found);
  const names = all.map((program) => program.name).join(", ") || "none";
  return failure(elfProblems.elf_program_unknown({ file: object.file, name, names }, atNames(object)));
}

/** Programs without those that the object itself puts into slots of a PROG_ARRAY; all of them when no other is left. */
function withoutTargets<T extends { readonly name: string }>(object: ObjectFile, programs: readonly T[]): readonly T[] {
  const targets = new Set(object.maps.flatMap(({ slots }) => slots ?? []).map(({ target }) => target));
  const others = programs.filter(({ name }) => !targets.has(name));
  return others.length > 0 ? others : programs;
}

const only = <T>(list: readonly T[]): T | undefined => (list.length === 1 ? list[0] : undefined);

const takes = (hook: ProgramTypeName, type: string | null): boolean =>
  type === hook || type === null || (hook === "sched_cls" && type === "sched_act");
