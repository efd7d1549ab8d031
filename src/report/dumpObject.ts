import pc from "picocolors";
import { declaration, formatHex, printTypes } from "../bpf/btf/index.ts";
import { decodeMapValue, type ObjectFile, type OtherProgram } from "../bpf/elf/index.ts";
import { INSTRUCTION_SIZE } from "../bpf/isa/index.ts";
import type { MapSpec, ProgramSpec } from "../bpf/spec.ts";
import { mapTypeName } from "../layout/index.ts";
import { type ListedProgram, listingText, programListing } from "./programListing.ts";
import { byteCount, count } from "./quantity.ts";
import { plainTable } from "./table.ts";

/** Which parts of an object are shown. */
export interface ObjectParts {
  readonly sections: boolean;
  readonly programs: boolean;
  readonly maps: boolean;
  readonly types: boolean;
  readonly instructions: boolean;
}

/** enum bpf_attach_type of the hooks that XDP and TC programs name, as bpftool spells them. include/uapi/linux/bpf.h of Linux 6.18. */
const attachNames: ReadonlyMap<number, string> = new Map([
  [33, "xdp_devmap"],
  [35, "xdp_cpumap"],
  [37, "xdp"],
  [46, "tcx_ingress"],
  [47, "tcx_egress"],
  [54, "netkit_primary"],
  [55, "netkit_peer"],
]);

/** BPF_F_* of maps, by bit. include/uapi/linux/bpf.h of Linux 6.18. */
const mapFlags = [
  "no_prealloc no_common_lru numa_node rdonly wronly stack_build_id zero_seed rdonly_prog wronly_prog clone mmapable",
  "preserve_elems inner_map link path_fd vtype_btf_obj_fd token_fd segv_on_fault no_user_conv",
].flatMap((line) => line.split(" "));

const allPrograms = (object: ObjectFile): readonly (ProgramSpec | OtherProgram)[] => [...object.programs, ...object.otherPrograms];

/** The parts of an object as text for people. `only` limits the instructions to one program. */
export function objectText(object: ObjectFile, parts: ObjectParts, only?: ListedProgram): string {
  const sections: string[] = [headline(object)];
  if (parts.programs) sections.push(programTable(object));
  if (parts.maps) sections.push(mapTable(object), dataValues(object), slotLines(object));
  if (parts.sections) sections.push(sectionTable(object, !parts.programs));
  if (parts.programs) sections.push(relocationTable(object), externLines(object), warningLines(object));
  if (parts.types) sections.push(typesText(object));
  if (parts.instructions) for (const program of only === undefined ? allPrograms(object) : [only]) sections.push(instructionsText(program));
  return sections.filter((text) => text !== "").join("\n");
}

function headline({ file, littleEndian, license, kernelVersion, btf }: ObjectFile): string {
  const facts = [
    `BPF object, ${littleEndian ? "little" : "big"} endian`,
    license === "" ? "no license" : `license ${license}`,
    ...(kernelVersion === null ? [] : [`for Linux ${kernelVersion >>> 16}.${(kernelVersion >>> 8) & 255}.${kernelVersion & 255}`]),
    btf === null ? "no types" : `${count(btf.types.length - 1)} types`,
  ];
  return `${pc.bold(file)}   ${facts.join(", ")}\n`;
}

/** In an overview, without what only linkers read. */
function sectionTable({ sections }: ObjectFile, all: boolean): string {
  const shown = sections.filter(({ name, size }) => all || (size > 0 && !/^\.(rel|strtab$|symtab$|llvm_)/.test(name)));
  const rows = shown.map(({ name, size, fileOffset, executable, writable, zeros }) => [
    name || "-",
    count(size),
    `0x${fileOffset.toString(16)}`,
    [executable ? "code" : "", writable ? "writable" : "", zeros ? "zeros" : ""].filter((word) => word !== "").join(", "),
  ]);
  return plainTable([{ heading: "section" }, right("bytes"), right("offset"), { heading: "" }], rows);
}

