import type { ProgramSpec } from "../../bpf/spec.ts";
import { verify } from "../../bpf/verifier/index.ts";
import { CpuBlock } from "../../layout/index.ts";
import { failure, type Result, success } from "../../problem/index.ts";
import { coldHelpers, createCpus, instantiateRuntime, SimulatedMemory } from "../../runtime/index.ts";
import { xdpProgramType } from "../../xdp/index.ts";
import { layOutLoopback } from "../testRun/index.ts";
import { type CaseEngine, engines } from "./engine.ts";
import { problems } from "./problems.ts";
import { fromHex, isHex } from "./row.ts";
import { trapReason } from "./trapReason.ts";

/** Bytes of one instruction. */
const SLOT = 8;
const MOV64_IMMEDIATE = 0xb7;

/** What the bpf_conformance suite gives a plugin, both as hex digits in pairs with or without spaces between them. */
export interface PluginInput {
  /** Instructions, little endian. */
  readonly program: string;
  /** What r1 points to and r2 counts; absent where the test has none: both are 0. */
  readonly memory?: string;
  readonly engine: CaseEngine;
}

/**
 * Runs one program as a plugin of the bpf_conformance suite shall: r1 is the address of the memory, r2 its length in bytes. Gives r0, unsigned, 64 bits. Helpers
 * are those of XDP programs. Problems: hex that is none, a program that the verifier rejects, a run that traps.
 */
export function runPlugin({ program, memory: contents = "", engine }: PluginInput): Result<bigint> {
  const code = hexBytes(program);
  if (code === undefined || code.length === 0 || code.length % SLOT !== 0)
    return failure(problems.plugin_program({ bytes: code?.length ?? "no" }));
  const data = hexBytes(contents);
  if (data === undefined) return failure(problems.plugin_memory());
  const verified = verify(specOf(withLength(code, data.length)), xdpProgramType);
  if (!verified.accepted) return failure(verified.problem);

  const memory = new SimulatedMemory();
  const runtime = instantiateRuntime(memory.memory, coldHelpers(memory.memory));
  const cpu = createCpus(memory, { count: 1 }).blocks[0]!;
  CpuBlock.write(memory.view, cpu, "network", layOutLoopback(memory).namespace);
  (runtime.exports.cpu as WebAssembly.Global).value = cpu;
  const address = data.length === 0 ? 0 : memory.allocate("program", data.length, 64, "the test's memory");
  new Uint8Array(memory.memory.buffer).set(data, address);
  const slot = 1;
  engines[engine](verified, slot, { memory, runtime, maps: [] });
  const run = runtime.exports.runProgram as (slot: number, context: number) => bigint;
  try {
    return success(BigInt.asUintN(64, run(slot, address)));
  } catch (error) {
    if (!(error instanceof WebAssembly.RuntimeError)) throw error;
    return failure(problems.plugin_trap({ reason: trapReason(memory, runtime, error).text }));
  }
}

/** Programs take one argument: the second is given by an instruction in front. Jumps and calls are relative, so what follows stays the same. */
function withLength(code: Uint8Array, length: number): Uint8Array {
  const whole = new Uint8Array(SLOT + code.length);
  whole.set([MOV64_IMMEDIATE, 2]);
  new DataView(whole.buffer).setInt32(4, length, true);
  whole.set(code, SLOT);
  return whole;
}

const specOf = (instructions: Uint8Array): ProgramSpec => ({
  name: "plugin",
  section: "xdp",
  type: "xdp",
  expectedAttachType: 0,
  flags: 0,
  license: "GPL",
  instructions,
  maps: [],
  functions: [{ instruction: 0, name: "plugin" }],
  lines: [],
});

/** Undefined where the text holds anything but pairs of hex digits and white space. */
function hexBytes(text: string): Uint8Array | undefined {
  const digits = text.replaceAll(/\s+/g, "");
  return isHex(digits) ? fromHex(digits) : undefined;
}
