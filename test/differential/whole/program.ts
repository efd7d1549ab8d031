import fc from "fast-check";
import type { MapSpec, ProgramSpec, ProgramTypeName } from "../../../src/bpf/spec.ts";
import { BPF_F_XDP_HAS_FRAGS } from "../../../src/layout/index.ts";
import type { Label } from "./code.ts";
import { type GeneratedRun, type PresetEntry, presetEntries, runsOf } from "./input.ts";
import { kindNamed, kindsOf } from "./kinds/index.ts";
import { FUNCTIONS, TAIL_PROGRAMS } from "./limits.ts";
import type { MapShape } from "./mapCatalog.ts";
import type { AnyKind, Kind, Statement, Subject } from "./statement.ts";
import { ProgramSet, type Site, Writer } from "./writer.ts";

/** Statements may stand in statements so deep. */
const MAX_DEPTH = 2;

/** A set of programs, what its maps hold at first, and what it is run on. */
export interface GeneratedSet {
  readonly type: ProgramTypeName;
  readonly shape: MapShape;
  /** BPF_F_XDP_HAS_FRAGS */
  readonly fragments: boolean;
  readonly main: readonly Statement[];
  readonly functions: readonly (readonly Statement[])[];
  readonly tails: readonly (readonly Statement[])[];
  /** What a run that throws ends with: a callback of its own. */
  readonly catches: boolean;
  /** What the program returns: a constant, or undefined for the number in r7. */
  readonly verdict: number | undefined;
  readonly entries: readonly PresetEntry[];
  readonly runs: readonly GeneratedRun[];
}

/** From the freest to the narrowest; in `held` an iterator is open. */
const places = ["main", "held", "function", "callback"] as const;
type Place = (typeof places)[number];

/** The last place where a kind may stand that is not allowed everywhere. */
const lastPlace = { callbacks: "function", functions: "held", held: "main" } as const;

const allowed = ({ notIn }: AnyKind, place: Place): boolean =>
  notIn === undefined || places.indexOf(place) <= places.indexOf(lastPlace[notIn]);

/** The place that a kind's bodies are. */
function inside(kind: string, place: Place): Place {
  if (kind === "bpf_loop") return "callback";
  return kind.startsWith("bpf_iter_") && place === "main" ? "held" : place;
}

/** Lists of statements of some kinds, at a place and a depth. Each is built once: building takes far longer than using. */
class Blocks {
  readonly #kinds: readonly AnyKind[];
  readonly #known = new Map<string, fc.Arbitrary<Statement[]>>();

  constructor(kinds: readonly AnyKind[]) {
    this.#kinds = kinds;
  }

  at(place: Place, depth: number): fc.Arbitrary<Statement[]> {
    const known = this.#known.get(`${place} ${depth}`);
    if (known !== undefined) return known;
    const made = this.#make(place, depth);
    this.#known.set(`${place} ${depth}`, made);
    return made;
  }

