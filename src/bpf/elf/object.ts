import { failure, type Problem, ProblemError, type Result, success } from "../../problem/index.ts";
import { type Btf, type BtfExt, type DecidedRelocation, linux618, parseBtf, parseBtfExt, type TargetTypes } from "../btf/index.ts";
import type { MapSpec, ProgramSpec } from "../spec.ts";
import { withArenaVariables } from "./arenaVariables.ts";
import { btfMaps } from "./btfMaps.ts";
import { CoreRelocations } from "./coreRelocations.ts";
import { exceptionCallbackOf } from "./exceptionCallback.ts";
import { type ExternSymbol, externSymbols } from "./externs.ts";
import { type ElfFunction, functionsOf } from "./functions.ts";
import { asRun, globalMaps, withSectionOffsets } from "./globalMaps.ts";
import { type ElfImage, type ElfSection, readElf } from "./image.ts";
import { kconfigMap } from "./kconfig.ts";
import { kernelConfiguration } from "./kernelConfiguration.ts";
import { legacyMaps, slotOfSection } from "./legacyMaps.ts";
import { Linker } from "./link.ts";
import type { PlacedMap } from "./placedMap.ts";
import { elfProblems } from "./problems.ts";
import { isRunnable, meaningOfSection } from "./sectionNames.ts";

/** A program of a type that xdplane does not run, or whose section name says none: a caller may give it one. */
export type OtherProgram = Omit<ProgramSpec, "type"> & {
  /** Lower-case BPF_PROG_TYPE_* that the section names; null when no loader knows the section's name. */
  readonly type: string | null;
};

/** A section of the ELF file, as `dump` lists it. Sizes and offsets in bytes. */
interface SectionSummary {
  readonly name: string;
  readonly size: number;
  readonly fileOffset: number;
  readonly executable: boolean;
  readonly writable: boolean;
  readonly zeros: boolean;
}

/** An object file, opened: programs put together and ready to be checked, maps ready to be made. */
export interface ObjectFile {
  readonly file: string;
  /** Byte order of the object; instructions are little-endian always. */
  readonly littleEndian: boolean;
  readonly license: string;
  /** The legacy "version" section; null without one. */
  readonly kernelVersion: number | null;
  readonly programs: readonly ProgramSpec[];
  readonly otherPrograms: readonly OtherProgram[];
  /** All maps; every program's `maps` is this list. Sizes that a loader must choose are still 0: see `sizeMaps`. */
  readonly maps: readonly MapSpec[];
  readonly btf: Btf | null;
  /** CO-RE relocations, and what became of each. */
  readonly coreRelocations: readonly DecidedRelocation[];
  readonly externs: readonly ExternSymbol[];
  readonly sections: readonly SectionSummary[];
  /** What let the object be opened but is worth saying. */
  readonly warnings: readonly Problem[];
}

export interface OpenOptions {
  /** Name of the file, for problems. */
  readonly file: string;
  /** Kernel configuration beyond or instead of what is built in: CONFIG_… to "y", "m", "n", a number, or a string in double quotes. */
  readonly kconfig?: ReadonlyMap<string, string>;
  /** Types, functions and variables of the kernel that the object is loaded for; those of Linux 6.18 that are built in unless given. */
  readonly target?: TargetTypes;
}

/** Opens an object file as clang writes it. All of it is checked: what is malformed gives a Problem with file and offset. */
export function openObject(bytes: Uint8Array, options: OpenOptions): Result<ObjectFile> {
  try {
    return success(open(bytes, options));
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    const { problem } = error;
    return failure({ ...problem, at: { offset: 0, ...problem.at, file: options.file } });
  }
}

/** Runs what reads by the object's types: a fault of theirs is placed at the section that holds them. */
function byTypes<T>(image: ElfImage, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof ProblemError) || error.problem.at.offset !== undefined) throw error;
    const offset = image.sections.find(({ name }) => name === ".BTF")?.fileOffset ?? 0;
    throw new ProblemError({ ...error.problem, at: { ...error.problem.at, file: image.file, offset } });
  }
}

