import { encode, type SlotFields } from "../../src/bpf/isa/index.ts";
import type { MapSpec } from "../../src/bpf/spec.ts";
import { BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_HASH } from "../../src/layout/index.ts";

/**
 * A generated program keeps to fixed roles, so that it is safe whatever its statements are, and the kernel's verifier takes it too:
 * r0 to r7 are numbers; r8 is the value of map `state`; r9 is the packet, of which PACKET_SIZE bytes were compared with data_end (main program only); the
 * stack's first STACK_SIZE bytes below r10 are written before anything else. In the end registers and stack go to map `left`.
 */
export const PACKET_SIZE = 64;
export const STATE_SIZE = 64;
export const STACK_SIZE = 64;
/** Loop counters stand below the stack that statements use, one for each depth of nesting; then helpers' keys and values. */
const COUNTERS = STACK_SIZE;
const KEY = STACK_SIZE + 40;
const VALUE = STACK_SIZE + 48;

export const maps: readonly MapSpec[] = [
  { name: "state", type: BPF_MAP_TYPE_ARRAY, keySize: 4, valueSize: STATE_SIZE, maxEntries: 1, flags: 0 },
  { name: "left", type: BPF_MAP_TYPE_ARRAY, keySize: 4, valueSize: 64 + STACK_SIZE, maxEntries: 1, flags: 0 },
  { name: "table", type: BPF_MAP_TYPE_HASH, keySize: 4, valueSize: 8, maxEntries: 3, flags: 0 },
];
const STATE = 0;
const LEFT = 1;
const TABLE = 2;

export type Instruction = Partial<SlotFields> & Pick<SlotFields, "code">;

export type Statement =
  | { readonly kind: "instruction"; readonly fields: Instruction }
  | { readonly kind: "sequence"; readonly fields: readonly Instruction[] }
  | {
      readonly kind: "branch";
      readonly fields: Instruction;
      readonly straight: readonly Statement[];
      readonly taken: readonly Statement[];
      readonly long: boolean;
    }
  | { readonly kind: "loop"; readonly times: number; readonly guarded: boolean; readonly body: readonly Statement[] }
  | { readonly kind: "call"; readonly callee: number }
  | { readonly kind: "bpf_loop"; readonly times: number; readonly stopAt: number }
  | { readonly kind: "lookup"; readonly keyFrom: number; readonly body: readonly Statement[] }
  | { readonly kind: "update"; readonly keyFrom: number; readonly valueFrom: number; readonly flags: number }
  | { readonly kind: "delete"; readonly keyFrom: number }
  | { readonly kind: "checksum"; readonly from: number; readonly to: number; readonly seed: number };

export interface GeneratedProgram {
  /** First values of r0 to r7. */
  readonly registers: readonly bigint[];
  readonly main: readonly Statement[];
  /** Subprogram n may call those behind it. */
  readonly functions: readonly (readonly Statement[])[];
  readonly state: Uint8Array;
  readonly packet: Uint8Array;
}

const low32 = (value: bigint): number => Number(BigInt.asIntN(32, value));

type Label = { at: number };

/** Writes instructions with labels; distances are filled in at the end. */
class Emitter {
  readonly #code: { fields: SlotFields; label?: Label; field?: "offset" | "imm"; at: number }[] = [];
  #slots = 0;

  emit(fields: Instruction, label?: Label, field: "offset" | "imm" = "offset"): void {
    const whole = { dst: 0, src: 0, offset: 0, imm: 0, high: 0, ...fields };
    this.#code.push({ fields: whole, at: this.#slots, ...(label === undefined ? {} : { label, field }) });
    this.#slots += fields.code === 0x18 ? 2 : 1;
  }

  label(): Label {
    return { at: -1 };
  }

  place(label: Label): void {
    label.at = this.#slots;
  }

  finish(): Uint8Array {
    return encode(
      this.#code.map(({ fields, label, field, at }) =>
        label === undefined || field === undefined ? fields : { ...fields, [field]: label.at - at - 1 },
      ),
    );
  }
}

