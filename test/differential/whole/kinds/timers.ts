import fc from "fast-check";
import { type AnyKind, defineKind, type Operand, upTo } from "../statement.ts";
import type { Writer } from "../writer.ts";

const timed = { timer_array: "ARRAY", timer_hash: "HASH" } as const;
type Timed = keyof typeof timed;
const map = fc.constantFrom<Timed>("timer_array", "timer_hash");
const key = upTo(3);
/** So far in the future that no run sees it. */
const FAR = 1n << 42n;
/** Where the value's timer and its work stand. */
const TIMER_AT = 0;
const WORK_AT = 16;

const operations = ["init", "set_callback", "start", "cancel"] as const;
const workOperations = ["init", "set_callback", "start"] as const;

/** r8 = the value of a key, where there is one. */
function lookUp(out: Writer, name: Timed, wanted: Operand, write: () => void): void {
  const { code } = out;
  const missing = code.label();
  const at = out.stack(8);
  out.storeOperand(4, at, wanted);
  out.map(1, name);
  code.frame(2, at);
  out.call("bpf_map_lookup_elem");
  code.when(0, "==", 0, missing);
  code.copy(8, 0);
  write();
  out.keep(0);
  code.place(missing);
}

/** A callback that does nothing: nobody knows when it runs. */
function emptyCallback(out: Writer, register: number): void {
  const { code } = out;
  const callback = code.label();
  out.callback(callback, () => {
    code.set(0, 0);
    code.exit();
  });
  code.functionAddress(register, callback);
}

export const timerKinds: readonly AnyKind[] = [
  defineKind({
    name: "timer",
    subject: "queues",
    weight: 6,
    notIn: "callbacks",
    params: fc.record({ map, key, operation: fc.constantFrom(...operations), flags: fc.constantFrom(0, 1, 1, 7, 2, 4) }),
    covers: ({ map: name, operation }) => [`bpf_timer_${operation}`, `${timed[name]} with a timer`],
    stack: 8,
    write(out, { map: name, key: wanted, operation, flags }) {
      const { code } = out;
      lookUp(out, name, wanted, () => {
        code.copy(1, 8);
        code.change(1, "+=", TIMER_AT);
        if (operation === "init") {
          out.map(2, name);
          code.set(3, flags);
        } else if (operation === "set_callback") emptyCallback(out, 2);
        else if (operation === "start") {
          code.setWide(2, FAR);
          code.set(3, flags);
        }
        out.call(`bpf_timer_${operation}`);
      });
    },
  }),
  defineKind({
    name: "work",
    subject: "queues",
    weight: 3,
    notIn: "callbacks",
    params: fc.record({ map, key, operation: fc.constantFrom(...workOperations), flags: fc.constantFrom(0, 0, 0, 1) }),
    covers: ({ map: name, operation }) => [
      operation === "set_callback" ? "bpf_wq_set_callback_impl" : `bpf_wq_${operation}`,
      `${timed[name]} with work`,
    ],
    stack: 8,
    write(out, { map: name, key: wanted, operation, flags }) {
      const { code } = out;
      lookUp(out, name, wanted, () => {
        code.copy(1, 8);
        code.change(1, "+=", WORK_AT);
        if (operation === "init") {
          out.map(2, name);
          code.set(3, flags);
        } else if (operation === "set_callback") {
          emptyCallback(out, 2);
          code.set(3, flags);
          code.set(4, 0);
        } else code.set(2, flags);
        out.kfunc(operation === "set_callback" ? "bpf_wq_set_callback_impl" : `bpf_wq_${operation}`);
      });
    },
  }),
  defineKind({
    name: "update of a value with a timer",
    subject: "queues",
    weight: 3,
    params: fc.record({ map, key, seed: fc.nat({ max: 255 }), remove: fc.boolean(), flags: fc.constantFrom(0, 0, 1, 2) }),
    covers: ({ map: name, remove }) => [
      remove ? "bpf_map_delete_elem" : "bpf_map_update_elem",
      `${timed[name]} ${remove ? "delete" : "update"} of a value with a timer`,
    ],
    stack: 48,
    write(out, { map: name, key: wanted, seed, remove, flags }) {
      const { code } = out;
      const at = out.stack(8);
      out.storeOperand(4, at, wanted);
      const value = out.buffer(40, seed);
      out.map(1, name);
      code.frame(2, at);
      code.frame(3, value);
      code.set(4, flags);
      out.call(remove ? "bpf_map_delete_elem" : "bpf_map_update_elem");
      out.keep(0);
    },
  }),
  defineKind({
    name: "bpf_user_ringbuf_drain",
    subject: "rings",
    weight: 6,
    notIn: "callbacks",
    params: fc.record({
      length: fc.integer({ min: 1, max: 8 }),
      offset: fc.nat({ max: 8 }),
      stopAt: fc.nat({ max: 255 }),
      flags: fc.constantFrom(0, 0, 1, 2, 4),
    }),
    covers: () => ["bpf_user_ringbuf_drain", "USER_RINGBUF drain", "bpf_dynptr_read"],
    stack: 8,
    write(out, { length, offset, stopAt, flags }) {
      const { code } = out;
      const callback = code.label();
      out.callback(callback, () => {
        const on = code.label();
        code.copy(8, 2);
        code.copy(3, 1);
        code.put(8, 10, -8, 0);
        code.frame(1, -8);
        code.set(2, length);
        code.set(4, offset);
        code.set(5, 0);
        out.call("bpf_dynptr_read");
        code.load(8, 1, 8, 0);
        code.change(1, "*=", 31);
        code.combine(1, "+=", 0);
        code.load(8, 2, 10, -8);
        code.combine(1, "+=", 2);
        code.store(8, 8, 0, 1);
        code.set(0, 0);
        code.change(2, "&=", 0xff);
        code.when(2, "!=", stopAt, on);
        code.set(0, 1);
        code.place(on);
        code.exit();
      });
      const at = out.stack(8);
      out.unknown(8, { constant: 0 });
      code.store(8, 10, at, 8);
      out.map(1, "user_ringbuf");
      code.functionAddress(2, callback);
      code.frame(3, at);
      out.unknown(4, { constant: flags });
      out.call("bpf_user_ringbuf_drain");
      out.keep(0);
      out.keepStack(at, 8);
    },
  }),
];
