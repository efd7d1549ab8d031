import { describe, expect, test } from "vitest";
import { agreedResults, inEveryEngine, keep, withKernel } from "../kernel/everyEngine.ts";

const dynptr = "r1 = r10\nr1 += -16";
const overFrame = `r1 = r7\nr2 = 0\nr3 = r10\nr3 += -16\ncall kfunc bpf_dynptr_from_xdp`;
/** Reads a word through the slice in r0; 0xdead where there is none. */
const wordOf = "if r0 != 0 goto +2\nr0 = 0xdead\ngoto +1\nr0 = *(u32 *)(r0 +0)";
const slice = (offset: number, size: number, name = "bpf_dynptr_slice") =>
  `${dynptr}\nr2 = ${offset}\nr3 = r10\nr3 += -64\nr4 = ${size}\ncall kfunc ${name}\n${wordOf}`;

/** 300 bytes that tell their place, of which 100 are not in fragments. */
const packet = Uint8Array.from({ length: 300 }, (_, index) => index & 0xff);
const zeros = Array.from({ length: 4 }, (_, index) => `*(u64 *)(r10 ${-64 + 8 * index}) = 0`).join("\n");

describe.each([
  ["one buffer", undefined],
  ["a linear part of 100 bytes and a fragment", 100],
])("a frame in %s", (_, linear) => {
  const layout = linear === undefined ? { packet } : { packet, linear };

  test(`is read, written and sliced through a dynptr${withKernel}`, () => {
    const results = agreedResults({
      ...layout,
      results: 14,
      text: `${zeros}\n${overFrame}\n${keep(0)}
        ${dynptr}\ncall kfunc bpf_dynptr_size\n${keep(1)}
        ${slice(8, 4)}\n${keep(2)}
        ${slice(98, 8)}\n${keep(3)}
        ${slice(150, 8)}\n${keep(4)}
        ${slice(296, 8)}\n${keep(5)}
        ${dynptr}\nr2 = 40\nr3 = 4\ncall bpf_dynptr_data\n${keep(6)}
        r1 = r10\nr1 += -24\nr2 = 8\nr3 = r10\nr3 += -16\nr4 = 96\nr5 = 0\ncall bpf_dynptr_read\n${keep(7)}
        r0 = *(u64 *)(r10 -24)\n${keep(8)}
        ${dynptr}\nr2 = 97\nr3 = r10\nr3 += -24\nr4 = 8\nr5 = 0\ncall bpf_dynptr_write\n${keep(9)}
        ${dynptr}\nr2 = 97\nr3 = r10\nr3 += -24\nr4 = 8\nr5 = 1\ncall bpf_dynptr_write\n${keep(10)}
        ${dynptr}\nr2 = 295\nr3 = r10\nr3 += -24\nr4 = 8\nr5 = 0\ncall bpf_dynptr_write\n${keep(11)}
        r1 = r7\nr2 = 1\nr3 = r10\nr3 += -48\ncall kfunc bpf_dynptr_from_xdp\n${keep(12)}
        ${dynptr}\ncall kfunc bpf_dynptr_is_rdonly\nr0 &= 255\n${keep(13)}
        r0 = 2\nexit`.replaceAll("*(u64 *)(r10 -24)", "*(u64 *)(r10 -24)"),
    });
    const place = (at: number) =>
      BigInt(packet[at]! | (packet[at + 1]! << 8) | (packet[at + 2]! << 16)) + BigInt(packet[at + 3]!) * 0x1000000n;
    expect(results.slice(0, 8)).toEqual([0n, 300n, place(8), place(98), place(150), 0xdeadn, 0n, 0n]);
    expect(results.slice(9)).toEqual([0n, -22n, -7n, 0xffffffean, 0n]);
  });

  test(`is filled and copied within, over its pieces${withKernel}`, () => {
    const program = {
      ...layout,
      results: 8,
      text: `${zeros}\n${overFrame}
        ${dynptr}\nr2 = r10\nr2 += -32\ncall kfunc bpf_dynptr_clone
        ${dynptr}\nr2 = 90\nr3 = 20\nr4 = 0xee\ncall kfunc bpf_dynptr_memset\n${keep(0)}
        ${dynptr}\nr2 = 20\nr3 = 5\nr4 = 0xcc\ncall kfunc bpf_dynptr_memset\n${keep(1)}
        ${dynptr}\nr2 = 290\nr3 = 11\nr4 = 0xcc\ncall kfunc bpf_dynptr_memset\n${keep(2)}
        r1 = r10\nr1 += -32\nr2 = 0\nr3 = r10\nr3 += -16\nr4 = 95\nr5 = 40\ncall kfunc bpf_dynptr_copy\n${keep(3)}
        r1 = r10\nr1 += -32\nr2 = 80\nr3 = r10\nr3 += -16\nr4 = 4\nr5 = 60\ncall kfunc bpf_dynptr_copy\n${keep(4)}
        r1 = r10\nr1 += -32\nr2 = 10\nr3 = r10\nr3 += -16\nr4 = 20\nr5 = 270\ncall kfunc bpf_dynptr_copy\n${keep(5)}
        r1 = r10\nr1 += -32\nr2 = 30\nr3 = r10\nr3 += -16\nr4 = 20\nr5 = 271\ncall kfunc bpf_dynptr_copy\n${keep(6)}
        r0 = 2\nexit`,
    };
    expect(agreedResults(program)).toEqual([0n, 0n, 0xfffffff9n, 0n, 0n, 0n, 0xfffffff9n, 0n]);
    expect(inEveryEngine(program).jit.packet).not.toBe(Buffer.from(packet).toString("hex"));
  });

  test.each([
    [100, 90, 60],
    [104, 60, 190],
    [101, 99, 150],
    [98, 105, 100],
  ])(`is copied to byte %i from byte %i on, %i bytes that overlap across its pieces${withKernel}`, (to, from, length) => {
    const program = {
      ...layout,
      results: 1,
      text: `${zeros}\n${overFrame}
        ${dynptr}\nr2 = r10\nr2 += -32\ncall kfunc bpf_dynptr_clone
        r1 = r10\nr1 += -32\nr2 = ${to}\nr3 = r10\nr3 += -16\nr4 = ${from}\nr5 = ${length}\ncall kfunc bpf_dynptr_copy\n${keep(0)}
        r0 = 2\nexit`,
    };
    expect(agreedResults(program)).toEqual([0n]);
  });
});

test(`bpf_xdp_pull_data brings bytes from fragments into one piece, through tailroom and headroom${withKernel}`, () => {
  const long = Uint8Array.from({ length: 9000 }, (_, index) => (index * 7) & 0xff);
  for (const linear of [64, 3400, 3520]) {
    for (const metadata of [0, 8]) {
      const results = agreedResults({
        packet: long,
        linear,
        metadata,
        results: 10,
        text: [20, linear + 40, 3520, 3521, 3700, 3728, 3729, 3736, 3737, 9001]
          .map((length, index) => `r1 = r7\nr2 = ${length}\ncall kfunc bpf_xdp_pull_data\n${keep(index)}`)
          .concat("r2 = *(u32 *)(r7 +0)\nr0 = *(u32 *)(r7 +4)\nr0 -= r2\nexit")
          .join("\n"),
      });
      expect(results[0]).toBe(0n);
      expect(results[9]).toBe(0xffffffean);
    }
  }
});
