import { expect, test } from "vitest";
import {
  BPF_F_DONT_FRAGMENT,
  BPF_F_NO_TUNNEL_KEY,
  BPF_F_SEQ_NUMBER,
  BPF_F_TUNINFO_FLAGS,
  BPF_F_TUNINFO_IPV6,
  BPF_F_ZERO_CSUM_TX,
} from "../../src/layout/index.ts";
import { udp } from "../../src/packet/index.ts";
import { spec, TestMachine } from "../dataplane/machine.ts";
import { agreedResults, keep, withKernel } from "../kernel/everyEngine.ts";

const type = "sched_cls";
/** Bytes of struct bpf_tunnel_key, and the sizes that it once had. */
const SIZE = 44;
const SIZES = [SIZE, 28, 24, 22, 8];
/** Where the key that is set, the key that is read, and options stand on the stack. */
const SET = -48;
const GOT = -96;
const OPTIONS = -400;

/** The words of a key to set: id 0x01020304, remote, tos 0x11 and ttl 0x22, label, local. */
function key({ label = 0, reserved = 0 }: { label?: number; reserved?: number } = {}): string {
  const words = [0x01020304, 0x0a000001, 0x0a000002, 0x0a000003, 0x0a000004, (reserved << 16) | 0x2211, label];
  const whole = [...words, 0x0b000001, 0x0b000002, 0x0b000003, 0x0b000004];
  return whole.map((value, index) => `*(u32 *)(r10 ${SET + index * 4}) = ${value}`).join("\n");
}

const setKey = (size: number, flags: number): string =>
  `r1 = r7\nr2 = r10\nr2 += ${SET}\nr3 = ${size}\nr4 = ${flags}\ncall bpf_skb_set_tunnel_key`;

/** Reads the key over ones; results from `at` on are the answer and the six words of the buffer. */
function getKey(size: number, flags: number, at: number): string {
  const fill = Array.from({ length: 6 }, (_, index) => `*(u64 *)(r10 ${GOT + index * 8}) = -1`).join("\n");
  const keepAll = Array.from({ length: 6 }, (_, index) => `r0 = *(u64 *)(r10 ${GOT + index * 8})\n${keep(at + 1 + index)}`).join("\n");
  return `${fill}\nr1 = r7\nr2 = r10\nr2 += ${GOT}\nr3 = ${size}\nr4 = ${flags}\ncall bpf_skb_get_tunnel_key\n${keep(at)}\n${keepAll}`;
}

const run = (results: number, ...parts: readonly string[]): readonly bigint[] =>
  agreedResults({ type, results, text: `${parts.join("\n")}\nr0 = 0\nexit` });

test(`an skb from a wire has no tunnel key and no options${withKernel}`, () => {
  const got = run(7, getKey(SIZE, 0, 0));
  // The buffer is zeros, and behind it untouched.
  expect(got).toEqual([-22n, 0n, 0n, 0n, 0n, 0n, -1n << 32n]);
  expect(run(8, getKey(7, 0x100, 0), `r1 = r7\nr2 = r10\nr2 += ${SET}\nr3 = 4\ncall bpf_skb_get_tunnel_opt\n${keep(7)}`)[7]).toBe(-2n);
});

test(`what bpf_skb_set_tunnel_key refuses${withKernel}`, () => {
  const calls = [
    `${key()}\n${setKey(SIZE, 0x20)}`,
    `${key()}\n${setKey(SIZE, 0x1f)}`,
    `${key({ label: 1 })}\n${setKey(SIZE, 0)}`,
    `${key({ label: 1 })}\n${setKey(SIZE, BPF_F_TUNINFO_IPV6)}`,
    `${key({ reserved: 1 })}\n${setKey(SIZE, 0)}`,
    `${key({ reserved: 1 })}\n${setKey(22, 0)}`,
    // A label behind the end of the struct does not count.
    `${key({ label: 1 })}\n${setKey(24, 0)}`,
    ...Array.from({ length: SIZE }, (_, size) => `${key()}\n${setKey(size + 1, 0)}`),
  ];
  const answers = run(calls.length, ...calls.map((call, index) => `${call}\n${keep(index)}`));
  expect(answers.slice(0, 7)).toEqual([-22n, 0n, -22n, 0n, -22n, 0n, 0n]);
  expect(answers.slice(7)).toEqual(Array.from({ length: SIZE }, (_, size) => (SIZES.includes(size + 1) ? 0n : -22n)));
});

const flagSets = [
  0,
  BPF_F_ZERO_CSUM_TX,
  BPF_F_DONT_FRAGMENT,
  BPF_F_SEQ_NUMBER,
  BPF_F_NO_TUNNEL_KEY,
  BPF_F_ZERO_CSUM_TX | BPF_F_DONT_FRAGMENT | BPF_F_SEQ_NUMBER | BPF_F_NO_TUNNEL_KEY,
];

