import { expect, test } from "vitest";
import { agreedResults, inEveryEngine, keep, withKernel } from "../kernel/everyEngine.ts";

const dynptr = "r1 = r10\nr1 += -16";
const overPacket = `r1 = r7\nr2 = 0\nr3 = r10\nr3 += -16\ncall kfunc bpf_dynptr_from_skb`;
const wordOf = "if r0 != 0 goto +2\nr0 = 0xdead\ngoto +1\nr0 = *(u32 *)(r0 +0)";
const zeros = Array.from({ length: 4 }, (_, index) => `*(u64 *)(r10 ${-64 + 8 * index}) = 0`).join("\n");

test(`a packet is read, written, filled and copied through a dynptr${withKernel}`, () => {
  const program = {
    type: "sched_cls" as const,
    results: 14,
    text: `${zeros}\n${overPacket}\n${keep(0)}
      ${dynptr}\ncall kfunc bpf_dynptr_size\n${keep(1)}
      ${dynptr}\nr2 = 16\nr3 = 0\nr4 = 4\ncall kfunc bpf_dynptr_slice\n${wordOf}\n${keep(2)}
      ${dynptr}\nr2 = 61\nr3 = r10\nr3 += -64\nr4 = 4\ncall kfunc bpf_dynptr_slice_rdwr\n${wordOf}\n${keep(3)}
      ${dynptr}\nr2 = 0\nr3 = 4\ncall bpf_dynptr_data\n${keep(4)}
      r1 = r10\nr1 += -72\nr2 = 8\nr3 = r10\nr3 += -16\nr4 = 20\nr5 = 0\ncall bpf_dynptr_read\n${keep(5)}
      ${dynptr}\nr2 = 30\nr3 = r10\nr3 += -72\nr4 = 8\nr5 = 2\ncall bpf_dynptr_write\n${keep(6)}
      ${dynptr}\nr2 = 30\nr3 = r10\nr3 += -72\nr4 = 8\nr5 = 4\ncall bpf_dynptr_write\n${keep(7)}
      ${dynptr}\nr2 = 40\nr3 = 24\nr4 = 0x5a\ncall kfunc bpf_dynptr_memset\n${keep(8)}
      ${dynptr}\nr2 = 40\nr3 = 25\nr4 = 0x5a\ncall kfunc bpf_dynptr_memset\n${keep(9)}
      ${dynptr}\nr2 = r10\nr2 += -32\ncall kfunc bpf_dynptr_clone
      r1 = r10\nr1 += -32\nr2 = 0\nr3 = r10\nr3 += -16\nr4 = 30\nr5 = 12\ncall kfunc bpf_dynptr_copy\n${keep(10)}
      r1 = r7\nr2 = 40\nr3 = 0\ncall bpf_skb_change_tail\n${keep(11)}
      r1 = r10\nr1 += -72\nr2 = 8\nr3 = r10\nr3 += -16\nr4 = 36\nr5 = 0\ncall bpf_dynptr_read\n${keep(12)}
      ${dynptr}\nr2 = 38\nr3 = r10\nr3 += -64\nr4 = 4\ncall kfunc bpf_dynptr_slice\n${wordOf}\n${keep(13)}
      r0 = 0\nexit`,
  };
  expect(agreedResults(program)).toEqual([0n, 64n, 0x13121110n, 0xdeadn, 0n, 0n, 0n, -22n, 0n, 0xfffffff9n, 0n, 0n, -14n, 0xdeadn]);
  expect(inEveryEngine(program).interp.packet.length).toBe(80);
});

test(`the metadata of a packet without any is empty${withKernel}`, () => {
  const meta = `r1 = r7\nr2 = 0\nr3 = r10\nr3 += -16\ncall kfunc bpf_dynptr_from_skb_meta`;
  const results = agreedResults({
    type: "sched_cls",
    results: 5,
    text: `${zeros}\n${meta}\n${keep(0)}
      ${dynptr}\ncall kfunc bpf_dynptr_size\n${keep(1)}
      r1 = r10\nr1 += -72\nr2 = 1\nr3 = r10\nr3 += -16\nr4 = 0\nr5 = 0\ncall bpf_dynptr_read\n${keep(2)}
      ${dynptr}\nr2 = 0\nr3 = 0\nr4 = 1\ncall kfunc bpf_dynptr_memset\n${keep(3)}
      r1 = r7\nr2 = 9\nr3 = r10\nr3 += -32\ncall kfunc bpf_dynptr_from_skb_meta\n${keep(4)}
      r0 = 0\nexit`,
  });
  expect(results).toEqual([0n, 0n, -7n, 0n, 0xffffffean]);
});
