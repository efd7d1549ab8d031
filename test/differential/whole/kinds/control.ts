import fc from "fast-check";
import { FUNCTIONS } from "../limits.ts";
import { type AnyKind, anyNumber, anyOperand, defineKind, type Operand, upTo } from "../statement.ts";
import type { Writer } from "../writer.ts";

/** Entries of the PROG_ARRAY that lead to programs, and one that is empty, and one that does not exist. */
const TAIL_INDEX = 4;

/** Bytes of struct bpf_iter_num and bpf_iter_bits. kernel/bpf/bpf_iter.c, kernel/bpf/helpers.c. */
const ITERATOR_SIZES = { num: 8, bits: 16 } as const;

function writeIterator(out: Writer, name: "num" | "bits", begin: (at: number) => void, body: () => void): void {
  const { code } = out;
  const at = out.stack(ITERATOR_SIZES[name]);
  const [again, end] = [code.label(), code.label()];
  begin(at);
  out.keep(0);
  code.place(again);
  code.frame(1, at);
  out.kfunc(`bpf_iter_${name}_next`);
  code.when(0, "==", 0, end);
  code.load(4, 8, 0, 0);
  out.keep(8);
  // Nobody knows the number, so the loop's turns look alike to the verifier.
  out.loadSeed();
  body();
  code.goto(again);
  code.place(end);
  code.frame(1, at);
  out.kfunc(`bpf_iter_${name}_destroy`);
}

export const controlKinds: readonly AnyKind[] = [
  defineKind({
    name: "loop",
    subject: "control",
    weight: 2,
    params: fc.integer({ min: 1, max: 3 }),
    covers: () => ["bounded loop"],
    stack: 8,
    bodies: 1,
    write(out, times, [body]) {
      const { code } = out;
      const at = out.stack(8);
      const again = code.label();
      code.put(8, 10, at, times);
      code.place(again);
      body!();
      code.load(8, 0, 10, at);
      code.change(0, "+=", -1);
      code.store(8, 10, at, 0);
      code.when(0, "!=", 0, again);
    },
  }),
  defineKind({
    name: "may_goto",
    subject: "control",
    weight: 2,
    params: fc.integer({ min: 0, max: 4 }),
    covers: () => ["may_goto"],
    stack: 8,
    bodies: 1,
    write(out, times, [body]) {
      const { code } = out;
      const at = out.stack(8);
      const [again, end] = [code.label(), code.label()];
      // The count comes from a number that the verifier does not know, so that it needs the bound of may_goto.
      out.loadSeed();
      code.change(7, "&=", 3);
      code.change(7, "+=", times);
      code.store(8, 10, at, 7);
      code.place(again);
      code.mayGoto(end);
      out.loadSeed();
      body!();
      code.load(8, 0, 10, at);
      out.keep(0);
      code.load(8, 0, 10, at);
      code.when(0, "==", 0, end);
      code.change(0, "+=", -1);
      code.store(8, 10, at, 0);
      code.goto(again);
      code.place(end);
    },
  }),
  defineKind({
    name: "call",
    subject: "control",
    weight: 2,
    notIn: "functions",
    params: fc.nat({ max: FUNCTIONS - 1 }),
    covers: () => ["call of a function"],
    write(out, index) {
      const { code } = out;
      code.copy(1, 6);
      code.copy(2, 7);
      code.callFunction(out.callee(index));
      out.keep(0);
      out.fold();
    },
  }),
  defineKind({
    name: "bpf_loop",
    subject: "control",
    weight: 2,
    notIn: "callbacks",
    params: fc.record({
      times: fc.oneof(
        { weight: 4, arbitrary: upTo(4) },
        { weight: 1, arbitrary: fc.constantFrom<Operand>({ constant: -1 }, { constant: (1 << 23) + 1 }) },
      ),
      stopAt: fc.nat({ max: 5 }),
      flags: fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.constant(1) }),
    }),
    covers: () => ["bpf_loop"],
    bodies: 1,
    write(out, { times, stopAt, flags }, [body]) {
      const { code } = out;
      const callback = code.label();
      out.callback(callback, () => {
        const on = code.label();
        out.beginCallback(2, 1);
        const index = out.stack(8);
        code.store(8, 10, index, 7);
        out.keep(7);
        out.loadSeed();
        body!();
        code.set(0, 0);
        code.load(8, 1, 10, index);
        code.when(1, "!=", stopAt, on);
        code.set(0, 1);
        code.place(on);
        code.exit();
      });
      // A count that the verifier knows to be 0 would leave the callback unvisited, which it takes for dead code.
      out.unknown(1, times);
      code.functionAddress(2, callback);
      out.contextPointer(3);
      out.unknown(4, { constant: flags });
      out.call("bpf_loop");
      out.keep(0);
      out.fold();
    },
  }),
  defineKind({
    name: "bpf_iter_num",
    subject: "control",
    weight: 2,
    params: fc.record({ start: anyNumber, count: fc.integer({ min: -1, max: 4 }) }),
    covers: () => ["bpf_iter_num_new", "bpf_iter_num_next", "bpf_iter_num_destroy"],
    stack: 8,
    bodies: 1,
    write(out, { start, count }, [body]) {
      const { code } = out;
      writeIterator(
        out,
        "num",
        (at) => {
          code.frame(1, at);
          code.set(2, start);
          code.set(3, (start + count) | 0);
          out.kfunc("bpf_iter_num_new");
        },
        body!,
      );
    },
  }),
  defineKind({
    name: "bpf_iter_bits",
    subject: "control",
    weight: 2,
    params: fc.record({ words: fc.constantFrom(0, 1, 1, 2, 600), bits: fc.array(fc.nat({ max: 127 }), { maxLength: 4 }) }),
    covers: () => ["bpf_iter_bits_new", "bpf_iter_bits_next", "bpf_iter_bits_destroy"],
    stack: 32,
    bodies: 1,
    write(out, { words, bits }, [body]) {
      const { code } = out;
      const at = out.stack(16);
      const mask = new Uint8Array(16);
      for (const bit of bits) mask[bit >> 3]! |= 1 << (bit & 7);
      out.bytes(at, mask);
      writeIterator(
        out,
        "bits",
        (iterator) => {
          code.frame(1, iterator);
          code.frame(2, at);
          code.set(3, words);
          out.kfunc("bpf_iter_bits_new");
        },
        body!,
      );
    },
  }),
  defineKind({
    name: "bpf_tail_call",
    subject: "control",
    notIn: "held",
    weight: 1,
    params: upTo(TAIL_INDEX),
    covers: () => ["bpf_tail_call", "PROG_ARRAY tail call"],
    write(out, index) {
      out.code.copy(1, 6);
      out.map(2, "prog_array");
      out.operand(3, index);
      out.call("bpf_tail_call");
    },
  }),
  defineKind({
    name: "bpf_throw",
    subject: "surroundings",
    weight: 1,
    notIn: "held",
    params: fc.record({ cookie: anyOperand, when: fc.nat({ max: 7 }) }),
    covers: () => ["bpf_throw"],
    write(out, { cookie, when }) {
      const { code } = out;
      const on = code.label();
      code.copy(0, 7);
      code.change(0, "&=", 7);
      code.when(0, "!=", when, on);
      out.operand(1, cookie);
      out.kfunc("bpf_throw");
      code.place(on);
    },
  }),
];