function programTable(object: ObjectFile): string {
  const programs = allPrograms(object);
  if (programs.length === 0) return " no programs\n";
  const rows = programs.map((program) => [
    program.name,
    program.section,
    program.type ?? "unknown",
    attachNames.get(program.expectedAttachType) ?? (program.expectedAttachType === 0 ? "" : String(program.expectedAttachType)),
    count(program.instructions.length / INSTRUCTION_SIZE),
    count(program.functions.length - 1),
    mapsUsed(program).join(", "),
  ]);
  const columns = [{ heading: "program" }, { heading: "section" }, { heading: "type" }, { heading: "attach" }];
  return plainTable([...columns, right("insns"), right("subprograms"), { heading: "maps" }], rows);
}

/** Names of the maps that a program's instructions refer to, in the object's order. */
function mapsUsed(program: ListedProgram): string[] {
  const used = new Set<number>();
  const view = new DataView(program.instructions.buffer, program.instructions.byteOffset, program.instructions.byteLength);
  for (let at = 0; at + INSTRUCTION_SIZE <= program.instructions.length; at += INSTRUCTION_SIZE) {
    if (view.getUint8(at) !== LD_IMM64) continue;
    const source = view.getUint8(at + 1) >> 4;
    if (source === 1 || source === 2) used.add(view.getInt32(at + 4, true));
    at += INSTRUCTION_SIZE;
  }
  return program.maps.filter((_, index) => used.has(index)).map(({ name }) => name);
}

const LD_IMM64 = 0x18;

function mapTable({ maps }: ObjectFile): string {
  if (maps.length === 0) return " no maps\n";
  const rows = maps.map((map) => [
    map.name,
    mapTypeName(map.type),
    sizeAndType(map, map.keySize, map.keyTypeId),
    sizeAndType(map, map.valueSize, map.valueTypeId),
    map.maxEntries === 0 ? "by loader" : count(map.maxEntries),
    [flagNames(map.flags), map.pinByName ? "pinned" : "", map.frozen ? "frozen" : ""].filter((word) => word !== "").join(", "),
  ]);
  return plainTable(
    [{ heading: "map" }, { heading: "type" }, { heading: "key" }, { heading: "value" }, right("entries"), { heading: "flags" }],
    rows,
  );
}

/** "20 B struct service_key" */
function sizeAndType(map: MapSpec, size: number, typeId: number | undefined): string {
  const type = typeText(map, typeId);
  return type === null ? `${size} B` : `${size} B ${type}`;
}

/** A key's or value's type in C; null when there is none, or the whole section's. */
function typeText({ btf }: MapSpec, typeId: number | undefined): string | null {
  if (btf === undefined || !typeId || btf.types[typeId]?.kind === "datasec") return null;
  try {
    return declaration(btf, typeId);
  } catch {
    return null;
  }
}

const flagNames = (flags: number): string =>
  flags === 0 ? "" : `0x${flags.toString(16)} ${mapFlags.filter((_, bit) => (flags >>> bit) & 1).join(" ")}`.trim();

/** First values of the global data sections, one line each. */
function dataValues({ maps }: ObjectFile): string {
  return maps
    .filter(({ contents }) => contents !== undefined)
    .map((map) => {
      const value = decodeMapValue(map, map.contents ?? new Uint8Array());
      const text = typeof value === "string" ? value : JSON.stringify(value);
      return ` ${map.name}  ${text.length > 400 ? `${text.slice(0, 400)}… (${byteCount(map.valueSize)})` : text}\n`;
    })
    .join("");
}

/** What static initialisers put into maps of maps and program arrays. */
const slotLines = ({ maps }: ObjectFile): string =>
  maps
    .filter(({ slots }) => slots !== undefined)
    .map(({ name, slots }) => ` ${name}  ${(slots ?? []).map(({ index, target }) => `[${index}] ${target}`).join(", ")}\n`)
    .join("");

const externLines = ({ externs }: ObjectFile): string =>
  externs
    .map(({ name, kind, weak, known }) => {
      const facts = [weak ? "weak" : "", known ? "" : "not in the kernel"].filter((fact) => fact !== "").join(", ");
      return ` extern ${kind === "unknown" ? "" : `${kind} `}${name}${facts === "" ? "" : ` (${facts})`}\n`;
    })
    .join("");

/** CO-RE relocations in the order of the code: what each asks for, and what it became. */
function relocationTable({ coreRelocations }: ObjectFile): string {
  if (coreRelocations.length === 0) return "";
  const rows = coreRelocations.map(({ section, offset, kind, subject, decision }) => [
    `${section}+${offset / INSTRUCTION_SIZE}`,
    kind,
    subject,
    decision.action === "patch" ? `${decision.before} → ${decision.after}` : "poisoned",
  ]);
  return plainTable([{ heading: "CO-RE at" }, { heading: "kind" }, { heading: "of" }, { heading: "becomes" }], rows);
}

