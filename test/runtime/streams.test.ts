import { expect, test } from "vitest";
import type { MapSpec } from "../../src/bpf/spec.ts";
import { BPF_F_RDONLY_PROG, BPF_MAP_TYPE_ARRAY } from "../../src/layout/index.ts";
import { TestMachine, withKfuncs } from "../dataplane/machine.ts";
import { agreedResults, keep, withKernel } from "../kernel/everyEngine.ts";

/** Formats as an object keeps them: in a map that neither programs nor user space change. */
const FORMATS = ["n=%d\n", "plain", "%d %llx %s", "%q", "100%", ""];
const SLOT = 16;
const contents = Uint8Array.from(FORMATS.flatMap((format) => [...Buffer.from(format.padEnd(SLOT, "\0"), "latin1")]));
const formats: MapSpec = {
  ...{ name: "formats", type: BPF_MAP_TYPE_ARRAY, keySize: 4, valueSize: contents.length, maxEntries: 1, flags: BPF_F_RDONLY_PROG },
  ...{ contents, frozen: true },
};

const print = (stream: number, format: number, size: number, data = "r10\nr3 += -24"): string =>
  `r1 = ${stream}\nr2 = map[formats][0]\nr2 += ${format * SLOT}\nr3 = ${data}\nr4 = ${size}\nr5 = 0\ncall kfunc bpf_stream_vprintk_impl`;
const values = "*(u64 *)(r10 -24) = 7\n*(u64 *)(r10 -16) = 8\n*(u64 *)(r10 -8) = 9";

const answers = (calls: readonly string[], kernel: boolean): readonly bigint[] =>
  agreedResults({
    ...{ results: calls.length, maps: [formats], kernel },
    text: `${values}\n${calls.map((call, index) => `${call}\n${keep(index)}`).join("\n")}\nr0 = 0\nexit`,
  });

test(`what bpf_stream_vprintk refuses${withKernel}`, () => {
  const calls = [print(0, 0, 8), print(3, 0, 8), print(3, 3, 7), print(1, 0, 0), print(1, 0, 7), print(1, 3, 8), print(1, 4, 0)];
  const [enoent, einval] = [0xfffffffen, 0xffffffean];
  expect(answers(calls, true)).toEqual([enoent, enoent, enoent, einval, einval, einval, einval]);
});

test("what bpf_stream_vprintk prints", () => {
  // A live kernel that cannot allocate without locks (kmalloc_nolock) has -ENOMEM here.
  expect(answers([print(1, 0, 8), print(2, 0, 8), print(1, 1, 0), print(1, 0, 24), print(1, 5, 0)], false)).toEqual([0n, 0n, 0n, 0n, 0n]);
});

test.each(["jit", "interp"] as const)("what a program prints to its streams stands among the trace lines, %s", async (engine) => {
  const machine = new TestMachine({ engine });
  const map = machine.dataplane.createMap(formats);
  const text = `${values}\n${print(1, 0, 8)}\n${print(2, 1, 0)}\n${print(5, 1, 0)}\nr0 = 2\nexit`.replaceAll("map[formats]", "map[0]");
  const program = withKfuncs("prints", text);
  machine.attach("xdp", machine.load({ ...program, maps: [formats] }, [map]));
  const { result } = await machine.replay([new Uint8Array(64)]);
  expect(result.trace.lines.map((line) => line.text)).toEqual(["n=7\n", "plain"]);
});
