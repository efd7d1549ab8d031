import fc from "fast-check";
import { type InstructionRow, instructionRows } from "../../src/bpf/isa/index.ts";
import { idiom, offsetIn, type Region } from "./idioms.ts";
import { type GeneratedProgram, type Instruction, PACKET_SIZE, STACK_SIZE, STATE_SIZE, type Statement } from "./program.ts";

/** What the programs may hold beside what every kernel takes. */
export interface Flavour {
  /** bpf_loop: the kernel wants BTF for callbacks. */
  readonly callbacks: boolean;
  /** Atomics at any address: the kernel refuses them, the engines do them in two steps. */
  readonly unalignedAtomics: boolean;
}

type Kind<Name extends InstructionRow["kind"]> = Extract<InstructionRow, { kind: Name }>;
const rowsOf = <Name extends InstructionRow["kind"]>(...kinds: readonly Name[]) =>
  instructionRows.filter((row): row is Kind<Name> => (kinds as readonly string[]).includes(row.kind));

const aluRows = rowsOf("alu64", "alu32");
const branchRows = rowsOf("branch64", "branch32");
const loadRows = rowsOf("load");
const storeRows = rowsOf("store");
const atomicRows = rowsOf("atomic");
const orderedRows = rowsOf("load_acquire", "store_release");

/** r0 to r7 hold numbers. */
const register = fc.integer({ min: 0, max: 7 });

const edges32 = [
  0, 1, -1, 2, -2, 7, 8, 15, 16, 31, 32, 33, 63, 64, 127, 128, -128, 255, 256, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, -0x80000000,
];
const immediate = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...edges32) }, fc.integer());

const edges64 = [
  0x7fffffffffffffffn,
  0x8000000000000000n,
  0xffffffffffffffffn,
  0x80000000n,
  0xffffffffn,
  0x100000000n,
  0xffffffff80000000n,
];
const word = fc.oneof(
  fc.constantFrom(...edges32.map((value) => BigInt.asUintN(64, BigInt(value))), ...edges64),
  fc.bigInt({ min: 0n, max: 0xffffffffffffffffn }),
);

const isDivision = (operation: string): boolean => /^s?(div|mod)$/.test(operation);
const isShift = (operation: string): boolean => /^(lsh|rsh|arsh)$/.test(operation);

const arithmetic: fc.Arbitrary<Instruction> = fc
  .record({ row: fc.constantFrom(...aluRows), dst: register, src: register, imm: immediate })
  .map(({ row, dst, src, imm }) => {
    const width = row.kind === "alu64" ? 64 : 32;
    const constant = isShift(row.operation) ? imm & (width - 1) : isDivision(row.operation) && imm === 0 ? 3 : imm;
    return {
      code: row.code,
      dst,
      src: row.operand === "src" ? src : 0,
      offset: row.offset ?? 0,
      imm: row.imm ?? (row.operand === "imm" ? constant : 0),
    };
  });

const wideLoad: fc.Arbitrary<Instruction> = fc.record({ dst: register, value: word }).map(({ dst, value }) => ({
  code: 0x18,
  dst,
  imm: Number(BigInt.asIntN(32, value)),
  high: Number(BigInt.asIntN(32, value >> 32n)),
}));

const stack: Region = { base: 10, from: -STACK_SIZE, size: STACK_SIZE, aligned: true };
const state: Region = { base: 8, from: 0, size: STATE_SIZE, aligned: false };
const packet: Region = { base: 9, from: 0, size: PACKET_SIZE, aligned: false };

const place = fc.nat({ max: 63 });

const memoryAccess = (regions: readonly Region[]): fc.Arbitrary<Instruction> =>
  fc
    .record({ row: fc.constantFrom(...loadRows, ...storeRows), region: fc.constantFrom(...regions), place, register, imm: immediate })
    .map(({ row, region, place: at, register: value, imm }) => {
      const offset = offsetIn(region, row.size, at);
      if (row.kind === "load") return { code: row.code, dst: value, src: region.base, offset };
      return row.operand === "src"
        ? { code: row.code, dst: region.base, src: value, offset }
        : { code: row.code, dst: region.base, offset, imm };
    });

