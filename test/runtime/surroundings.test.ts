import { expect, test } from "vitest";
import type { MapSpec } from "../../src/bpf/spec.ts";
import { BPF_MAP_TYPE_PERF_EVENT_ARRAY } from "../../src/layout/index.ts";
import { agreedResults, inEveryEngine, keep, withKernel } from "../kernel/everyEngine.ts";

/** Calls with r1 = the buffer at r10 - 16 filled with ones; each answer, then the buffer's words. */
function probes(calls: readonly (readonly [size: number, from: string, helper: string])[]): readonly bigint[] {
  const text = calls
    .map(
      ([size, from, helper], index) => `*(u64 *)(r10 -16) = -1\n*(u64 *)(r10 -8) = -1
        r1 = r10\nr1 += -16\nr2 = ${size}\nr3 = ${from}\ncall ${helper}\n${keep(index * 2)}
        r0 = *(u64 *)(r10 -16)\n${keep(index * 2 + 1)}`,
    )
    .join("\n");
  return agreedResults({ results: calls.length * 2, text: `${text}\nr0 = 0\nexit` });
}

test(`probing the kernel's memory where nothing is${withKernel}`, () => {
  const results = probes([
    [8, "0", "bpf_probe_read_kernel"],
    [8, "64", "bpf_probe_read_kernel"],
    [8, "0xffff800000000000 ll", "bpf_probe_read_kernel"],
    [8, "0x8000000000000000 ll", "bpf_probe_read_kernel"],
    [8, "0", "bpf_probe_read_kernel_str"],
    [8, "0xffff800000000000 ll", "bpf_probe_read_kernel_str"],
    [0, "0", "bpf_probe_read_kernel_str"],
    [8, "64", "bpf_probe_read_user"],
    [8, "64", "bpf_probe_read_user_str"],
  ]);
  expect(results.filter((_, index) => index % 2 === 0)).toEqual([-34n, -34n, -14n, -34n, -34n, -14n, 0n, -14n, -14n]);
  expect(results.filter((_, index) => index % 2 === 1)).toEqual([0n, 0n, 0n, 0n, 0n, 0n, -1n, 0n, 0n]);
});

test(`probing the program's own stack${withKernel}`, () => {
  const text = (size: number, helper: string, at: number) => `r1 = 0x64636261\n*(u64 *)(r10 -24) = r1\n*(u64 *)(r10 -16) = -1
    r1 = r10\nr1 += -16\nr2 = ${size}\nr3 = r10\nr3 += -24\ncall ${helper}\n${keep(at)}\nr0 = *(u64 *)(r10 -16)\n${keep(at + 1)}`;
  const results = agreedResults({
    results: 6,
    text: `${text(3, "bpf_probe_read_kernel_str", 0)}\n${text(8, "bpf_probe_read_kernel_str", 2)}\n${text(8, "bpf_probe_read_kernel", 4)}\nr0 = 0\nexit`,
  });
  expect(results.map((word) => BigInt.asUintN(64, word).toString(16))).toEqual([
    "3",
    "ffffffffff006261",
    "5",
    "ffffff0064636261",
    "0",
    "64636261",
  ]);
});

test(`no counter, no branch record, no pid namespace, and the root cgroup${withKernel}`, () => {
  const counters: MapSpec = { name: "counters", type: BPF_MAP_TYPE_PERF_EVENT_ARRAY, keySize: 4, valueSize: 4, maxEntries: 4, flags: 0 };
  const read = (flags: string) => `r1 = map[counters]\nr2 = ${flags}\ncall bpf_perf_event_read`;
  const value = (size: number) => `r1 = map[counters]\nr2 = 0\nr3 = r10\nr3 += -24\nr4 = ${size}\ncall bpf_perf_event_read_value`;
  const branches = (flags: number) => `r1 = r10\nr1 += -24\nr2 = 24\nr3 = ${flags}\ncall bpf_get_branch_snapshot`;
  const calls = [
    read("0"),
    read("7"),
    read("0x100000000 ll"),
    read("0xffffffff ll"),
    value(24),
    value(16),
    branches(0),
    branches(1),
    "r1 = 0\nr2 = 0\nr3 = r10\nr3 += -8\nr4 = 8\ncall bpf_get_ns_current_pid_tgid",
    "call bpf_get_current_cgroup_id",
    "r1 = 0\ncall bpf_get_current_ancestor_cgroup_id",
    "r1 = 7\ncall bpf_get_current_ancestor_cgroup_id",
    "r1 = r7\ncall bpf_get_cgroup_classid",
  ];
  const zeros = [8, 16, 24].map((at) => `*(u64 *)(r10 -${at}) = 0`).join("\n");
  const text = `${zeros}\n${calls.map((call, index) => `${call}\n${keep(index)}`).join("\n")}\nr0 = 0\nexit`;
  expect(agreedResults({ results: calls.length, maps: [counters], text })).toEqual([
    ...[-2n, -7n, -22n, -2n, -2n, -22n],
    ...[-2n, -22n, -22n],
    ...[1n, 1n, 0n, 0n],
  ]);
});

