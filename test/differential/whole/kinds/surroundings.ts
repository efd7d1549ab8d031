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
    // Here the current task is the CPU's idle task, in a test run it is who asked for it; numbers of sockets and namespaces are the machine's own.
    { name: "bpf_get_current_pid_tgid", subject: "surroundings", forgets: true, weight: 1 },
    { name: "bpf_get_current_uid_gid", subject: "surroundings", forgets: true, weight: 1 },
    { name: "bpf_get_current_cgroup_id", subject: "surroundings", forgets: true, weight: 1 },
    { name: "bpf_get_current_ancestor_cgroup_id", subject: "surroundings", forgets: true, weight: 1, args: [constants(0, 1)] },
    { name: "bpf_get_netns_cookie", subject: "surroundings", type: "sched_cls", context: true, forgets: true, weight: 1 },
    { name: "bpf_get_socket_cookie", subject: "surroundings", type: "sched_cls", context: true, forgets: true, weight: 1 },
    { name: "bpf_get_socket_uid", subject: "surroundings", type: "sched_cls", context: true, forgets: true, weight: 1 },
    { name: "bpf_skb_cgroup_id", subject: "surroundings", type: "sched_cls", context: true, forgets: true, weight: 1 },
    {
      name: "bpf_skb_ancestor_cgroup_id",
      subject: "surroundings",
      type: "sched_cls",
      context: true,
      forgets: true,
      weight: 1,
      args: [constants(0, 1)],
    },
    { name: "bpf_skb_cgroup_classid", subject: "surroundings", type: "sched_cls", context: true, weight: 1 },
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
    name: "bpf_current_task_under_cgroup",
    subject: "surroundings",
    weight: 1,
    params: fc.nat({ max: 3 }),
    covers: () => ["bpf_current_task_under_cgroup, no cgroup", "CGROUP_ARRAY"],
    write(out, index) {
      out.map(1, "cgroup_array");
      out.code.set(2, index);
      out.call("bpf_current_task_under_cgroup");
      out.keep(0);
    },
  }),
  defineKind({
    name: "bpf_skb_under_cgroup",
    subject: "surroundings",
    type: "sched_cls",
    weight: 1,
    params: fc.nat({ max: 3 }),
    covers: () => ["bpf_skb_under_cgroup, no cgroup", "CGROUP_ARRAY"],
    write(out, index) {
      out.code.copy(1, 6);
      out.map(2, "cgroup_array");
      out.code.set(3, index);
      // In test runs Linux gives the packet a socket, which the simulated one has not.
      out.call("bpf_skb_under_cgroup");
    },
  }),
  ...(["kernel", "kernel_str", "user", "user_str"] as const).map((name) =>
    defineKind({
      name: `bpf_probe_read_${name}_dynptr`,
      subject: "dynptr",
      weight: 3,
      params: fc.record({ offset: fc.nat({ max: 12 }), size: fc.nat({ max: 20 }), from: fc.nat({ max: 100 }), nothing: fc.boolean() }),
      covers: () => [`bpf_probe_read_${name}_dynptr`],
      stack: 16,
      write(out, { offset, size, from, nothing }) {
        const { code } = out;
        const at = out.stack(16);
        out.workBuffer(1, 0);
        code.set(2, 16);
        code.set(3, 0);
        code.frame(4, at);
        out.call("bpf_dynptr_from_mem");
        code.frame(1, at);
        code.set(2, offset);
        code.set(3, size);
        if (nothing || name.startsWith("user")) code.set(4, 0);
        else out.sharedBuffer(4, from);
        out.kfunc(`bpf_probe_read_${name}_dynptr`);
        out.keep(0);
      },
    }),
  ),
  defineKind({
    name: "bpf_get_branch_snapshot",
    subject: "surroundings",
    weight: 1,
    params: fc.constantFrom(0, 1),
    covers: () => ["bpf_get_branch_snapshot"],
    stack: 24,
    write(out, flags) {
      const { code } = out;
      const at = out.buffer(24, 3);
      code.frame(1, at);
      code.set(2, 24);
      code.set(3, flags);
      out.call("bpf_get_branch_snapshot");
      out.keep(0);
      out.keepStack(at, 24);
    },
  }),
  defineKind({
    name: "bpf_get_ns_current_pid_tgid",
    subject: "surroundings",
    weight: 1,
    params: fc.record({ device: fc.constantFrom(0, 5), inode: fc.nat({ max: 9 }), size: fc.constantFrom(8, 4) }),
    covers: () => ["bpf_get_ns_current_pid_tgid, no such namespace"],
    stack: 8,
    write(out, { device, inode, size }) {
      const { code } = out;
      const at = out.buffer(8, 3);
      code.set(1, device);
      code.set(2, inode);
      code.frame(3, at);
      code.set(4, size);
      out.call("bpf_get_ns_current_pid_tgid");
      out.keep(0);
      out.keepStack(at, 8);
    },
  }),
  defineKind({
    name: "bpf_get_current_comm",
    subject: "surroundings",
    weight: 1,
    params: fc.integer({ min: 1, max: 16 }),
    covers: () => ["bpf_get_current_comm"],
    stack: 16,
    write(out, size) {
      const { code } = out;
      code.frame(1, out.buffer(16, 3));
      code.set(2, size);
      out.call("bpf_get_current_comm");
      out.keep(0);
    },
  }),
  defineKind({
    name: "bpf_skb_get_xfrm_state",
    subject: "skb",
    type: "sched_cls",
    weight: 2,
    params: fc.record({ index: fc.nat({ max: 2 }), size: fc.constantFrom(28, 28, 24), flags: fc.constantFrom(0, 0, 1) }),
    covers: () => ["bpf_skb_get_xfrm_state, none"],
    stack: 32,
    write(out, { index, size, flags }) {
      const { code } = out;
      const at = out.buffer(32, 3);
      code.copy(1, 6);
      code.set(2, index);
      code.frame(3, at);
      code.set(4, size);
      code.set(5, flags);
      out.call("bpf_skb_get_xfrm_state");
      out.keep(0);
      out.keepStack(at, 32);
    },
  }),
  ...(["ipv4", "ipv6"] as const).map((version) =>
    defineKind({
      name: `bpf_tcp_raw_check_syncookie_${version}`,
      subject: "surroundings",
      weight: 1,
      params: fc.nat({ max: 0xffff }),
      covers: () => [`bpf_tcp_raw_check_syncookie_${version}, a wrong one`],
      stack: 64,
      write(out, seed) {
        const { code } = out;
        const at = out.buffer(64, seed);
        code.frame(1, at);
        code.frame(2, at + 40);
        out.call(`bpf_tcp_raw_check_syncookie_${version}`);
        out.keep(0);
      },
    }),
  ),
  ...(["ipv4", "ipv6"] as const).map((version) =>
    defineKind({
      name: `bpf_tcp_raw_gen_syncookie_${version}`,
      subject: "surroundings",
      weight: 1,
      params: fc.record({ seed: fc.nat({ max: 0xffff }), length: fc.constantFrom(20, 24, 16) }),
      covers: () => [`bpf_tcp_raw_gen_syncookie_${version}`],
      stack: 64,
      write(out, { seed, length }) {
        const { code } = out;
        const at = out.buffer(64, seed);
        code.frame(1, at);
        code.frame(2, at + 40);
        code.set(3, length);
        out.call(`bpf_tcp_raw_gen_syncookie_${version}`);
        // The cookie is made with the kernel's secret; the segment size beside it is not, nor is an error.
        code.change(0, ">>=", 32);
        out.keep(0);
      },
    }),
  ),
  defineKind({
    name: "bpf_trace_printk",
    subject: "surroundings",
    weight: 1,
    params: fc.record({ value: anyOperand, long: fc.boolean() }),
    covers: () => ["bpf_trace_printk"],
    stack: 8,
    write(out, { value, long }) {
      const { code } = out;
      const at = out.stack(8);
      out.bytes(at, new TextEncoder().encode(long ? "n=%d xy\0" : "n=%x\0\0\0\0"));
      code.frame(1, at);
      code.set(2, 8);
      out.operand(3, value);
      out.call("bpf_trace_printk");
      out.keep(0);
    },
  }),
];