const orderedAccess = (unaligned: boolean): fc.Arbitrary<Instruction> =>
  fc
    .record({
      row: fc.constantFrom(...atomicRows, ...atomicRows, ...orderedRows),
      region: fc.constantFrom(stack, state),
      place,
      register,
      aligned: unaligned ? fc.boolean() : fc.constant(true),
    })
    .map(({ row, region, place: at, register: value, aligned }) => {
      const offset = offsetIn({ ...region, aligned }, row.size, at);
      const common = { code: row.code, offset, imm: row.imm ?? 0 };
      return row.kind === "load_acquire" ? { ...common, dst: value, src: region.base } : { ...common, dst: region.base, src: value };
    });

const condition: fc.Arbitrary<Instruction> = fc
  .record({ row: fc.constantFrom(...branchRows), dst: register, src: register, imm: immediate })
  .map(({ row, dst, src, imm }) => ({ code: row.code, dst, src: row.operand === "src" ? src : 0, imm: row.operand === "imm" ? imm : 0 }));

/** Statements of a function that may call `callees`; only the main program has a packet. */
function statements(flavour: Flavour, callees: readonly number[], hasPacket: boolean): fc.Arbitrary<Statement[]> {
  const instruction = fc
    .oneof(
      { weight: 8, arbitrary: arithmetic },
      { weight: 1, arbitrary: wideLoad },
      { weight: 4, arbitrary: memoryAccess(hasPacket ? [stack, state, packet] : [stack, state]) },
      { weight: 2, arbitrary: orderedAccess(flavour.unalignedAtomics) },
    )
    .map((fields): Statement => ({ kind: "instruction", fields }));
  const sequence = idiom(hasPacket ? [stack, state, packet] : [stack, state]).map((fields): Statement => ({ kind: "sequence", fields }));
  const helper: fc.Arbitrary<Statement> = fc.oneof(
    fc.record({ kind: fc.constant("update" as const), keyFrom: register, valueFrom: register, flags: fc.nat({ max: 2 }) }),
    fc.record({ kind: fc.constant("delete" as const), keyFrom: register }),
    fc.record({
      kind: fc.constant("checksum" as const),
      from: fc.constantFrom(4, 8, 16, 32),
      to: fc.constantFrom(4, 8, 16, 32),
      seed: immediate,
    }),
  );
  const calls = [
    ...callees.map((callee) => fc.constant<Statement>({ kind: "call", callee })),
    ...(flavour.callbacks
      ? [fc.record({ kind: fc.constant("bpf_loop" as const), times: fc.nat({ max: 5 }), stopAt: fc.nat({ max: 5 }) })]
      : []),
  ];
  const block = (depth: number): fc.Arbitrary<Statement[]> => {
    const simple = [
      { weight: 14, arbitrary: instruction },
      { weight: 2, arbitrary: sequence },
      { weight: 1, arbitrary: helper },
      ...calls.map((arbitrary) => ({ weight: 1, arbitrary })),
    ];
    if (depth === 3) return fc.array(fc.oneof(...simple), { maxLength: 4 });
    const inner = block(depth + 1);
    return fc.array(
      fc.oneof(
        ...simple,
        {
          weight: 2,
          arbitrary: fc.record({
            kind: fc.constant("branch" as const),
            fields: condition,
            straight: inner,
            taken: inner,
            long: fc.boolean(),
          }),
        },
        {
          weight: 1,
          arbitrary: fc.record({
            kind: fc.constant("loop" as const),
            times: fc.integer({ min: 1, max: 3 }),
            guarded: fc.boolean(),
            body: inner,
          }),
        },
        { weight: 1, arbitrary: fc.record({ kind: fc.constant("lookup" as const), keyFrom: register, body: inner }) },
      ),
      { maxLength: depth === 0 ? 12 : 5 },
    );
  };
  return block(0);
}

/** Random programs that are well formed, touch only memory of their own, and end; they shrink to small ones. */
export const generatedProgram = (flavour: Flavour): fc.Arbitrary<GeneratedProgram> =>
  fc.record({
    registers: fc.array(word, { minLength: 8, maxLength: 8 }),
    main: statements(flavour, [0, 1], true),
    functions: fc.tuple(statements(flavour, [1], false), statements(flavour, [], false)),
    state: fc.uint8Array({ minLength: STATE_SIZE, maxLength: STATE_SIZE }),
    packet: fc.uint8Array({ minLength: PACKET_SIZE, maxLength: PACKET_SIZE }),
  });