test("the current task is the CPU's idle task, which takes no signal", () => {
  const { jit, interp } = inEveryEngine({
    kernel: false,
    results: 6,
    text: `call bpf_get_current_pid_tgid\n${keep(0)}\ncall bpf_get_current_uid_gid\n${keep(1)}
      r1 = r6\nr1 += 24\nr2 = 16\ncall bpf_get_current_comm\n${keep(2)}
      r1 = 9\ncall bpf_send_signal\n${keep(5)}
      r0 = 0\nexit`,
  });
  const comm = BigInt(`0x${Buffer.from("swapper/").reverse().toString("hex")}`);
  expect(jit.results).toEqual([0n, 0n, 0n, comm, 48n, -1n]);
  expect(interp.results).toEqual(jit.results);
});

test(`no task, no slab object${withKernel}`, () => {
  // A number that no task has: Linux on x86-64 gives none above 4,194,304.
  const release = (name: string, at: number) => `r1 = r0\nr0 = 0\nif r1 == 0 goto +2\ncall kfunc ${name}\nr0 = 1\n${keep(at)}`;
  const results = agreedResults({
    results: 3,
    text: `r1 = 0x7fffffff\ncall kfunc bpf_task_from_pid\n${release("bpf_task_release", 0)}
      r1 = 0x7fffffff\ncall kfunc bpf_task_from_vpid\n${release("bpf_task_release", 1)}
      r1 = 0\ncall kfunc bpf_get_kmem_cache\nr1 = r0\nr0 = 0\nif r1 == 0 goto +1\nr0 = 1\n${keep(2)}\nr0 = 0\nexit`,
  });
  expect(results).toEqual([0n, 0n, 0n]);
});

test(`the system's keyrings${withKernel}`, () => {
  const numbers = ["0", "1", "2", "3", "-1", "0x100000000 ll"];
  const text = numbers.map(
    (number, index) => `r1 = ${number}\ncall kfunc bpf_lookup_system_key\nr8 = r0\nr0 = 0\nif r8 == 0 goto none${index}
      r0 = *(u64 *)(r8 +0)\n${keep(8 + index)}\nr0 = *(u8 *)(r8 +8)\n${keep(16 + index)}
      r1 = r8\ncall kfunc bpf_key_put\nr0 = 1\nnone${index}: ${keep(index)}`,
  );
  const results = agreedResults({ results: 24, text: `${text.join("\n")}\nr0 = 0\nexit` });
  expect(results.slice(0, 6)).toEqual([1n, 1n, 1n, 0n, 0n, 0n]);
  expect(results.slice(8, 11)).toEqual([0n, 1n, 2n]);
});

test(`an address under another type is the same address; a traced function gives its argument back${withKernel}`, () => {
  const results = agreedResults({
    results: 4,
    text: `*(u64 *)(r6 +24) = 0x1234\nr1 = r6\nr1 += 24\nr2 = 0\ncall kfunc bpf_rdonly_cast\nr0 = *(u16 *)(r0 +0)\n${keep(0)}
      r1 = 7\ncall kfunc bpf_modify_return_test_tp\n${keep(1)}\nr1 = -7\ncall kfunc bpf_modify_return_test_tp\n${keep(2)}\nr0 = 0\nexit`,
  });
  expect(results).toEqual([0x1234n, 7n, 0xfffffff9n, 0x1234n]);
});
