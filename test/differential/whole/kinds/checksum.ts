import fc from "fast-check";
import { type AnyKind, anyOperand, defineKind } from "../statement.ts";

/** Multiples of 4; others are refused. */
const length = fc.constantFrom(0, 4, 8, 16, 20, 32, 6);

export const checksumKinds: readonly AnyKind[] = [
  defineKind({
    name: "bpf_csum_diff",
    subject: "packet",
    params: fc.record({ from: length, to: length, seed: anyOperand, bytes: fc.nat({ max: 0xffff }), nulls: fc.boolean() }),
    covers: () => ["bpf_csum_diff"],
    stack: 64,
    write(out, { from, to, seed, bytes, nulls }) {
      const { code } = out;
      const at = out.buffer(64, bytes);
      if (nulls && from === 0) code.set(1, 0);
      else code.frame(1, at);
      code.set(2, from);
      if (nulls && to === 0) code.set(3, 0);
      else code.frame(3, at + 32);
      code.set(4, to);
      out.operand(5, seed);
      out.call("bpf_csum_diff");
      out.keep(0);
      out.fold();
    },
  }),
  defineKind({
    name: "bpf_csum_diff over the packet",
    subject: "packet",
    params: fc.record({ offset: fc.nat({ max: 40 }), words: fc.integer({ min: 1, max: 8 }), seed: anyOperand }),
    covers: () => ["bpf_csum_diff"],
    write(out, { offset, words, seed }) {
      const { code } = out;
      const end = code.label();
      out.packet(offset, words * 4, end);
      code.set(1, 0);
      code.set(2, 0);
      code.copy(3, 8);
      code.set(4, words * 4);
      out.operand(5, seed);
      out.call("bpf_csum_diff");
      out.keep(0);
      out.fold();
      code.place(end);
    },
  }),
  ...(["xdp", "sched_cls"] as const).map((type) =>
    defineKind({
      name: `bpf_check_mtu of ${type}`,
      subject: "packet",
      type,
      params: fc.record({
        ifindex: fc.constantFrom(0, 1, 1, 999),
        length: fc.constantFrom(0, 0, 1, 100, 1500, 65536, 70000),
        difference: fc.oneof(fc.integer({ min: -100, max: 100 }), fc.constantFrom(65536, -2000, 65000)),
        flags: fc.constantFrom(0, 0, 0, 1, 2),
      }),
      covers: () => [`bpf_check_mtu (${type})`],
      stack: 8,
      write(out, { ifindex, length: given, difference, flags }) {
        const { code } = out;
        const at = out.stack(8);
        code.put(8, 10, at, given);
        code.copy(1, 6);
        code.set(2, ifindex);
        code.frame(3, at);
        code.set(4, difference);
        code.set(5, flags);
        out.call("bpf_check_mtu");
        out.keep(0);
        out.keepStack(at, 8);
      },
    }),
  ),
];
