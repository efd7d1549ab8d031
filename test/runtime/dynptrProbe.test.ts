import { expect, test } from "vitest";
import { agreedResults, inEveryEngine, keep, withKernel } from "../kernel/everyEngine.ts";

const overMemory = "r1 = r6\nr1 += 512\nr2 = 64\nr3 = 0\nr4 = r10\nr4 += -16\ncall bpf_dynptr_from_mem";
const overFrame = "r1 = r7\nr2 = 0\nr3 = r10\nr3 += -16\ncall kfunc bpf_dynptr_from_xdp";
const overPacket = "r1 = r7\nr2 = 0\nr3 = r10\nr3 += -16\ncall kfunc bpf_dynptr_from_skb";
/** "abcdefg" with its NUL, at r10 - 24. */
const text = "r1 = 0x0067666564636261 ll\n*(u64 *)(r10 -24) = r1";
const stack = "r10\nr4 += -24";

/** A probe of `from` into the dynptr at r10 - 16. */
const probe = (name: string, offset: number, size: number, from: string): string =>
  `r1 = r10\nr1 += -16\nr2 = ${offset}\nr3 = ${size}\nr4 = ${from}\ncall kfunc bpf_probe_read_${name}_dynptr`;

/** Only the last leaves the upper half of r0 empty. */
const [efault, erange, e2big] = [-14n, -34n, 0xfffffff9n];

test(`memory is read into what a dynptr over a map value spans${withKernel}`, () => {
  const calls = [
    // Where it reads and fails Linux may leave a byte of anything.
    probe("kernel", 3, 8, "0xffff800000000000 ll"),
    probe("kernel", 3, 8, stack),
    probe("kernel", 60, 8, stack),
    probe("kernel", 16, 0, "0"),
    probe("kernel", 16, 8, "0"),
    probe("kernel_str", 20, 16, stack),
    probe("kernel_str", 40, 4, stack),
    probe("kernel_str", 48, 0, stack),
    probe("kernel_str", 48, 8, "64"),
    probe("kernel_str", 48, 17, stack),
    probe("user", 48, 8, "64"),
    probe("user_str", 48, 8, "64"),
  ];
  const results = agreedResults({
    results: 80,
    text: `${text}\n${overMemory}\n${calls.map((call, index) => `${call}\n${keep(index)}`).join("\n")}\nr0 = 0\nexit`,
  });
  expect(results.slice(0, 12)).toEqual([efault, 0n, e2big, erange, erange, 8n, 4n, 0n, erange, e2big, efault, efault]);
  // The first byte at 515, the text again at 532, its first three letters at 552.
  expect(results.slice(64, 70).map((word) => BigInt.asUintN(64, word).toString(16))).toEqual([
    ...["6564636261000000", "6766", "6463626100000000", "676665", "0", "636261"],
  ]);
});

test(`a dynptr that is null or read-only takes nothing${withKernel}`, () => {
  const calls = [probe("kernel", 0, 0, stack), probe("kernel", 0, 4, stack), probe("kernel_str", 0, 0, stack), probe("user", 0, 0, "64")];
  const broken = overMemory.replace("r3 = 0", "r3 = 1");
  const results = agreedResults({
    results: 4,
    text: `${text}\n${broken}\n${calls.map((call, index) => `${call}\n${keep(index)}`).join("\n")}\nr0 = 0\nexit`,
  });
  expect(results).toEqual([0n, e2big, 0n, 0n]);
});

const packet = Uint8Array.from({ length: 900 }, (_, index) => (index * 7) & 0xff);
/** 600 letters and a NUL in the results' value, from its byte 256 on. */
const letters = Array.from({ length: 75 }, (_, index) => {
  const word = Array.from({ length: 8 }, (__, byte) => (97 + ((index * 8 + byte) % 25)).toString(16)).reverse();
  return `r1 = 0x${word.join("")} ll\n*(u64 *)(r6 +${256 + index * 8}) = r1`;
}).join("\n");

test.each([
  ["in one buffer", undefined],
  ["whose fragment begins at byte 100", 100],
  ["whose fragment begins at byte 500", 500],
])(`memory is read into an XDP frame %s${withKernel}`, (_, linear) => {
  const source = "r6\nr4 += 256";
  const calls = [
    probe("kernel", 90, 40, source),
    probe("kernel", 300, 600, source),
    probe("kernel", 300, 601, source),
    probe("kernel_str", 80, 700, source),
    probe("kernel_str", 80, 40, source),
    probe("kernel_str", 99, 1, source),
    probe("kernel_str", 200, 513, source),
    probe("kernel", 90, 40, "0"),
    probe("user", 90, 40, "64"),
    probe("user_str", 90, 0, "64"),
  ];
  for (const call of calls) {
    const program = {
      packet,
      ...(linear === undefined ? {} : { linear }),
      results: 1,
      text: `${letters}\n*(u8 *)(r6 +856) = 0\n${overFrame}\n${call}\n${keep(0)}\nr0 = 2\nexit`,
    };
    agreedResults(program);
  }
  const { jit } = inEveryEngine({
    packet,
    ...(linear === undefined ? {} : { linear }),
    results: 1,
    text: `${letters}\n*(u8 *)(r6 +856) = 0\n${overFrame}\n${calls[3]}\n${keep(0)}\nr0 = 2\nexit`,
  });
  expect(jit.results).toEqual([601n]);
  expect(Buffer.from(jit.packet, "hex").subarray(78, 684).toString("latin1")).toMatch(/^..abcd[a-y]{594}xy\0../s);
});

test(`memory is read into the packet of an skb${withKernel}`, () => {
  const calls = [
    probe("kernel", 20, 8, stack),
    probe("kernel_str", 40, 20, stack),
    probe("kernel", 60, 8, stack),
    probe("user", 20, 8, "64"),
  ];
  const results = agreedResults({
    type: "sched_cls",
    results: 4,
    text: `${text}\n${overPacket}\n${calls.map((call, index) => `${call}\n${keep(index)}`).join("\n")}\nr0 = 0\nexit`,
  });
  expect(results).toEqual([0n, 8n, e2big, efault]);
});