/** Instruction codes that the frame of a program needs; statements bring their own, from the table. */
const MOV_IMM = 0xb7;
const MOV = 0xbf;
const ADD_IMM = 0x07;
const LOAD32 = 0x61;
const LOAD64 = 0x79;
const STORE64 = 0x7b;
const STORE32 = 0x63;
const STORE64_IMM = 0x7a;
const WIDE = 0x18;
const JGT = 0x2d;
const JEQ_IMM = 0x15;
const JNE_IMM = 0x55;
const GOTO = 0x05;
const GOTO_LONG = 0x06;
const MAY_GOTO = 0xe5;
const CALL = 0x85;
const EXIT = 0x95;

class ProgramWriter {
  readonly #out = new Emitter();
  readonly #program: GeneratedProgram;
  readonly #functions: readonly Label[];
  readonly #callbacks: { readonly label: Label; readonly stopAt: number }[] = [];

  constructor(program: GeneratedProgram) {
    this.#program = program;
    this.#functions = program.functions.map(() => this.#out.label());
  }

  write(): Uint8Array {
    const out = this.#out;
    const short = out.label();
    out.emit({ code: LOAD32, dst: 9, src: 1, offset: 0 });
    out.emit({ code: LOAD32, dst: 2, src: 1, offset: 4 });
    out.emit({ code: MOV, dst: 3, src: 9 });
    out.emit({ code: ADD_IMM, dst: 3, imm: PACKET_SIZE });
    out.emit({ code: JGT, dst: 3, src: 2 }, short);
    this.#enter(this.#program.registers);
    this.#statements(this.#program.main, 0);
    this.#leave();
    out.place(short);
    out.emit({ code: MOV_IMM, dst: 0, imm: 0 });
    out.emit({ code: EXIT });
    for (const [index, body] of this.#program.functions.entries()) {
      out.place(this.#functions[index]!);
      this.#enter([0n, undefined, undefined, undefined, undefined, undefined, 6n, 7n]);
      this.#statements(body, 0);
      out.emit({ code: EXIT });
    }
    for (const { label, stopAt } of this.#callbacks) this.#callback(label, stopAt);
    return out.finish();
  }

  /** Sets r8, the stack, and the numbers; an undefined one keeps what the caller passed. */
  #enter(registers: readonly (bigint | undefined)[]): void {
    const out = this.#out;
    out.emit({ code: WIDE, dst: 8, src: 2, imm: STATE });
    for (let at = 8; at <= STACK_SIZE; at += 8) out.emit({ code: STORE64_IMM, dst: 10, offset: -at, imm: at * 0x01010101 });
    for (const [register, value] of registers.entries()) {
      if (value !== undefined) out.emit({ code: WIDE, dst: register, imm: low32(value), high: low32(value >> 32n) });
    }
  }

  /** Registers and stack to the map `left`, and r0 is the result. */
  #leave(): void {
    const out = this.#out;
    out.emit({ code: WIDE, dst: 9, src: 2, imm: LEFT });
    for (let register = 0; register < 8; register++) out.emit({ code: STORE64, dst: 9, src: register, offset: register * 8 });
    for (let at = 8; at <= STACK_SIZE; at += 8) {
      out.emit({ code: LOAD64, dst: 1, src: 10, offset: -at });
      out.emit({ code: STORE64, dst: 9, src: 1, offset: 64 + STACK_SIZE - at });
    }
    out.emit({ code: EXIT });
  }

