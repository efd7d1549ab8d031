import fc from "fast-check";
import { type AnyKind, anyOperand, defineKind } from "../statement.ts";
import { constants, plainCalls } from "./calls.ts";

/** Parts of a program in which the kernel may not do something; they hold plain arithmetic. */
const sections = [
  ["bpf_rcu_read_lock", "bpf_rcu_read_unlock"],
  ["bpf_preempt_disable", "bpf_preempt_enable"],
  ["bpf_local_irq_save", "bpf_local_irq_restore"],
] as const;

export const surroundingKinds: readonly AnyKind[] = [
  ...plainCalls([
    { name: "bpf_get_smp_processor_id", subject: "surroundings" },
    { name: "bpf_get_numa_node_id", subject: "surroundings" },
    { name: "bpf_get_cgroup_classid", subject: "surroundings", type: "sched_cls", context: true },
    // What they give depends on the time; that the program goes on the same does not.
    { name: "bpf_ktime_get_ns", subject: "surroundings", forgets: true, weight: 1 },
    { name: "bpf_ktime_get_boot_ns", subject: "surroundings", forgets: true, weight: 1 },
    { name: "bpf_ktime_get_coarse_ns", subject: "surroundings", forgets: true, weight: 1 },
    { name: "bpf_ktime_get_tai_ns", subject: "surroundings", forgets: true, weight: 1 },
    { name: "bpf_jiffies64", subject: "surroundings", forgets: true, weight: 1 },
    { name: "bpf_get_prandom_u32", subject: "surroundings", forgets: true, weight: 1 },
  ]),
  ...sections.map(([begin, end]) =>
    defineKind({
      name: begin,
      subject: "surroundings",
      params: anyOperand,
      covers: () => [begin, end],
      stack: 8,
      write(out, value) {
        const { code } = out;
        const at = out.stack(8);
        const flags = begin === "bpf_local_irq_save";
        if (flags) code.frame(1, at);
        out.kfunc(begin);
        out.operand(8, value);
        code.change(8, "*=", 3);
        if (flags) code.frame(1, at);
        out.kfunc(end);
        out.keep(8);
      },
    }),
  ),
  ...(["bpf_probe_read_kernel", "bpf_probe_read_kernel_str"] as const).map((name) =>
    defineKind({
      name,
      subject: "surroundings",
      params: fc.record({
        offset: fc.nat({ max: 100 }),
        length: fc.integer({ min: 1, max: 24 }),
        seed: fc.nat({ max: 255 }),
        nothing: fc.boolean(),
      }),
      covers: () => [name],
      stack: 24,
      write(out, { offset, length, seed, nothing }) {
        const { code } = out;
        const at = out.buffer(24, seed);
        code.frame(1, at);
        code.set(2, length);
        if (nothing) code.set(3, 0);
        else out.sharedBuffer(3, offset);
        out.call(name);
        out.keep(0);
        out.keepStack(at, 24);
      },
    }),
  ),
  ...(["bpf_probe_read_user", "bpf_probe_read_user_str"] as const).map((name) =>
    defineKind({
      name,
      subject: "surroundings",
      weight: 1,
      params: fc.integer({ min: 1, max: 16 }),
      covers: () => [name],
      stack: 16,
      write(out, length) {
        const { code } = out;
        const at = out.buffer(16, 5);
        code.frame(1, at);
        code.set(2, length);
        code.set(3, 0);
        out.call(name);
        out.keep(0);
        out.keepStack(at, 16);
      },
    }),
  ),
  defineKind({
    name: "bpf_perf_event_read",
    subject: "surroundings",
    weight: 2,
    params: constants(0, 1, 2),
    covers: () => ["bpf_perf_event_read", "PERF_EVENT_ARRAY read"],
    write(out, flags) {
      out.map(1, "perf_event_array");
      out.operand(2, flags);
      out.call("bpf_perf_event_read");
      out.keep(0);
    },
  }),
  defineKind({
    name: "bpf_perf_event_read_value",
    subject: "surroundings",
    weight: 2,
    params: fc.record({ flags: constants(0, 1, 2), size: fc.constantFrom(24, 16) }),
    covers: () => ["bpf_perf_event_read_value", "PERF_EVENT_ARRAY read"],
    stack: 24,
    write(out, { flags, size }) {
      const { code } = out;
      const at = out.buffer(24, 9);
      out.map(1, "perf_event_array");
      out.operand(2, flags);
      code.frame(3, at);
      code.set(4, size);
      out.call("bpf_perf_event_read_value");
      out.keep(0);
      out.keepStack(at, 24);
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
