import type { Struct } from "../layout/index.ts";
import type { Btf } from "./btf/index.ts";

/** Program types that xdplane runs, in the kernel's lower-case spelling. */
export type ProgramTypeName = "xdp" | "sched_cls" | "socket_filter";

/** A map as an object file, a recorded case or a caller declares it; not yet made. Sizes in bytes. */
export interface MapSpec {
  readonly name: string;
  /** BPF_MAP_TYPE_* */
  readonly type: number;
  readonly keySize: number;
  readonly valueSize: number;
  readonly maxEntries: number;
  /** BPF_F_* map flags. */
  readonly flags: number;
  /** Template of the inner maps of a map-in-map. */
  readonly inner?: MapSpec;
  /** First value of a global data section (.data, .rodata, .bss, .kconfig); such maps are ARRAYs of one entry. */
  readonly contents?: Uint8Array;
  /** Read-only to user space too after loading (BPF_MAP_FREEZE), as .rodata is. */
  readonly frozen?: boolean;
  /** Types of key and value in the object's BTF; 0 or absent when there are none. */
  readonly btf?: Btf;
  readonly keyTypeId?: number;
  readonly valueTypeId?: number;
  /** LIBBPF_PIN_BY_NAME, or iproute2's PIN_GLOBAL_NS: objects that name it share the map. */
  readonly pinByName?: boolean;
  /** map_extra: hash functions of a BLOOM_FILTER, user address of an ARENA. */
  readonly mapExtra?: bigint;
  /** iproute2's id of a map in a legacy `maps` section: programs in sections "ID/INDEX" go into its slots. */
  readonly iproute2Id?: number;
  /** Static initialisers: programs of a PROG_ARRAY, inner maps of a map-in-map, by name. */
  readonly slots?: readonly { readonly index: number; readonly target: string }[];
  /** ELF section it came from (".maps", "maps", ".rodata", …). */
  readonly section?: string;
}

/** A function of a program: its first instruction, and its name. The first is the program itself, at instruction 0. */
export interface FunctionSpec {
  readonly instruction: number;
  readonly name: string;
  readonly typeId?: number;
}

/** Where an instruction came from. Sorted by instruction; a line holds until the next. */
export interface SourceLine {
  readonly instruction: number;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly text: string;
}

/** A program before any check: what bpf(BPF_PROG_LOAD) would be given, with map references by index. */
export interface ProgramSpec {
  readonly name: string;
  readonly section: string;
  readonly type: ProgramTypeName;
  /** enum bpf_attach_type; 0 when the section names none. */
  readonly expectedAttachType: number;
  /** BPF_F_XDP_HAS_FRAGS and the other load flags. */
  readonly flags: number;
  readonly license: string;
  /**
   * 8 bytes an instruction, little endian, subprograms appended and calls resolved as libbpf does. In ld_imm64 with src 1 (map) or 2 (map value)
   * the first immediate is an index into `maps`; src 4 (callback) holds a relative instruction offset.
   */
  readonly instructions: Uint8Array;
  readonly maps: readonly MapSpec[];
  readonly functions: readonly FunctionSpec[];
  readonly lines: readonly SourceLine[];
  readonly btf?: Btf;
  /**
   * Names of kfuncs, by the `imm` that their call instructions (src 2) hold: numbers of the object's own, not BTF ids; a `___suffix` that tells
   * variants apart counts for nothing. A call of a function that the kernel does not have, weak or not, is in `poisoned` as well.
   */
  readonly kfuncs?: ReadonlyMap<number, string>;
  /** First instruction of the function that bpf_throw ends the run with: `(cookie) → r0` of the program. Without one, r0 is the cookie. */
  readonly exceptionCallback?: number;
  /** Instructions that a failed relocation poisoned, to what failed: they trap when they are reached. Of a ld_imm64, both halves may be here. */
  readonly poisoned?: ReadonlyMap<number, string>;
}

/**
 * What the runtime writes through a pointer that a program gives it. `context`: the context that the program was started with. `map`: a map's header. `written`: bytes
 * of the program's zone (layout/zones.ts). `callback`: the number of a callback of the same program, which the runtime calls.
 */
export type PointerKind = "context" | "map" | "written" | "written or NULL" | "callback";

/** How compiled code calls a function of the runtime: r1.. are passed as i64, or wrapped to i32; the result is widened to r0. */
export interface RuntimeFunction {
  /** Export of the runtime module. */
  readonly entry: string;
  readonly parameters: readonly ("i32" | "i64")[];
  /** What parameters point to, by their indices; the engines check it before the call, for nobody has proved it. Numbers, and what is only read, have none. */
  readonly pointers?: readonly (PointerKind | undefined)[];
  /** i64 as it is; u32 zero-extended; s32 sign-extended; "none" leaves 0 in r0. */
  readonly result: "i64" | "u32" | "s32" | "none";
}

/** A helper that a program type may call. */
export interface HelperSpec {
  readonly id: number;
  /** bpf_map_lookup_elem */
  readonly name: string;
  readonly call: RuntimeFunction;
  /** Written in TypeScript behind `slow`: the bench counts packets that called one. */
  readonly cold?: boolean;
  /** A parameter is a callback (bpf_loop, bpf_for_each_map_elem): the compiler sets callback_fp before the call. */
  readonly callback?: boolean;
}

