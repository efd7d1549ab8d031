import fc from "fast-check";
import type { ProgramTypeName } from "../../../../src/bpf/spec.ts";
import { type AnyKind, defineKind, type Operand, upTo } from "../statement.ts";
import type { Writer } from "../writer.ts";

/** What a dynptr is made over. */
type Source = "memory" | "ring" | "packet" | "metadata";
const sourcesOf: Readonly<Record<"xdp" | "sched_cls", readonly Source[]>> = {
  xdp: ["memory", "ring", "packet"],
  sched_cls: ["memory", "ring", "packet", "metadata"],
};

const operations = [
  "read",
  "write",
  "data",
  "slice",
  "slice_rdwr",
  "adjust",
  "clone",
  "size",
  "is_null",
  "is_rdonly",
  "copy",
  "memset",
] as const;
type Operation = (typeof operations)[number];
/** Of these the kernel has helpers; the others are kfuncs. */
const helpers: ReadonlySet<Operation> = new Set(["read", "write", "data"]);

interface Step {
  readonly operation: Operation;
  readonly offset: Operand;
  readonly length: number;
  readonly flags: number;
  readonly buffer: boolean;
  readonly seed: number;
}

const step: fc.Arbitrary<Step> = fc.record({
  operation: fc.constantFrom(...operations),
  offset: fc.oneof(
    { weight: 6, arbitrary: upTo(31) },
    { weight: 1, arbitrary: fc.constantFrom<Operand>({ constant: -1 }, { constant: 2000 }) },
  ),
  length: fc.integer({ min: 1, max: 16 }),
  flags: fc.constantFrom(0, 0, 0, 1, 2),
  buffer: fc.boolean(),
  seed: fc.nat({ max: 0xffff }),
});

/** Helpers and kfuncs that make a dynptr over a source. */
const makers: Readonly<Record<Source, (type: ProgramTypeName) => string>> = {
  memory: () => "bpf_dynptr_from_mem",
  ring: () => "bpf_ringbuf_reserve_dynptr",
  packet: (type) => (type === "xdp" ? "bpf_dynptr_from_xdp" : "bpf_dynptr_from_skb"),
  metadata: () => "bpf_dynptr_from_skb_meta",
};

/** Makes a dynptr at r10 + at. */
function make(out: Writer, source: Source, at: number, size: number, flags: number): void {
  const { code } = out;
  switch (source) {
    case "memory":
      out.workBuffer(1, 0);
      code.set(2, size);
      code.set(3, flags);
      code.frame(4, at);
      out.call("bpf_dynptr_from_mem");
      return;
    case "ring":
      out.map(1, "ringbuf");
      code.set(2, size);
      code.set(3, flags);
      code.frame(4, at);
      out.call("bpf_ringbuf_reserve_dynptr");
      return;
    default:
      code.copy(1, 6);
      code.set(2, flags);
      code.frame(3, at);
      out.kfunc(makers[source](out.type));
  }
}

/** A ring's record holds what was there before: all of it is overwritten. */
function zero(out: Writer, at: number, size: number): void {
  const { code } = out;
  code.frame(1, at);
  code.set(2, 0);
  code.set(3, size);
  code.set(4, 0);
  out.kfunc("bpf_dynptr_memset");
  out.keep(0);
}

/** One operation on the dynptr at r10 + at; the one at r10 + other, if it is there, is another. `buffer`: 16 bytes. */
function operate(
  out: Writer,
  { operation, offset, length, flags, buffer: given, seed }: Step,
  at: number,
  other: number | undefined,
  buffer: number,
): void {
  const { code } = out;
  const missing = code.label();
  const name = `bpf_dynptr_${operation}`;
  const call = (): void => {
    if (helpers.has(operation)) out.call(name);
    else out.kfunc(name);
  };
  switch (operation) {
    case "read":
      code.frame(1, buffer);
      code.set(2, length);
      code.frame(3, at);
      out.operand(4, offset);
      code.set(5, flags & 1);
      call();
      out.keep(0);
      out.keepStack(buffer, 16);
      return;
    case "write":
      code.put(8, 10, buffer, seed);
      code.frame(1, at);
      out.operand(2, offset);
      code.frame(3, buffer);
      code.set(4, length);
      code.set(5, flags);
      call();
      out.keep(0);
      return;
    case "data":
    case "slice":
    case "slice_rdwr":
      code.frame(1, at);
      out.operand(2, offset);
      if (operation === "data") code.set(3, length);
      else {
        if (given) code.frame(3, buffer);
        else code.set(3, 0);
        code.set(4, length);
      }
      call();
      code.when(0, "==", 0, missing);
      code.load(1, 8, 0, length - 1);
      if (operation !== "slice") code.put(1, 0, 0, seed);
      out.keep(8);
      code.place(missing);
      return;
    case "adjust":
      code.frame(1, at);
      out.operand(2, offset);
      code.set(3, length + ("constant" in offset ? Math.max(0, offset.constant) : 16));
      call();
      break;
    case "copy":
      code.frame(1, at);
      out.operand(2, offset);
      code.frame(3, other ?? at);
      code.set(4, seed & 15);
      code.set(5, length);
      call();
      break;
    case "memset":
      code.frame(1, at);
      out.operand(2, offset);
      code.set(3, length);
      code.set(4, seed & 0xff);
      call();
      break;
    case "clone":
      return;
    default:
      code.frame(1, at);
      call();
      // A bool fills the lowest byte of the register; what else is there belongs to nobody.
      if (operation !== "size") code.change(0, "&=", 0xff);
  }
  out.keep(0);
}

export const dynptrKinds: readonly AnyKind[] = (["xdp", "sched_cls"] as const).flatMap((type) => [
  defineKind({
    name: `dynptr of ${type}`,
    subject: "dynptr",
    type,
    weight: 12,
    params: fc.record({
      source: fc.constantFrom(...sourcesOf[type]),
      size: fc.constantFrom(8, 16, 32, 64),
      flags: fc.constantFrom(0, 0, 0, 0, 1),
      cloned: fc.boolean(),
      steps: fc.array(step, { minLength: 1, maxLength: 4 }),
      submit: fc.boolean(),
    }),
    covers: ({ source, cloned, steps, submit }) => [
      makers[source](type),
      `dynptr of ${source}${source === "packet" ? ` (${type})` : ""}`,
      ...(source === "ring" ? [submit ? "bpf_ringbuf_submit_dynptr" : "bpf_ringbuf_discard_dynptr"] : []),
      ...(cloned ? ["bpf_dynptr_clone"] : []),
      ...steps.filter(({ operation }) => operation !== "clone").map(({ operation }) => `bpf_dynptr_${operation}`),
    ],
    stack: 48,
    write(out, { source, size, flags, cloned, steps, submit }) {
      const { code } = out;
      const at = out.stack(16);
      const copy = out.stack(16);
      const buffer = out.buffer(16, size);
      make(out, source, at, size, flags);
      out.keep(0);
      if (source === "ring") zero(out, at, size);
      if (cloned) {
        code.frame(1, at);
        code.frame(2, copy);
        out.kfunc("bpf_dynptr_clone");
        out.keep(0);
      }
      for (const [index, one] of steps.entries()) {
        const onCopy = cloned && index % 2 === 1;
        operate(out, one, onCopy ? copy : at, cloned ? (onCopy ? at : copy) : undefined, buffer);
      }
      if (source !== "ring") return;
      code.frame(1, at);
      code.set(2, 0);
      out.call(submit ? "bpf_ringbuf_submit_dynptr" : "bpf_ringbuf_discard_dynptr");
    },
  }),
]);