  /** bpf_loop's: adds the index to the state, and stops the loop at `stopAt`. */
  #callback(label: Label, stopAt: number): void {
    const out = this.#out;
    const on = out.label();
    out.place(label);
    out.emit({ code: WIDE, dst: 3, src: 2, imm: STATE });
    out.emit({ code: LOAD64, dst: 4, src: 3, offset: 8 });
    out.emit({ code: 0x0f, dst: 4, src: 1 });
    out.emit({ code: STORE64, dst: 3, src: 4, offset: 8 });
    out.emit({ code: STORE64, dst: 10, src: 1, offset: -8 });
    out.emit({ code: MOV_IMM, dst: 0, imm: 0 });
    out.emit({ code: JNE_IMM, dst: 1, imm: stopAt }, on);
    out.emit({ code: MOV_IMM, dst: 0, imm: 1 });
    out.place(on);
    out.emit({ code: EXIT });
  }

  #statements(statements: readonly Statement[], depth: number): void {
    for (const statement of statements) this.#statement(statement, depth);
  }

  #statement(statement: Statement, depth: number): void {
    const out = this.#out;
    switch (statement.kind) {
      case "instruction":
        out.emit(statement.fields);
        return;
      case "sequence":
        for (const fields of statement.fields) out.emit(fields);
        return;
      case "branch": {
        const taken = out.label();
        const end = out.label();
        out.emit(statement.fields, taken);
        this.#statements(statement.straight, depth);
        if (statement.taken.length > 0) out.emit({ code: statement.long ? GOTO_LONG : GOTO }, end, statement.long ? "imm" : "offset");
        out.place(taken);
        this.#statements(statement.taken, depth);
        out.place(end);
        return;
      }
      case "loop":
        this.#loop(statement.times, statement.guarded, statement.body, depth);
        return;
      case "call":
        out.emit({ code: CALL, src: 1 }, this.#functions[statement.callee]!, "imm");
        this.#afterCall();
        return;
      case "bpf_loop": {
        const label = out.label();
        this.#callbacks.push({ label, stopAt: statement.stopAt });
        out.emit({ code: MOV_IMM, dst: 1, imm: statement.times });
        out.emit({ code: WIDE, dst: 2, src: 4 }, label, "imm");
        out.emit({ code: MOV_IMM, dst: 3, imm: 0 });
        out.emit({ code: MOV_IMM, dst: 4, imm: 0 });
        out.emit({ code: CALL, imm: 181 });
        this.#afterCall();
        return;
      }
      case "lookup": {
        const missing = out.label();
        this.#keyAndMap(statement.keyFrom);
        out.emit({ code: CALL, imm: 1 });
        out.emit({ code: JEQ_IMM, dst: 0 }, missing);
        // The value is changed through its pointer, and r0 becomes a number again.
        out.emit({ code: LOAD64, dst: 1, src: 0 });
        out.emit({ code: ADD_IMM, dst: 1, imm: 0x01000001 });
        out.emit({ code: STORE64, dst: 0, src: 1 });
        out.emit({ code: MOV_IMM, dst: 0, imm: 1 });
        this.#afterCall();
        this.#statements(statement.body, depth);
        out.place(missing);
        out.emit({ code: MOV_IMM, dst: 0, imm: 2 });
        this.#afterCall();
        return;
      }
      case "update":
        out.emit({ code: STORE64, dst: 10, src: statement.valueFrom, offset: -VALUE });
        this.#keyAndMap(statement.keyFrom);
        out.emit({ code: MOV, dst: 3, src: 10 });
        out.emit({ code: ADD_IMM, dst: 3, imm: -VALUE });
        out.emit({ code: MOV_IMM, dst: 4, imm: statement.flags });
        out.emit({ code: CALL, imm: 2 });
        this.#afterCall();
        return;
      case "delete":
        this.#keyAndMap(statement.keyFrom);
        out.emit({ code: CALL, imm: 3 });
        this.#afterCall();
        return;
      case "checksum":
        out.emit({ code: MOV, dst: 1, src: 10 });
        out.emit({ code: ADD_IMM, dst: 1, imm: -STACK_SIZE });
        out.emit({ code: MOV_IMM, dst: 2, imm: statement.from });
        out.emit({ code: MOV, dst: 3, src: 10 });
        out.emit({ code: ADD_IMM, dst: 3, imm: -32 });
        out.emit({ code: MOV_IMM, dst: 4, imm: statement.to });
        out.emit({ code: MOV_IMM, dst: 5, imm: statement.seed });
        out.emit({ code: CALL, imm: 28 });
        this.#afterCall();
        return;
    }
  }

  #loop(times: number, guarded: boolean, body: readonly Statement[], depth: number): void {
    const out = this.#out;
    const again = out.label();
    const end = out.label();
    const counter = -(COUNTERS + 8 * (depth + 1));
    out.emit({ code: STORE64_IMM, dst: 10, offset: counter, imm: times });
    out.place(again);
    if (guarded) out.emit({ code: MAY_GOTO }, end);
    this.#statements(body, depth + 1);
    out.emit({ code: LOAD64, dst: 0, src: 10, offset: counter });
    out.emit({ code: ADD_IMM, dst: 0, imm: -1 });
    out.emit({ code: STORE64, dst: 10, src: 0, offset: counter });
    out.emit({ code: JNE_IMM, dst: 0 }, again);
    out.place(end);
  }

  /** Two bits of a register are the key, so that programs meet their own entries. */
  #keyAndMap(keyFrom: number): void {
    const out = this.#out;
    out.emit({ code: MOV, dst: 2, src: keyFrom });
    out.emit({ code: 0x57, dst: 2, imm: 3 });
    out.emit({ code: STORE32, dst: 10, src: 2, offset: -KEY });
    out.emit({ code: WIDE, dst: 1, src: 1, imm: TABLE });
    out.emit({ code: MOV, dst: 2, src: 10 });
    out.emit({ code: ADD_IMM, dst: 2, imm: -KEY });
  }

  /** A call leaves r1 to r5 undefined. */
  #afterCall(): void {
    const out = this.#out;
    out.emit({ code: MOV, dst: 1, src: 0 });
    out.emit({ code: MOV, dst: 2, src: 6 });
    out.emit({ code: MOV, dst: 3, src: 7 });
    out.emit({ code: MOV_IMM, dst: 4, imm: 1 });
    out.emit({ code: MOV_IMM, dst: 5, imm: -1 });
  }
}

