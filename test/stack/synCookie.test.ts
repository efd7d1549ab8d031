import { expect, test } from "vitest";
import { Dataplane } from "../../src/dataplane/index.ts";
import { CpuBlock, NetNamespace } from "../../src/layout/index.ts";
import { coldHelpers, createCpus, instantiateRuntime, SimulatedMemory } from "../../src/runtime/index.ts";
import { agreedResults, keep, withKernel } from "../kernel/everyEngine.ts";

/** Text that writes these bytes at r10 + `at`. */
function onStack(at: number, bytes: readonly number[]): string {
  return bytes.map((byte, index) => `*(u8 *)(r10 ${at + index < 0 ? "" : "+"}${at + index}) = ${byte}`).join("\n");
}

interface Header {
  readonly sequence?: number;
  readonly acknowledged?: number;
  readonly options?: readonly number[];
  /** Words of the header by its own count. */
  readonly words?: number;
}

const word = (value: number): number[] => [value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff];

/** Bytes of a TCP header from port 4000 to port 80; flags play no part. */
function tcpHeader({ sequence = 0x01020304, acknowledged = 0, options = [], words = 5 + options.length / 4 }: Header = {}): number[] {
  return [0x0f, 0xa0, 0, 80, ...word(sequence), ...word(acknowledged), words << 4, 2, 0xff, 0xff, 0, 0, 0, 0, ...options];
}

