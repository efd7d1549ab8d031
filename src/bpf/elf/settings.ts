import { type Problem, ProblemError, type Result } from "../../problem/index.ts";
import { asResult, type BtfDataSection, encodeValue } from "../btf/index.ts";
import type { MapSpec } from "../spec.ts";
import type { ObjectFile } from "./object.ts";
import { elfProblems } from "./problems.ts";

/** Entries a map may be given. include/uapi/linux/bpf.h: max_entries has 32 bits. */
const MOST_ENTRIES = 0xffffffff;

/**
 * The object with settings changed before it is loaded, each written `NAME=VALUE`: a global variable (VALUE is JSON or bare text, by the
 * variable's type), also with its section in front (`rodata.NAME`, `.data.hot.NAME`), or `MAP.max_entries=N`. Read-only variables may be set too: that is what
 * they are for.
 */
export function withSettings(object: ObjectFile, settings: readonly string[]): Result<ObjectFile> {
  return asResult(() => {
    if (settings.length === 0) return object;
    const maps = settings.reduce<readonly MapSpec[]>((all, setting) => {
      const { name, text } = split(setting, object.file);
      const target = targetOf(all, name);
      if (target === null)
        throw new ProblemError(elfProblems.setting_unknown({ name, file: object.file, names: settable(all) }, { file: object.file }));
      return changed(object.file, all, target, name, text);
    }, object.maps);
    return withMaps(object, maps);
  });
}

/** The object with other declarations of its maps, in the same order: other sizes, other first values of global data. */
export const withMaps = (object: ObjectFile, maps: readonly MapSpec[]): ObjectFile => ({
  ...object,
  maps,
  programs: object.programs.map((program) => ({ ...program, maps })),
  otherPrograms: object.otherPrograms.map((program) => ({ ...program, maps })),
});

/** Of the settings, those that name something in the object: for a run over several objects. A setting that is none is a Problem. */
export const settingsFor = (object: ObjectFile, settings: readonly string[]): Result<string[]> =>
  asResult(() => settings.filter((setting) => targetOf(object.maps, split(setting, object.file).name) !== null));

/** The problem of a setting that names nothing in any of the objects. */
export const unknownSetting = (objects: readonly ObjectFile[], setting: string): Problem =>
  elfProblems.setting_unknown({
    name: split(setting, "").name,
    file: objects.map(({ file }) => file).join(", ") || "no object",
    names: settable(objects.flatMap(({ maps }) => maps)),
  });

function split(setting: string, file: string): { name: string; text: string } {
  const [, name, text] = /^([^=\s]+)=(.*)$/s.exec(setting) ?? [];
  if (name === undefined || text === undefined) throw new ProblemError(elfProblems.setting_malformed({ setting }, { file }));
  return { name, text };
}

/** What a setting changes: the size of a map, or a variable of a data section's. */
interface SettingTarget {
  readonly map: number;
  readonly variable: BtfDataSection["variables"][number] | null;
}

function targetOf(maps: readonly MapSpec[], name: string): SettingTarget | null {
  const sized = maps.findIndex((map) => name === `${map.name}.max_entries`);
  if (sized !== -1) return { map: sized, variable: null };
  for (const [index, map] of maps.entries()) {
    const section = map.btf?.types[map.valueTypeId ?? 0];
    // The values of .kconfig are the kernel's, and known before maps are.
    if (section?.kind !== "datasec" || map.section === ".kconfig") continue;
    const variable = section.variables.find(({ type }) => {
      const named = map.btf?.types[type];
      return named?.kind === "var" && (name === named.name || `.${name.replace(/^\./, "")}` === `${map.name}.${named.name}`);
    });
    if (variable !== undefined) return { map: index, variable };
  }
  return null;
}

function changed(file: string, maps: readonly MapSpec[], { map: index, variable }: SettingTarget, name: string, text: string): MapSpec[] {
  const map = maps[index]!;
  if (variable === null) return maps.with(index, { ...map, maxEntries: entries(file, name, text) });
  const bytes = encodeValue(map.btf!, variable.type, parsed(text), name);
  if (!bytes.ok) throw new ProblemError({ ...bytes.problem, exit: 2, at: { file } });
  const contents = map.contents?.slice() ?? new Uint8Array(map.valueSize);
  if (variable.offset + bytes.value.length > contents.length)
    throw new ProblemError(elfProblems.elf_bad_map({ map: map.name, why: `${name} ends behind it` }, { file }));
  contents.set(bytes.value, variable.offset);
  return maps.with(index, { ...map, contents });
}

function entries(file: string, name: string, text: string): number {
  const count = Number(text);
  if (!/^(?:0x[0-9a-fA-F]+|\d+)$/.test(text) || count > MOST_ENTRIES)
    throw new ProblemError(elfProblems.setting_entries({ name, text }, { file }));
  return count;
}

/** JSON where it is JSON and loses nothing, else the text: `--set limit=0x10`, `--set name=eth0`, `--set 'last={"port":80}'`. */
function parsed(text: string): unknown {
  if (/^-?\d+$/.test(text)) return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

/** What may be set, for the hint. */
function settable(maps: readonly MapSpec[]): string {
  const names = maps.flatMap((map) => {
    const section = map.btf?.types[map.valueTypeId ?? 0];
    return section?.kind === "datasec" ? variableNames(map, section) : [`${map.name}.max_entries`];
  });
  return names.length > 20 ? `${names.slice(0, 20).join(", ")}, …` : names.join(", ") || "none";
}

const variableNames = ({ btf }: MapSpec, { variables }: BtfDataSection): string[] =>
  variables.flatMap(({ type }) => {
    const named = btf?.types[type];
    return named?.kind === "var" ? [named.name] : [];
  });
