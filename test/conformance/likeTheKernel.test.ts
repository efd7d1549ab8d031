import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { assemble } from "../../src/bpf/isa/index.ts";
import type { ProgramSpec } from "../../src/bpf/spec.ts";
import { openKernel } from "../../src/kernel/index.ts";
import { runConformance } from "../../src/lab/index.ts";
import { ENOSPC, helperNames } from "../../src/layout/index.ts";
import { arp, tcp, udp } from "../../src/packet/index.ts";

/** Programs of random helper calls are run on the live kernel; what it answers is recorded as a case, and the case must agree. */
const kernel = openKernel();
const why = kernel.ok ? "" : ` (skipped: ${kernel.problem.message})`;
const RUNS = Number(process.env.LIKE_THE_KERNEL_RUNS ?? 60);

const helperNumbers = new Map(Array.from(helperNames, ([id, name]) => [name, id]));
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** One helper call as assembly: arguments in r2 to r5, context already in r1. What it leaves in r0 goes into the checksum r7. */
type Call = readonly string[];

const MIX = ["r7 *= 31", "r0 <<= 32", "r0 >>= 32", "r7 += r0"];
const constants = (...values: (number | string)[]): string[] => values.map((value, index) => `r${index + 2} = ${value}`);
/** r`register` = the 16 bytes on the stack that calls read and write. */
const buffer = (register: number): string[] => [`r${register} = r10`, `r${register} += -16`];
const call = (name: string, ...prepare: string[]): Call => ["r1 = r6", ...prepare, `call ${name}`, ...MIX];
/** Mixes what a call left in the buffer. */
const readBuffer = ["r0 = *(u64 *)(r10 -16)", "r7 ^= r0", "r0 = *(u64 *)(r10 -8)", "r7 += r0"];

const u32 = fc.integer({ min: -0x80000000, max: 0x7fffffff });
const small = (max: number): fc.Arbitrary<number> => fc.oneof(fc.integer({ min: 0, max }), fc.constantFrom(0xffff, 0x10000, -1));
const etherType = fc.constantFrom(0x0008, 0xdd86, 0x0081, 0xa888, 0x0608, 0);
const bits = (...flags: number[]): fc.Arbitrary<number> =>
  fc.subarray(flags, { maxLength: 3 }).map((chosen) => chosen.reduce((a, b) => a | b, 0));

const tcCall: fc.Arbitrary<Call> = fc.oneof(
  fc.tuple(etherType, fc.nat(0xffff)).map((values) => call("bpf_skb_vlan_push", ...constants(...values))),
  fc.constant(call("bpf_skb_vlan_pop")),
  fc
    .tuple(fc.integer({ min: -60, max: 60 }), fc.constantFrom(0, 1, 1, 2), bits(1, 2, 4, 8, 16, 32, 64, 128, 256, 512))
    .map((values) => call("bpf_skb_adjust_room", ...constants(...values))),
  fc.tuple(etherType, fc.constantFrom(0, 0, 0, 1)).map((values) => call("bpf_skb_change_proto", ...constants(...values))),
  fc.tuple(small(200), fc.constantFrom(0, 0, 0, 1)).map((values) => call("bpf_skb_change_tail", ...constants(...values))),
  fc.tuple(small(64), fc.constantFrom(0, 0, 0, 1)).map((values) => call("bpf_skb_change_head", ...constants(...values))),
  fc.nat(6).map((type) => call("bpf_skb_change_type", ...constants(type))),
  small(200).map((length) => call("bpf_skb_pull_data", ...constants(length))),
  fc
    .tuple(small(120), fc.integer({ min: 1, max: 16 }), fc.nat(4))
    .map(([offset, length, flags]) => call("bpf_skb_store_bytes", ...constants(offset), ...buffer(3), `r4 = ${length}`, `r5 = ${flags}`)),
  fc
    .tuple(small(120), fc.integer({ min: 1, max: 16 }))
    .map(([offset, length]) => [...call("bpf_skb_load_bytes", ...constants(offset), ...buffer(3), `r4 = ${length}`), ...readBuffer]),
  fc
    .tuple(small(120), fc.integer({ min: 1, max: 16 }), fc.nat(2))
    .map(([offset, length, start]) => [
      ...call("bpf_skb_load_bytes_relative", ...constants(offset), ...buffer(3), `r4 = ${length}`, `r5 = ${start}`),
      ...readBuffer,
    ]),
  fc
    .tuple(small(60), fc.constantFrom<number[]>(0, 1), u32, fc.nat(5))
    .map((values) => call("bpf_l3_csum_replace", ...constants(...values))),
  fc
    .tuple(small(60), fc.constantFrom<number[]>(0, 0x1234, -2), u32, bits(2, 4, 0x10, 0x20, 0x40, 0x80, 0x100))
    .map((values) => call("bpf_l4_csum_replace", ...constants(...values))),
  fc.nat(4).map((level) => call("bpf_csum_level", ...constants(level))),
  u32.map((sum) => call("bpf_csum_update", ...constants(sum))),
  fc.constant(call("bpf_skb_ecn_set_ce")),
  u32.map((hash) => call("bpf_set_hash", ...constants(hash))),
  fc.constant(call("bpf_set_hash_invalid")),
  fc
    .tuple(fc.constantFrom(0, 1, 999), fc.integer({ min: -100, max: 100 }), fc.nat(2), fc.constantFrom(0, 0, 100, 65536, 70000))
    .map(([ifindex, difference, flags, length]) => [
      ...[`r0 = ${length}`, "*(u32 *)(r10 -16) = r0"],
      ...call("bpf_check_mtu", ...constants(ifindex), ...buffer(3), `r4 = ${difference}`, `r5 = ${flags}`),
      ...readBuffer,
    ]),
  fc
    .tuple(fc.nat(14), fc.nat(14), u32)
    .map(([from, to, seed]) => [
      ...["r1 = r10", "r1 += -16", `r2 = ${from}`, "r3 = r10", "r3 += -16", `r4 = ${to}`, `r5 = ${seed}`],
      ...["call bpf_csum_diff", ...MIX],
    ]),
  fc.constantFrom(12, 44, 72).chain((offset) => u32.map((value): Call => [`r0 = ${value & 0xffff}`, `*(u32 *)(r6 +${offset}) = r0`])),
);

