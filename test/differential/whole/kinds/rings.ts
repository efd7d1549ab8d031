import fc from "fast-check";
import type { MapName } from "../mapCatalog.ts";
import { type AnyKind, defineKind, type Operand, upTo } from "../statement.ts";

const size = fc.oneof({ weight: 5, arbitrary: fc.integer({ min: 1, max: 32 }) }, { weight: 1, arbitrary: fc.constantFrom(0, 1) });
/** Flags that the kernel knows for wakeups, and one that it does not. */
const wakeups = fc.constantFrom(0, 0, 1, 2, 3, 4);

const queues = { queue: "QUEUE", stack: "STACK", bloom_filter: "BLOOM_FILTER" } as const satisfies Partial<Record<MapName, string>>;
type Queue = keyof typeof queues;
const queue = fc.constantFrom<Queue>("queue", "stack", "queue", "stack", "bloom_filter");

export const ringKinds: readonly AnyKind[] = [
  defineKind({
    name: "bpf_map_push_elem",
    subject: "queues",
    weight: 8,
    params: fc.record({ map: queue, seed: fc.nat({ max: 0xffff }), value: upTo(15), flags: fc.constantFrom(0, 0, 0, 2, 1, 4) }),
    covers: ({ map }) => ["bpf_map_push_elem", `${queues[map]} push`],
    stack: 24,
    write(out, { map, seed, value, flags }) {
      const { code } = out;
      const at = out.buffer(24, map === "bloom_filter" ? 0 : seed);
      out.storeOperand(4, at, value);
      out.map(1, map);
      code.frame(2, at);
      code.set(3, flags);
      out.call("bpf_map_push_elem");
      out.keep(0);
    },
  }),
  ...(["bpf_map_pop_elem", "bpf_map_peek_elem"] as const).map((name) =>
    defineKind({
      name,
      subject: "queues",
      params: fc.record({
        map: name === "bpf_map_pop_elem" ? fc.constantFrom<Queue>("queue", "stack") : queue,
        value: upTo(15),
        seed: fc.nat({ max: 255 }),
      }),
      covers: ({ map }) => [name, `${queues[map]} ${name === "bpf_map_pop_elem" ? "pop" : "peek"}`],
      stack: 24,
      write(out, { map, value, seed }) {
        const { code } = out;
        const at = out.buffer(24, map === "bloom_filter" ? 0 : seed);
        if (map === "bloom_filter") out.storeOperand(4, at, value);
        out.map(1, map);
        code.frame(2, at);
        out.call(name);
        out.keep(0);
        out.keepStack(at, 24);
        out.fold();
      },
    }),
  ),
  defineKind({
    name: "bpf_ringbuf_output",
    subject: "rings",
    params: fc.record({ seed: fc.nat({ max: 0xffff }), size, flags: wakeups }),
    covers: () => ["bpf_ringbuf_output", "RINGBUF output"],
    stack: 32,
    write(out, { seed, size: length, flags }) {
      const { code } = out;
      const at = out.buffer(32, seed);
      out.map(1, "ringbuf");
      code.frame(2, at);
      code.set(3, length);
      code.set(4, flags);
      out.call("bpf_ringbuf_output");
      out.keep(0);
    },
  }),
  defineKind({
    name: "bpf_ringbuf_reserve",
    subject: "rings",
    params: fc.record({
      words: fc.oneof(fc.integer({ min: 1, max: 6 }), fc.constantFrom(100, 255, 511, 512)),
      value: fc.integer(),
      submit: fc.boolean(),
      flags: fc.constantFrom(0, 0, 0, 1),
      wakeup: wakeups,
    }),
    covers: ({ submit }) => [
      "bpf_ringbuf_reserve",
      `RINGBUF ${submit ? "submit" : "discard"}`,
      submit ? "bpf_ringbuf_submit" : "bpf_ringbuf_discard",
    ],
    write(out, { words, value, submit, flags, wakeup }) {
      const { code } = out;
      const [full, again] = [code.label(), code.label()];
      out.map(1, "ringbuf");
      code.set(2, words * 8);
      code.set(3, flags);
      out.call("bpf_ringbuf_reserve");
      code.when(0, "==", 0, full);
      // What stands there is of earlier records: every word is written.
      if (words <= 6) for (let word = 0; word < words; word++) code.put(8, 0, word * 8, value + word);
      else {
        code.copy(8, 0);
        code.set(9, 0);
        code.place(again);
        code.copy(1, 8);
        code.combine(1, "+=", 9);
        code.store(8, 1, 0, 9);
        code.change(9, "+=", 8);
        code.when(9, "!=", words * 8, again);
        code.copy(0, 8);
      }
      code.copy(1, 0);
      code.set(2, wakeup);
      out.call(submit ? "bpf_ringbuf_submit" : "bpf_ringbuf_discard");
      code.set(0, 1);
      code.place(full);
      out.keep(0);
    },
  }),
  defineKind({
    name: "bpf_ringbuf_query",
    subject: "rings",
    params: upTo(4),
    covers: () => ["bpf_ringbuf_query", "RINGBUF query"],
    write(out, flags: Operand) {
      out.map(1, "ringbuf");
      out.operand(2, flags);
      out.call("bpf_ringbuf_query");
      out.keep(0);
    },
  }),
  defineKind({
    name: "bpf_perf_event_output",
    subject: "rings",
    params: fc.record({
      flags: fc.constantFrom(0n, 0xffffffffn, 1n, 7n, 1n << 32n, 1n << 60n),
      size: fc.integer({ min: 0, max: 16 }),
      seed: fc.nat({ max: 255 }),
    }),
    covers: () => ["bpf_perf_event_output", "PERF_EVENT_ARRAY output"],
    stack: 16,
    write(out, { flags, size: length, seed }) {
      const { code } = out;
      const at = out.buffer(16, seed);
      code.copy(1, 6);
      out.map(2, "perf_event_array");
      code.setWide(3, flags);
      code.frame(4, at);
      code.set(5, length);
      out.call("bpf_perf_event_output");
      out.keep(0);
    },
  }),
];