function open(bytes: Uint8Array, { file, kconfig: settings, target = linux618() }: OpenOptions): ObjectFile {
  const image = readElf(bytes, file);
  const warnings: Problem[] = [];
  if (!image.littleEndian) warnings.push(elfProblems.elf_big_endian({}, { file, offset: 5 }));
  const { btf, ext } = typeInformation(image, warnings);
  const functions = functionsOf(image);
  const known = settings === undefined ? kernelConfiguration() : new Map([...kernelConfiguration(), ...settings]);
  const kconfig = byTypes(image, () => kconfigMap(image, btf, known, warnings));
  const declared: PlacedMap[] = [
    ...image.sections
      .filter(({ name }) => name === ".maps")
      .flatMap((section) => byTypes(image, () => btfMaps(image, section, btf === null ? null : asRun(btf), functions, warnings))),
    ...legacyMaps(image, functions),
    ...globalMaps(image, btf, warnings),
    ...(kconfig === null ? [] : [kconfig.map]),
  ];
  const maps = withArenaVariables(declared, image, btf);
  const externs = externSymbols(image, btf, target, known);
  warnings.push(...missingExterns(externs, file));
  const core = new CoreRelocations(btf, ext?.relocations ?? [], target);
  warnings.push(...coreWarnings(core.decided, target, file));
  const linker = new Linker(image, { functions, maps, kconfig, externs, core, target, ext });
  const specs = maps.map(({ spec }) => spec);
  const license = textSection(image, "license");
  const mains = programFunctions(functions, new Set(maps.flatMap(({ spec }) => spec.slots ?? []).map(({ target }) => target)));
  const types = new Set(mains.map(({ section }) => meaningOfSection(section.name)?.type ?? "").filter(isRunnable));
  const [onlyType] = types.size === 1 ? types : [];
  const linked = mains.map((main): OtherProgram => {
    const meaning = meaningOfSection(main.section.name);
    // iproute2 loads what stands in the slots of a PROG_ARRAY with the type of the program that it was asked for.
    const slotType = slotOfSection(main.section.name) === null ? undefined : onlyType;
    const { kfuncs: ownKfuncs, poisoned, ...code } = linker.link(main, exceptionCallbackOf(btf, functions, main));
    return {
      name: main.name,
      section: main.section.name,
      type: meaning?.type ?? slotType ?? null,
      expectedAttachType: meaning?.attachType ?? 0,
      flags: meaning?.flags ?? 0,
      license,
      ...code,
      maps: specs,
      ...(btf === null ? {} : { btf: asRun(btf) }),
      ...(ownKfuncs.size === 0 ? {} : { kfuncs: ownKfuncs }),
      ...(poisoned.size === 0 ? {} : { poisoned }),
    };
  });
  return {
    file,
    littleEndian: image.littleEndian,
    license,
    kernelVersion: kernelVersion(image),
    programs: linked.filter((program): program is ProgramSpec => program.type !== null && isRunnable(program.type)),
    otherPrograms: linked.filter((program) => program.type === null || !isRunnable(program.type)),
    maps: specs,
    btf: btf === null ? null : asRun(btf),
    coreRelocations: core.decided,
    externs,
    sections: image.sections.slice(1).map(({ name, size, fileOffset, executable, writable, zeros }) => ({
      name,
      size,
      fileOffset,
      executable,
      writable,
      zeros,
    })),
    warnings,
  };
}

/** What the kernel must have and has not: libbpf refuses such objects. */
const missingExterns = (externs: readonly ExternSymbol[], file: string): Problem[] =>
  externs.flatMap(({ name, kind, weak, known }) =>
    weak || kind === "kconfig" || (kind === "kfunc" && known) ? [] : [elfProblems.elf_symbol_unresolved({ name }, { file })],
  );

/** What is worth saying of the CO-RE relocations: those that libbpf refuses, and those whose answer depends on types that are not built in. */
function coreWarnings(decided: readonly DecidedRelocation[], target: TargetTypes, file: string): Problem[] {
  const refused = decided.filter(({ decision }) => decision.action === "poison" && decision.refused);
  const unknown = new Set(decided.filter(({ typeUnknown }) => typeUnknown).map(({ subject }) => subject.replace(/(::|\[).*$/s, "")));
  return [
    ...refused.map(({ decision }) => elfProblems.elf_core_refused({ why: decision.action === "poison" ? decision.why : "" }, { file })),
    ...(unknown.size === 0 ? [] : [elfProblems.elf_core_type_unknown({ types: [...unknown].join(", "), target: target.name }, { file })]),
  ];
}

/** Types, and what .BTF.ext says of the code. A bad .BTF is a fault, as for libbpf when maps need it; a bad .BTF.ext costs the source lines only. */
function typeInformation(image: ElfImage, warnings: Problem[]): { btf: Btf | null; ext: BtfExt | null } {
  const own = image.sections.find(({ name }) => name === ".BTF");
  if (own === undefined) return { btf: null, ext: null };
  const { btf, strings } = parseBtf(own.data);
  const more = image.sections.find(({ name }) => name === ".BTF.ext");
  let ext: BtfExt | null = null;
  try {
    ext = more === undefined ? null : parseBtfExt(more.data, strings);
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error;
    warnings.push(elfProblems.elf_btf_ext_bad({ why: error.message }, error.problem.at));
  }
  return { btf: withSectionOffsets(btf, image), ext };
}

/**
 * Functions that are programs: those of .text only when there is nothing else; static ones only when a slot of a PROG_ARRAY holds them (libbpf
 * refuses these, the loader of Cilium takes them).
 */
function programFunctions(functions: readonly ElfFunction[], slotTargets: ReadonlySet<string>): ElfFunction[] {
  const elsewhere = functions.filter(({ section, static: local, name }) => section.name !== ".text" && (!local || slotTargets.has(name)));
  return elsewhere.length > 0 ? elsewhere : functions.filter(({ static: local }) => !local);
}

/** A section that holds one zero-terminated string, as `license` does; "" when there is none. */
function textSection(image: ElfImage, name: string): string {
  const section = image.sections.find((one) => one.name === name);
  if (section === undefined) return "";
  const { bytes } = section.data;
  const end = bytes.indexOf(0);
  return new TextDecoder().decode(bytes.subarray(0, Math.min(end === -1 ? bytes.length : end, MAX_LICENSE)));
}

/** A license is at most 128 bytes with its zero. kernel/bpf/syscall.c. */
const MAX_LICENSE = 127;

function kernelVersion(image: ElfImage): number | null {
  const section: ElfSection | undefined = image.sections.find((one) => one.name === "version");
  return section !== undefined && section.data.length === 4 ? section.data.u32(0, "the version") : null;
}