/** Fields of __sk_buff that helpers change: len, pkt_type, protocol, vlan_*, hash, queue_mapping, tc_index, tc_classid. */
const tcFields = [0, 4, 16, 20, 24, 28, 68, 12, 44, 72].flatMap((offset) => [`r0 = *(u32 *)(r6 +${offset})`, "r7 *= 7", "r7 += r0"]);

const xdpCall: fc.Arbitrary<Call> = fc.oneof(
  fc.integer({ min: -240, max: 120 }).map((delta) => call("bpf_xdp_adjust_head", ...constants(delta))),
  fc.integer({ min: -60, max: 12 }).map((quarter) => call("bpf_xdp_adjust_meta", ...constants(quarter * 4))),
  fc.integer({ min: -8, max: 8 }).map((delta) => call("bpf_xdp_adjust_meta", ...constants(delta))),
  fc
    .oneof(fc.integer({ min: -160, max: 160 }), fc.constantFrom(3400, 3500, 4000, -0x80000000))
    .map((delta) => call("bpf_xdp_adjust_tail", ...constants(delta))),
  fc.constant(call("bpf_xdp_get_buff_len")),
  fc
    .tuple(small(200), fc.integer({ min: 1, max: 16 }))
    .map(([offset, length]) => [...call("bpf_xdp_load_bytes", ...constants(offset), ...buffer(3), `r4 = ${length}`), ...readBuffer]),
  fc
    .tuple(small(200), fc.integer({ min: 1, max: 16 }))
    .map(([offset, length]) => call("bpf_xdp_store_bytes", ...constants(offset), ...buffer(3), `r4 = ${length}`)),
  fc
    .tuple(fc.constantFrom(0, 1, 999), fc.integer({ min: -100, max: 100 }), fc.nat(1), fc.constantFrom(0, 0, 100, 65536, 70000))
    .map(([ifindex, difference, flags, length]) => [
      ...[`r0 = ${length}`, "*(u32 *)(r10 -16) = r0"],
      ...call("bpf_check_mtu", ...constants(ifindex), ...buffer(3), `r4 = ${difference}`, `r5 = ${flags}`),
      ...readBuffer,
    ]),
);

/** The length between the context's edges. */
const xdpFields = ["r2 = *(u32 *)(r6 +0)", "r0 = *(u32 *)(r6 +4)", "r0 -= r2", "r7 += r0"];

function assembled(calls: readonly Call[], fields: readonly string[]): Uint8Array {
  const start = ["r6 = r1", "r7 = 0", "r0 = 0x0123456789abcdef ll", "*(u64 *)(r10 -16) = r0", "*(u64 *)(r10 -8) = r0"];
  const body = calls.flatMap((lines) => [...lines, ...fields]);
  return assemble([...start, ...body, "r0 = r7", "exit"].join("\n"), { helpers: helperNumbers, maps: new Map() });
}