const ipv4 = [0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 9, 10, 0, 0, 1];
const ipv6 = [
  ...[0x60, 0, 0, 0, 0, 20, 6, 64],
  ...[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9],
  ...[0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
];
/** Where the headers stand on the stack. */
const IP = -256;
const TCP = -200;

const families = [
  { family: "ipv4", ip: ipv4 },
  { family: "ipv6", ip: ipv6 },
] as const;

/** Generates a cookie for a header; r0 is what the helper gave. The size that is stated is the header's own unless said. */
function generate(family: string, header: Header, size = tcpHeader(header).length): string {
  return `${onStack(TCP, tcpHeader(header))}
    r1 = r10\nr1 += ${IP}\nr2 = r10\nr2 += ${TCP}\nr3 = ${size}\ncall bpf_tcp_raw_gen_syncookie_${family}`;
}

const check = (family: string): string => `r1 = r10\nr1 += ${IP}\nr2 = r10\nr2 += ${TCP}\ncall bpf_tcp_raw_check_syncookie_${family}`;

/** Acknowledges the cookie in r8 plus `more`, with sequence number 0x01020305 plus `later`; r0 is what the check said. */
function acknowledge(family: string, more = 1, later = 0): string {
  return `${onStack(TCP, tcpHeader({ sequence: 0x01020305 + later }))}
    r1 = r8\nw1 += ${more}\nr1 = be32 r1\n*(u32 *)(r10 ${TCP + 8}) = r1\n${check(family)}`;
}

const mss = (value: number): number[] => [2, 4, value >> 8, value & 0xff];

test.each(families)(`the MSS of a cookie ($family)${withKernel}`, ({ family, ip }) => {
  const cases: readonly (readonly number[])[] = [
    [],
    ...[1, 535, 536, 1219, 1220, 1299, 1300, 1419, 1420, 1439, 1440, 1459, 1460, 8939, 8940, 65535].map(mss),
    // A value of 0 is none; NOPs are passed over; the last MSS counts; END ends; sizes that make no sense end too; an MSS of another size does not count.
    mss(0),
    [1, 1, 1, 1, ...mss(1440)],
    [...mss(1460), ...mss(1300)],
    [0, 1, 1, 1, ...mss(1460)],
    [8, 1, 1, 1, ...mss(1460)],
    [8, 9, 1, 1, ...mss(1460)],
    [2, 3, 5, ...mss(1460), 1],
    [3, 3, 7, 1, ...mss(1440)],
    [1, 1, 1, 2],
  ];
  const calls = cases.map((options, index) => `${generate(family, { options })}\nr0 >>= 32\n${keep(index)}`).join("\n");
  const stated = agreedResults({ results: cases.length, text: `${onStack(IP, ip)}\n${calls}\nr0 = 0\nexit` });
  const four = [536, 536, 536, 536, 536, 536, 536, 1300, 1300, 1300, 1300, 1440, 1440, 1460, 1460, 1460, 1460];
  const six = [1220, 1220, 1220, 1220, 1220, 1220, 1220, 1220, 1220, 1420, 1420, 1440, 1440, 1440, 1440, 8940, 8940];
  expect(stated.map(Number)).toEqual(
    family === "ipv4"
      ? [...four, 536, 1440, 1300, 536, 536, 536, 1460, 1440, 536]
      : [...six, 1220, 1440, 1220, 1220, 1220, 1220, 1440, 1440, 1220],
  );
});

test.each(families)(`a cookie is refused for a header of another length than it states ($family)${withKernel}`, ({ family, ip }) => {
  const sizes = [
    [{}, 19],
    [{}, 0],
    [{}, 24],
    [{ words: 4 }, 20],
    [{ words: 4 }, 16],
    [{ options: mss(1460) }, 20],
    [{ words: 6 }, 20],
  ] as const;
  const calls = sizes.map(([header, size], index) => `${generate(family, header, size)}\n${keep(index)}`).join("\n");
  // The whole header is on the stack in any case.
  const text = `${onStack(IP, ip)}\n${onStack(TCP, tcpHeader({ options: mss(1460) }))}\n${calls}\nr0 = 0\nexit`;
  expect(agreedResults({ results: sizes.length, text })).toEqual(sizes.map(() => -22n));
});

test.each(families)(`a cookie is taken back for its own connection only ($family)${withKernel}`, ({ family, ip }) => {
  const last = ip.length - 1;
  // The cookie bears the last MSS of four: up to three below it are cookies of lesser ones, which a later sequence number makes of it too.
  const attempts: readonly (readonly [taken: boolean, attempt: string])[] = [
    [true, acknowledge(family)],
    [true, acknowledge(family, -2)],
    [false, acknowledge(family, -3)],
    [false, acknowledge(family, 2)],
    [true, acknowledge(family, 1, 3)],
    [false, acknowledge(family, 1, 4)],
    // Another address, another port.
    [false, `${onStack(IP + last, [77])}\n${acknowledge(family)}\n${onStack(IP + last, ip.slice(-1))}`],
    [false, `${acknowledge(family)}\n*(u8 *)(r10 ${TCP + 3}) = 81\n${check(family)}`],
    // The minute is part of what is hashed.
    [false, acknowledge(family, 1 - (1 << 24))],
    [false, acknowledge(family, 1 + (1 << 24))],
  ];
  const text = `${onStack(IP, ip)}\n${generate(family, { options: mss(9000) })}\nr8 = r0
    ${attempts.map(([, attempt], index) => `${attempt}\n${keep(index)}`).join("\n")}\nr0 = 0\nexit`;
  expect(agreedResults({ results: attempts.length, text })).toEqual(attempts.map(([taken]) => (taken ? 0n : -13n)));
});

test.each(families)(`a cookie is a hash, the sequence number, the minute and the MSS's index ($family)${withKernel}`, ({ family, ip }) => {
  const [next, larger] = agreedResults({
    results: 2,
    text: `${onStack(IP, ip)}
      ${generate(family, {})}\nr8 = r0
      ${generate(family, { sequence: 0x01020305 })}\nw0 -= w8\n${keep(0)}
      ${generate(family, { options: mss(1440) })}\nw0 -= w8\n${keep(1)}\nr0 = 0\nexit`,
  });
  expect(next).toBe(1n);
  // Two entries up in the table: two more in the low 24 bits, where they may wrap.
  expect([2n, 2n - 0x1000000n + 0x100000000n]).toContain(larger);
});

/** A CPU with a network namespace, and the addresses of an IPv4 and a TCP header and of a key. */
function bareCpu() {
  const memory = new SimulatedMemory();
  const { exports } = instantiateRuntime(memory.memory, coldHelpers(memory.memory));
  const cpu = createCpus(memory, { count: 1 }).blocks[0]!;
  const namespace = memory.allocate("engine", NetNamespace.size, 64, "network namespace");
  CpuBlock.write(memory.view, cpu, "network", namespace);
  (exports.cpu as WebAssembly.Global).value = cpu;
  const at = memory.allocate("program", 256, 64, "headers");
  memory.bytes.set(ipv4, at);
  memory.bytes.set(tcpHeader(), at + 64);
  const cookie = (): bigint => (exports.tcpRawGenSyncookieIpv4 as (ip: number, tcp: number, size: number) => bigint)(at, at + 64, 20);
  const taken = (sent: bigint): boolean => {
    memory.bytes.set(tcpHeader({ sequence: 0x01020305, acknowledged: Number((sent + 1n) & 0xffffffffn) }), at + 64);
    const result = (exports.tcpRawCheckSyncookieIpv4 as (ip: number, tcp: number) => number)(at, at + 64);
    memory.bytes.set(tcpHeader(), at + 64);
    return result === 0;
  };
  return { memory, exports, cpu, namespace, cookie, taken };
}

test("SipHash-2-4 gives its authors' vectors", () => {
  const { memory, exports } = bareCpu();
  const at = memory.allocate("program", 64, 8, "message");
  for (let index = 0; index < 16; index++) {
    memory.bytes[at + index] = index;
    memory.bytes[at + 32 + index] = index;
  }
  const hashed = (words: number) =>
    BigInt.asUintN(64, (exports.sipHash as (key: number, at: number, words: number) => bigint)(at, at + 32, words));
  expect([0, 1, 2].map(hashed)).toEqual([0x726fdb47dd0e0e31n, 0x93f5f5799a932462n, 0x3f2acc7f57c29bdbn]);
});

test("a cookie is taken for one to two minutes of virtual time", () => {
  const { memory, cpu, cookie, taken } = bareCpu();
  const atSecond = (second: number) => CpuBlock.writeBig(memory.view, cpu, "boot_ns", BigInt(second) * 1_000_000_000n);
  // Jiffies begin 300 s before 2^32, which is no multiple of 60 s: the minute changes when they are one.
  const minute = (second: number) => Math.floor((0xffffffff - 75000 + 1 + second * 250) / 15000);
  let start = 3600;
  while (minute(start) === minute(start - 1)) start++;
  atSecond(start);
  const sent = cookie();
  const lifetime = [0, 59, 60, 119, 120, 180].map((later) => {
    atSecond(start + later);
    return taken(sent);
  });
  expect(lifetime).toEqual([true, true, true, true, false, false]);
});

test("cookies of other keys are not taken", () => {
  const { memory, namespace, cookie, taken } = bareCpu();
  const sent = cookie();
  for (const [key, refused] of [
    [0, true],
    [16, true],
    [32, false],
    [48, false],
  ] as const) {
    memory.bytes[namespace + NetNamespace.at.syncookie_keys + key] = 1;
    expect(taken(sent)).toBe(!refused);
    memory.bytes[namespace + NetNamespace.at.syncookie_keys + key] = 0;
  }
  expect(taken(sent)).toBe(true);
});

test("a machine's keys are 64 bytes", () => {
  const machine = (keys: Uint8Array) => () => new Dataplane({ devices: [{ name: "eth0" }], synCookies: { keys } });
  expect(machine(new Uint8Array(64))).not.toThrow();
  expect(machine(new Uint8Array(16))).toThrow("the keys of SYN cookies have 16 bytes, expected 64");
});