const warningLines = ({ warnings }: ObjectFile): string =>
  warnings.map(({ message, hint }) => ` ${pc.yellow("warning")}: ${message}${hint === undefined ? "" : ` (${hint})`}\n`).join("");

const typesText = ({ btf }: ObjectFile): string => (btf === null ? " no types: compile with -g\n" : `${printTypes(btf)}\n`);

function instructionsText(program: ListedProgram): string {
  return `Disassembly of program ${program.name}, section ${program.section}:\n\n${listingText(program)}`;
}

/** The parts of an object as JSON: plain values, in the words of bpftool where it has some. */
export function objectJson(object: ObjectFile, parts: ObjectParts, only?: ListedProgram): unknown {
  const programs = only === undefined ? allPrograms(object) : allPrograms(object).filter(({ name }) => name === only.name);
  return {
    file: object.file,
    format: "elf-bpf",
    byte_order: object.littleEndian ? "little" : "big",
    license: object.license,
    kernel_version: object.kernelVersion,
    ...(parts.sections ? { sections: object.sections.map(sectionJson) } : {}),
    ...(parts.programs || parts.instructions ? { programs: programs.map((program) => programJson(program, parts.instructions)) } : {}),
    ...(parts.maps ? { maps: object.maps.map(mapJson) } : {}),
    ...(parts.types ? { types: object.btf === null ? null : printTypes(object.btf) } : {}),
    externs: object.externs,
    core_relocations: object.coreRelocations.map(relocationJson),
    warnings: object.warnings.map(({ code, message }) => ({ code, message })),
  };
}

const relocationJson = ({ section, offset, kind, subject, decision }: ObjectFile["coreRelocations"][number]) => ({
  ...{ section, offset, kind, subject },
  ...(decision.action === "patch"
    ? { before: decision.before.toString(), after: decision.after.toString() }
    : { poisoned: decision.why, refused_by_libbpf: decision.refused }),
});

const sectionJson = ({ name, size, fileOffset, executable, writable, zeros }: ObjectFile["sections"][number]) => ({
  ...{ name, size, file_offset: fileOffset, executable, writable, zeros },
});

function programJson(program: ProgramSpec | OtherProgram, withInstructions: boolean) {
  return {
    name: program.name,
    section: program.section,
    type: program.type,
    attach_type: attachNames.get(program.expectedAttachType) ?? null,
    flags: program.flags,
    insns: program.instructions.length / INSTRUCTION_SIZE,
    functions: program.functions.map(({ instruction, name }) => ({ insn: instruction, name })),
    maps: mapsUsed(program),
    kfuncs: [...(program.kfuncs?.values() ?? [])],
    traps: [...(program.poisoned ?? [])].map(([insn, why]) => ({ insn, why })),
    ...(withInstructions ? { instructions: programListing(program).map(instructionJson) } : {}),
  };
}

const instructionJson = ({ index, bytes, text, note, source }: ReturnType<typeof programListing>[number]) => ({
  ...{ insn: index, bytes, text, note },
  source: source === null ? null : { file: source.file, line: source.line, column: source.column, text: source.text },
});

function mapJson(map: MapSpec): unknown {
  return {
    name: map.name,
    type: mapTypeName(map.type),
    flags: map.flags,
    bytes_key: map.keySize,
    bytes_value: map.valueSize,
    max_entries: map.maxEntries,
    key_type: typeText(map, map.keyTypeId),
    value_type: typeText(map, map.valueTypeId),
    frozen: map.frozen ?? false,
    pinned_by_name: map.pinByName ?? false,
    section: map.section ?? null,
    ...(map.mapExtra === undefined ? {} : { map_extra: map.mapExtra.toString() }),
    ...(map.iproute2Id === undefined ? {} : { id: map.iproute2Id }),
    ...(map.inner === undefined ? {} : { inner: mapJson(map.inner) }),
    ...(map.slots === undefined ? {} : { slots: map.slots }),
    ...(map.contents === undefined ? {} : { contents: formatHex(map.contents), value: decodeMapValue(map, map.contents) }),
  };
}

const right = (heading: string) => ({ heading, right: true });