const packet: fc.Arbitrary<Uint8Array> = fc
  .record({ tos: fc.nat(255), ttl: fc.nat(255), size: fc.nat(90), tags: fc.array(fc.nat(4095), { maxLength: 2 }), kind: fc.nat(4) })
  .map(({ tos, ttl, size, tags, kind }) => {
    const options = { tos, ttl, payload: "x".repeat(size), vlans: tags, macTo: kind === 3 ? "01:00:5e:00:00:01" : "00:00:00:00:00:00" };
    const ipv6 = { from: "[2001:db8::1]:1000", to: "[2001:db8::2]:53" };
    if (kind === 0) return arp({ senderIp: "10.0.0.1", targetIp: "10.0.0.2", padTo: 60 });
    if (kind === 1) return udp({ ...options, ...ipv6 });
    return (kind === 2 ? tcp : udp)({ ...options, from: "10.0.0.1:1000", to: "10.0.0.2:53" });
  });

function load(type: "xdp" | "sched_cls", instructions: Uint8Array) {
  if (!kernel.ok) throw new Error(kernel.problem.message);
  const functions = [{ instruction: 0, name: "main" }];
  const parts = { name: "main", section: "", expectedAttachType: 0, flags: 0, license: "GPL", maps: [], functions, lines: [] };
  return kernel.value.loadProgram({ ...parts, type, instructions } satisfies ProgramSpec, new Map());
}

/** What conformance says of a case that the kernel has just given. */
function differences(row: object): string[] {
  const text = JSON.stringify({ id: "live", maps: [], accepted: true, ...row });
  return (["jit", "interp"] as const).flatMap((engine) => {
    const report = runConformance([{ name: "live kernel", text }], { engine });
    if (!report.ok) return [report.problem.message];
    return report.value.differences.map(({ what, expected, got }) => `${engine} ${what}: ${expected}, not ${got}`);
  });
}

const CB = 48;

describe.runIf(kernel.ok)(`random calls as the live kernel answers them${why}`, () => {
  test("of TC helpers", { timeout: 120_000 }, () => {
    fc.assert(
      fc.property(fc.array(tcCall, { minLength: 1, maxLength: 6 }), packet, (calls, data) => {
        const instructions = assembled(calls, tcFields);
        const program = load("sched_cls", instructions);
        const result = program.run({ packet: data, context: new Uint8Array(192) });
        program.close();
        const view = new DataView(result.context!.buffer, result.context!.byteOffset);
        const word = (offset: number): number => view.getUint32(offset, true);
        const ctx_out = { mark: word(8), priority: word(32), ifindex: word(40), cb0: word(CB), wire_len: word(160), gso_segs: word(164) };
        const run = { in: hex(data), ctx_in: {}, maps: [] };
        const outcome = result.error < 0 ? { errno: -result.error } : { retval: result.returned, out: hex(result.packet), ctx_out };
        expect(differences({ prog_type: "tc", insns: hex(instructions), runs: [{ ...run, ...outcome }] })).toEqual([]);
      }),
      { numRuns: RUNS },
    );
  });

  test("of XDP helpers, on one buffer and on several", { timeout: 120_000 }, () => {
    const split = fc.oneof(fc.constant(1), fc.double({ min: 0.1, max: 1, noNaN: true }));
    fc.assert(
      fc.property(fc.array(xdpCall, { minLength: 1, maxLength: 6 }), packet, split, (calls, data, linear) => {
        const instructions = assembled(calls, xdpFields);
        const program = load("xdp", instructions);
        const context = new Uint8Array(24);
        const data_end = Math.max(14, Math.round(data.length * linear));
        new DataView(context.buffer).setUint32(4, data_end, true);
        const result = program.run({ packet: data, context });
        program.close();
        // The live run has less room for its output than the recorded ones had.
        fc.pre(result.error !== -ENOSPC);
        const view = new DataView(result.context!.buffer, result.context!.byteOffset);
        const ctx_out = { data: view.getUint32(0, true), data_end: view.getUint32(4, true) };
        const run = { in: hex(data), ctx_in: { data_end }, maps: [] };
        const outcome = result.error < 0 ? { errno: -result.error } : { retval: result.returned, out: hex(result.packet), ctx_out };
        expect(differences({ prog_type: "xdp", insns: hex(instructions), runs: [{ ...run, ...outcome }] })).toEqual([]);
      }),
      { numRuns: RUNS },
    );
  });
});