  #make(place: Place, depth: number): fc.Arbitrary<Statement[]> {
    const choices = this.#kinds
      .filter((kind) => allowed(kind, place) && (depth < MAX_DEPTH || !kind.bodies))
      .map((kind) => ({ weight: kind.weight ?? 4, arbitrary: this.#statement(kind, place, depth) }));
    if (choices.length === 0) return fc.constant([]);
    const outermost = depth === 0;
    return fc.array(fc.oneof(...choices), { minLength: outermost ? 1 : 0, maxLength: outermost ? 10 : 3, size: "max" });
  }

  #statement(kind: AnyKind, place: Place, depth: number): fc.Arbitrary<Statement> {
    const { name, params, bodies = 0 } = kind as unknown as Kind<unknown>;
    if (bodies === 0) return params.map((chosen) => ({ kind: name, params: chosen, bodies: [] }));
    const inner = this.at(inside(name, place), depth + 1);
    return fc.record({ kind: fc.constant(name), params, bodies: fc.array(inner, { minLength: bodies, maxLength: bodies }) });
  }
}

/** Subjects whose statements a program mixes: all of them, or a few, whose statements then meet each other more often. */
const themes: readonly (readonly Subject[] | undefined)[] = [
  undefined,
  undefined,
  ["control", "maps", "arithmetic"],
  ["control", "queues", "rings", "surroundings"],
  ["control", "dynptr", "rings", "packet"],
  ["control", "strings", "maps"],
  ["skb", "packet"],
  ["skb", "control", "verdict"],
  ["packet", "control", "dynptr"],
];

interface Parts {
  readonly main: fc.Arbitrary<Statement[]>;
  readonly functions: fc.Arbitrary<Statement[]>;
  readonly tails: fc.Arbitrary<Statement[]>;
}

/** Building arbitraries takes longer than using one, so they are made once. */
function partsOf(type: ProgramTypeName, subjects: readonly Subject[] | undefined): Parts | undefined {
  const kinds = kindsOf(type).filter(({ subject }) => subjects === undefined || subjects.includes(subject));
  if (kinds.length === 0) return undefined;
  const blocks = new Blocks(kinds);
  return { main: blocks.at("main", 0), functions: blocks.at("function", 1), tails: blocks.at("main", 1) };
}

function setOf(type: ProgramTypeName, { main, functions, tails }: Parts): fc.Arbitrary<GeneratedSet> {
  return fc.record({
    type: fc.constant(type),
    shape: fc.record({
      entries: fc.integer({ min: 1, max: 5 }),
      preallocated: fc.boolean(),
      commonLru: fc.boolean(),
      lruEntries: fc.integer({ min: 1, max: 8 }),
      valueSize: fc.constantFrom(8, 8, 16, 12, 24),
    }),
    fragments: type === "xdp" ? fc.boolean() : fc.constant(false),
    main,
    functions: fc.tuple(...new Array<typeof functions>(FUNCTIONS).fill(functions)),
    tails: fc.tuple(...new Array<typeof tails>(TAIL_PROGRAMS).fill(tails)),
    catches: fc.boolean(),
    verdict: fc.option(fc.integer({ min: -1, max: 8 }), { nil: undefined }),
    entries: presetEntries,
    runs: runsOf(type),
  });
}

const programTypes = ["xdp", "sched_cls"] as const;

/** Sets of programs that the kernel's verifier takes as they are, nearly always. */
export const generatedSet: fc.Arbitrary<GeneratedSet> = fc.oneof(
  ...programTypes.flatMap((type) =>
    themes.flatMap((subjects) => {
      const parts = partsOf(type, subjects);
      return parts === undefined ? [] : [setOf(type, parts)];
    }),
  ),
);

/** The programs of a set, assembled. */
export interface AssembledSet {
  readonly maps: readonly MapSpec[];
  /** Place n of map `results` belongs to statement n. */
  readonly sites: readonly Site[];
  readonly main: ProgramSpec;
  /** Behind the PROG_ARRAY, by index. */
  readonly tails: readonly ProgramSpec[];
}

/** Writes the statements of a program, leaving out those that find no room. */
function writeBody(out: Writer, statements: readonly Statement[]): void {
  for (const { kind: name, params, bodies } of statements) {
    const kind = kindNamed(name);
    if (!out.hasRoom(kind.stack ?? 0)) continue;
    const within = bodies.map((body) => () => writeBody(out, body));
    out.statement({ kind: name, covers: kind.covers(params as never) }, () => kind.write(out, params as never, within));
  }
}

/** A program's code, and the first instruction of its exception callback. */
interface Written {
  readonly instructions: Uint8Array;
  readonly exceptionCallback: number | undefined;
}

function writeProgram(
  set: ProgramSet,
  generated: GeneratedSet,
  statements: readonly Statement[],
  verdict: number | undefined,
  catches: boolean,
): Written {
  const out = new Writer(set);
  const labels = new Map<number, Label>();
  const callee = (index: number): Label => {
    const known = labels.get(index);
    if (known !== undefined) return known;
    const label = out.code.label();
    labels.set(index, label);
    out.pending.push(() => {
      out.code.place(label);
      out.beginFunction();
      writeBody(out, generated.functions[index] ?? []);
      out.code.copy(0, 7);
      out.code.exit();
    });
    return label;
  };
  out.callee = callee;
  out.beginProgram();
  writeBody(out, statements);
  if (verdict === undefined) out.code.copy(0, 7);
  else out.code.set(0, verdict);
  out.code.exit();
  for (let next = out.pending.shift(); next !== undefined; next = out.pending.shift()) next();
  const caught = out.code.length;
  const exceptionCallback = catches && out.throws ? caught : undefined;
  if (exceptionCallback !== undefined) {
    // (cookie) → what the program returns
    out.code.copy(0, 1);
    out.code.change(0, "^=", 0x55);
    out.code.exit();
  }
  return { instructions: out.code.finish(), exceptionCallback };
}

/** Assembles the programs of a set. All of them have the same maps. */
export function assembleSet(generated: GeneratedSet): AssembledSet {
  const set = new ProgramSet(generated.type, generated.shape);
  const main = writeProgram(set, generated, generated.main, generated.verdict, generated.catches);
  const tailCode = set.usesMap("prog_array") ? generated.tails.map((body) => writeProgram(set, generated, body, 2, false)) : [];
  const { maps } = set;
  const kfuncs = new Map([...set.kfuncs].map(([name, number]) => [number, name]));
  const specOf = ({ instructions, exceptionCallback }: Written, name: string): ProgramSpec => ({
    name,
    section: generated.type,
    type: generated.type,
    expectedAttachType: 0,
    flags: generated.fragments ? BPF_F_XDP_HAS_FRAGS : 0,
    license: "GPL",
    instructions,
    maps,
    functions: [],
    lines: [],
    kfuncs,
    ...(exceptionCallback === undefined ? {} : { exceptionCallback }),
  });
  return {
    maps,
    sites: set.sites,
    main: specOf(main, "generated"),
    tails: tailCode.map((code, index) => specOf(code, `tail_${index}`)),
  };
}