/** A kernel function that a program type may call, found by its name. */
export interface KfuncSpec {
  /** bpf_dynptr_slice */
  readonly name: string;
  /** An `int` result is "u32": the kernel's own functions leave the upper half of r0 empty. */
  readonly call: RuntimeFunction;
  /** Its number among the functions written in TypeScript; absent for one of the runtime. */
  readonly cold?: number;
  /** A parameter is a callback that is called before the kfunc returns. */
  readonly callback?: boolean;
  /** bpf_throw: ends the run through the program's exception callback. Only the engines know how. */
  readonly throws?: boolean;
}

/**
 * A field of 4 bytes in a context of which Linux keeps 2: more is cut off when it is stored. From `limit` on nothing is stored at all: of a register its 64 bits without
 * sign count, of an immediate its value with sign.
 */
export interface ShortField {
  readonly limit?: number;
}

/** What a program type is to the stages below it: described by src/xdp and src/tc, handed down by src/dataplane. */
export interface ProgramType {
  readonly name: ProgramTypeName;
  /** BPF_PROG_TYPE_* */
  readonly number: number;
  readonly context: Struct;
  /** Bytes of the context that a program may see. */
  readonly contextSize: number;
  /** Fields of the context that are shorter than they look, by offset. */
  readonly shortFields?: ReadonlyMap<number, ShortField>;
  readonly helpers: ReadonlyMap<number, HelperSpec>;
  /** Kernel functions by name; a call of any other traps by its name when it is reached. */
  readonly kfuncs?: ReadonlyMap<string, KfuncSpec>;
  /**
   * BPF_LD_ABS and BPF_LD_IND by width in bytes: (context i32, offset i32) to the value in host order as i64; when it is negative, the function that holds the
   * instruction returns 0. The context is r6, the offset the low 32 bits of imm (+ src). Absent where the type has no such loads.
   */
  readonly legacyLoads?: Readonly<Record<1 | 2 | 4, RuntimeFunction>>;
}

type Parameter = RuntimeFunction["parameters"][number];

/**
 * Rows of a helper table: number, kernel name, runtime export, wasm parameters, result. A letter a parameter: l is 64 bits, the others are 32, and c is the program's
 * context, m a map, w an address that the helper writes at, o the same or NULL, f a callback, i anything else.
 */
export type HelperRow = readonly [id: number, name: string, entry: string, parameters: string, result: RuntimeFunction["result"]];

const pointerKinds: Readonly<Record<string, PointerKind>> = { c: "context", m: "map", w: "written", o: "written or NULL", f: "callback" };

function signature(letters: string): Pick<RuntimeFunction, "parameters" | "pointers"> {
  const parameters = Array.from(letters, (letter): Parameter => (letter === "l" ? "i64" : "i32"));
  const pointers = Array.from(letters, (letter) => pointerKinds[letter]);
  return pointers.some((kind) => kind !== undefined) ? { parameters, pointers } : { parameters };
}

/** A helper table from its rows; later tables win over earlier ones. */
export function helperTable(
  ...tables: readonly (readonly HelperRow[] | ReadonlyMap<number, HelperSpec>)[]
): ReadonlyMap<number, HelperSpec> {
  const helpers = new Map<number, HelperSpec>();
  for (const table of tables) {
    for (const entry of table) {
      if (entry.length === 2) {
        helpers.set(entry[0], entry[1]);
        continue;
      }
      const [id, name, runtimeEntry, parameters, result] = entry;
      helpers.set(id, { id, name, call: { entry: runtimeEntry, ...signature(parameters), result } });
    }
  }
  return helpers;
}

/** Rows of a kfunc table: kernel name, runtime export, wasm parameters (letters as in a HelperRow), result. */
export type KfuncRow = readonly [name: string, entry: string, parameters: string, result: RuntimeFunction["result"]];

/** A kfunc table from its rows; later tables win over earlier ones. */
export function kfuncTable(
  ...tables: readonly (readonly (KfuncRow | KfuncSpec)[] | ReadonlyMap<string, KfuncSpec>)[]
): ReadonlyMap<string, KfuncSpec> {
  const kfuncs = new Map<string, KfuncSpec>();
  for (const table of tables) {
    for (const row of table instanceof Map ? table.values() : (table as readonly (KfuncRow | KfuncSpec)[])) {
      if ("name" in row) kfuncs.set(row.name, row);
      else {
        const [name, entry, parameters, result] = row as KfuncRow;
        kfuncs.set(name, { name, call: { entry, ...signature(parameters), result } });
      }
    }
  }
  return kfuncs;
}

/**
 * The kfunc that a call instruction with this immediate names, if the program's type has it. A name may carry a suffix behind three underscores, as clang
 * and libbpf have it for variants of a declaration.
 */
export function calledKfunc(spec: ProgramSpec, type: ProgramType, imm: number): KfuncSpec | undefined {
  const name = spec.kfuncs?.get(imm);
  return name === undefined ? undefined : type.kfuncs?.get(name.split("___", 1)[0]!);
}