test.each([0, BPF_F_TUNINFO_IPV6])(`a key that was set is read back with its ends changed (flags %i)${withKernel}`, (family) => {
  for (const setSize of SIZES) {
    const gets = SIZES.map((size, index) => getKey(size, family, index * 7));
    const got = run(42, key({ label: family === 0 ? 0 : 0x12345678 }), setKey(setSize, family), ...gets, getKey(SIZE, family ^ 1, 35));
    expect(got.slice(35, 37)).toEqual([-71n, 0n]);
    if (setSize !== SIZE) continue;
    // id and the local address as remote one; then tos and ttl.
    expect(got.slice(0, 2)).toEqual([0n, 0x0b00000101020304n]);
    expect(got[3]! >> 32n).toBe(0x2211n);
  }
});

test(`flags of a tunnel key${withKernel}`, () => {
  const words = flagSets.map((flags) => {
    const got = run(7, key(), setKey(SIZE, flags), getKey(SIZE, BPF_F_TUNINFO_FLAGS, 0));
    return Number(BigInt.asUintN(16, got[3]! >> 48n)).toString(16);
  });
  // Network byte order: NOCACHE 0x2000, DONT_FRAGMENT 0x0100, SEQ 8, KEY 4, CSUM 1.
  expect(words).toEqual(["520", "420", "521", "d20", "120", "821"]);
});

test(`tunnel options${withKernel}`, () => {
  const fill = Array.from({ length: 38 }, (_, index) => `*(u64 *)(r10 ${OPTIONS + index * 8}) = ${index + 1}`).join("\n");
  const option = (helper: string, size: number) => `r1 = r7\nr2 = r10\nr2 += ${OPTIONS}\nr3 = ${size}\ncall ${helper}`;
  const set = (size: number) => option("bpf_skb_set_tunnel_opt", size);
  const get = (size: number) => option("bpf_skb_get_tunnel_opt", size);
  const calls = [
    set(4),
    `${key()}\n${setKey(SIZE, 0)}\n${get(8)}`,
    set(3),
    set(252),
    set(255),
    set(256),
    set(260),
    set(8),
    get(4),
    get(8),
    get(16),
  ];
  const first = run(
    calls.length + 3,
    fill,
    ...calls.map((call, index) => `${index === 7 ? fill : ""}\n${call}\n${keep(index)}`),
    ...[0, 8, 16].map((at, index) => `r0 = *(u64 *)(r10 ${OPTIONS + at})\n${keep(calls.length + index)}`),
  );
  expect(first.slice(0, calls.length)).toEqual([-22n, -2n, -22n, 0n, -22n, -12n, -12n, 0n, -12n, 8n, 8n]);
  // A key that is set anew has no options; the flags tell of those that are there.
  const flags = run(9, fill, key(), setKey(SIZE, 0), set(8), getKey(SIZE, BPF_F_TUNINFO_FLAGS, 0), setKey(SIZE, 0), get(8), keep(7));
  expect(Number(BigInt.asUintN(16, flags[3]! >> 48n)).toString(16)).toBe("5f8");
  expect(flags[7]).toBe(-2n);
});

test("a tunnel key goes with the skb from filter to filter and out through a device, and is gone at another device's ingress", async () => {
  const machine = new TestMachine({ devices: [{ name: "eth0" }, { name: "eth1" }] });
  const sets = `r6 = r1\n${key()}\nr1 = r6\nr2 = r10\nr2 += ${SET}\nr3 = ${SIZE}\nr4 = 0\ncall 21\nr0 = -1\nexit`;
  /** A program that reads the key and, where the answer is the expected one, ends with what `then` leaves in r0; else it drops the packet. */
  const reads = (expected: number, then: string) =>
    `r2 = r10\nr2 += ${SET}\nr3 = ${SIZE}\nr4 = 0\ncall 20\nr1 = r0\nr0 = 2\nif r1 != ${expected} goto out\n${then}\nout: exit`;
  const eth1 = machine.dataplane.device("eth1")!.ifindex;
  machine.attach("ingress", spec("sets", sets, type));
  machine.attach("ingress", spec("reads", reads(0, `r1 = ${eth1}\nr2 = 0\ncall 23`), type));
  machine.attach("egress", spec("reads_out", reads(0, `r1 = ${eth1}\nr2 = 1\ncall 23`), type), "eth1");
  machine.attach("ingress", spec("misses", reads(-22, "r0 = 0"), type), "eth1");
  const { outcomes } = await machine.replay([udp({ from: "10.0.0.9:4000", to: "10.0.0.1:53" })]);
  expect(outcomes[0]!.steps.map(({ program, verdict }) => `${program} ${verdict}`)).toEqual([
    "sets TC_ACT_UNSPEC",
    "reads TC_ACT_REDIRECT",
    "reads_out TC_ACT_REDIRECT",
    "misses TC_ACT_OK",
  ]);
});
