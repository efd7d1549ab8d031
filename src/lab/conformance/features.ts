import { helperNames } from "../../layout/index.ts";
import { fromHex, type Row, type RowMap } from "./row.ts";

/** Instruction fields that say what a program uses. RFC 9669; opcodes are matched by class and mode only. */
const CLASS_MASK = 0x07;
const LD = 0x00;
const LDX = 0x01;
const STX = 0x03;
const JMP = 0x05;
const MODE_MASK = 0xe0;
const MODE_ABS = 0x20;
const MODE_IND = 0x40;
const MODE_MEMSX = 0x80;
const MODE_ATOMIC = 0xc0;
const OP_MASK = 0xf0;
const CALL = 0x80;
const JCOND = 0xe0;
const LD_IMM64 = 0x18;

const MAP_FLAGS_RDONLY_PROG = 0x80;

function* instructionFeatures(bytes: Uint8Array): Generator<string> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 0; at + 8 <= bytes.length; at += 8) {
    const opcode = bytes[at]!;
    const source = bytes[at + 1]! >> 4;
    const kind = opcode & CLASS_MASK;
    const mode = opcode & MODE_MASK;
    if (opcode === LD_IMM64) {
      if (source === 4) yield "callback";
      at += 8;
    } else if (kind === LD && mode === MODE_ABS) yield "ld_abs";
    else if (kind === LD && mode === MODE_IND) yield "ld_ind";
    else if (kind === LDX && mode === MODE_MEMSX) yield "ldxsx";
    else if (kind === STX && mode === MODE_ATOMIC) yield "atomic";
    else if (kind === JMP && (opcode & OP_MASK) === JCOND) yield "may_goto";
    else if (kind === JMP && (opcode & OP_MASK) === CALL) {
      const number = view.getInt32(at + 4, true);
      if (source === 0) yield helperNames.get(number) ?? `helper ${number}`;
      else yield source === 1 ? "bpf-to-bpf call" : "kfunc";
    }
  }
}

function* mapFeatures(map: RowMap): Generator<string> {
  yield map.type;
  if ((map.flags & MAP_FLAGS_RDONLY_PROG) !== 0) yield "read-only map";
}

function* runFeatures(row: Row): Generator<string> {
  for (const run of row.runs ?? []) {
    if (run.errno !== undefined) yield "test run refused";
    if (row.prog_type !== "xdp" || !run.ctx_in) continue;
    if (Number(run.ctx_in.data ?? 0) > 0) yield "metadata";
    if (Number(run.ctx_in.data_end ?? 0) < run.in.length / 2) yield "fragments";
  }
}

/** Names of what a case uses: helpers by kernel name, map types, kinds of instruction, kinds of run, and its program type. */
export function featuresOf(row: Row): ReadonlySet<string> {
  const features = new Set<string>([row.prog_type]);
  for (const program of [row, ...(row.progs ?? [])]) {
    for (const feature of instructionFeatures(fromHex(program.insns))) features.add(feature);
  }
  for (const map of row.maps) for (const feature of mapFeatures(map)) features.add(feature);
  for (const feature of runFeatures(row)) features.add(feature);
  return features;
}
