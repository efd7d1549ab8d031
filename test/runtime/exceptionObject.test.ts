import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { openObject } from "../../src/bpf/elf/index.ts";
import type { ProgramSpec } from "../../src/bpf/spec.ts";
import { verify } from "../../src/bpf/verifier/index.ts";
import { programTypes } from "../../src/dataplane/programTypes.ts";
import { openKernel } from "../../src/kernel/index.ts";
import { layOutLoopback, XdpTestRun } from "../../src/lab/testRun/index.ts";
import { createCpus, type Engine, instantiateRuntime, MapHost, ProgramLoader, runOnce, SimulatedMemory } from "../../src/runtime/index.ts";

const file = new URL("../bpf/elf/objects/exceptions.o", import.meta.url);
const object = openObject(new Uint8Array(readFileSync(file)), { file: "exceptions.o" });
if (!object.ok) throw new Error(object.problem.message);
const programs = new Map(object.value.programs.map((program) => [program.name, program]));

function returned(spec: ProgramSpec, length: number, engine: Engine): number {
  const memory = new SimulatedMemory();
  const cpus = createCpus(memory, { count: 1 });
  const runtime = instantiateRuntime(memory.memory, () => {});
  const host = new MapHost(memory, runtime, cpus);
  const checked = verify(spec, programTypes.xdp);
  if (!checked.accepted) throw new Error(checked.problem.message);
  const loaded = new ProgramLoader(host).load(checked, [], engine);
  const output = new XdpTestRun(memory, layOutLoopback(memory)).run({ data: new Uint8Array(length), dataSizeOut: 65536 }, (context) => {
    const result = runOnce(host, loaded, context);
    if ("trap" in result) throw new Error(result.trap.message);
    return result.returned;
  });
  if ("errno" in output) throw new Error(`errno ${output.errno}`);
  return output.retval;
}

test("the exception callback that a declaration tag names is linked last", () => {
  const withCallback = programs.get("with_callback")!;
  expect(withCallback.functions.map(({ name }) => name)).toEqual(["with_callback", "thrower", "caught"]);
  expect(withCallback.exceptionCallback).toBe(withCallback.functions[2]!.instruction);
  expect(programs.get("without_callback")!.exceptionCallback).toBeUndefined();
});

const kernel = openKernel();

/** What the live kernel returns for the same linked program. */
function inKernel(spec: ProgramSpec, length: number): number | undefined {
  if (!kernel.ok) return undefined;
  const loaded = kernel.value.loadProgram(spec);
  const { returned: value } = loaded.run({ packet: new Uint8Array(length) });
  loaded.close();
  return value;
}

test.each([
  ["with_callback", 64, 1],
  ["with_callback", 99, 2],
  ["with_callback", 120, 220],
  ["without_callback", 64, 1],
  ["without_callback", 120, 120],
])(
  `%s returns for %i bytes what it returns in Linux, %i${kernel.ok ? "" : ` (without the live kernel: ${kernel.problem.message})`}`,
  (name, length, expected) => {
    expect(returned(programs.get(name)!, length, "jit")).toBe(expected);
    expect(returned(programs.get(name)!, length, "interp")).toBe(expected);
    if (kernel.ok) expect(inKernel(programs.get(name)!, length)).toBe(expected);
  },
);