/** The program's bytes. Functions that nothing calls are left out, since the kernel refuses unreachable code. */
export function assembleGenerated(program: GeneratedProgram): Uint8Array {
  const functions = reachable(program);
  const main = renumber(program.main, functions);
  return new ProgramWriter({ ...program, main, functions: functions.map((old) => renumber(program.functions[old]!, functions)) }).write();
}

function* statementsIn(statements: readonly Statement[]): Generator<Statement> {
  for (const statement of statements) {
    yield statement;
    if (statement.kind === "branch") {
      yield* statementsIn(statement.straight);
      yield* statementsIn(statement.taken);
    } else if (statement.kind === "loop" || statement.kind === "lookup") yield* statementsIn(statement.body);
  }
}

/** The statements of a program, its functions' too. */
export function* allStatements({ main, functions }: GeneratedProgram): Generator<Statement> {
  yield* statementsIn(main);
  for (const body of functions) yield* statementsIn(body);
}

function reachable({ main, functions }: GeneratedProgram): number[] {
  const found = new Set<number>();
  const visit = (statements: readonly Statement[]): void => {
    for (const statement of statementsIn(statements)) {
      if (statement.kind !== "call" || found.has(statement.callee)) continue;
      found.add(statement.callee);
      visit(functions[statement.callee]!);
    }
  };
  visit(main);
  return [...found].sort((a, b) => a - b);
}

function renumber(statements: readonly Statement[], functions: readonly number[]): Statement[] {
  return statements.map((statement) => {
    if (statement.kind === "call") return { ...statement, callee: functions.indexOf(statement.callee) };
    if (statement.kind === "branch") {
      return { ...statement, straight: renumber(statement.straight, functions), taken: renumber(statement.taken, functions) };
    }
    if (statement.kind === "loop" || statement.kind === "lookup") return { ...statement, body: renumber(statement.body, functions) };
    return statement;
  });
}
