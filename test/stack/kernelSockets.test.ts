import { expect, test } from "vitest";
import { linux618 } from "../../src/bpf/btf/index.ts";
import { KernelSocket, TcpRequestAttributes } from "../../src/layout/index.ts";
import { ethernet, tcp } from "../../src/packet/index.ts";
import { parseSocket } from "../../src/stack/index.ts";
import { TestMachine, withKfuncs } from "../dataplane/machine.ts";
import { agreedResults, keep, results, withKernel } from "../kernel/everyEngine.ts";
import { besideSockets, lookup, release, sockets } from "./liveSockets.ts";

const { at } = KernelSocket;
const read = (register: string, offset: number, size: string, result: number): string =>
  `r0 = *(${size} *)(${register} +${offset})\n${keep(result)}`;
const words = (register: string, offset: number, result: number): string =>
  [0, 4, 8, 12].map((word, index) => read(register, offset + word, "u32", result + index)).join("\n");

/** What every kernel socket begins with, in 15 results. */
const common = (result: number): string =>
  [
    read("r9", at.skc_daddr, "u32", result),
    read("r9", at.skc_rcv_saddr, "u32", result + 1),
    read("r9", at.skc_dport, "u16", result + 2),
    read("r9", at.skc_num, "u16", result + 3),
    read("r9", at.skc_family, "u16", result + 4),
    read("r9", at.skc_state, "u8", result + 5),
    read("r9", at.skc_bound_dev_if, "u32", result + 6),
    words("r9", at.skc_v6_daddr, result + 7),
    words("r9", at.skc_v6_rcv_saddr, result + 11),
  ].join("\n");
/** What a whole socket has beside, in 5 results. */
const whole = (result: number): string =>
  [
    read("r9", at.sk_priority, "u32", result),
    read("r9", at.sk_mark, "u32", result + 1),
    read("r9", at.sk_protocol, "u16", result + 2),
    read("r9", at.sk_type, "u16", result + 3),
    read("r9", at.inet_saddr, "u32", result + 4),
  ].join("\n");

/** Looks a socket up, turns it into one of the kernel's, and reads that: 1 in result 1 where there is one. */
const turned = (find: string, turn: string, from: string, to: string, use: string): string =>
  `${lookup(find, from, to)}\nr1 = r8\ncall ${turn}\nr9 = r0\nr0 = 0\nif r9 == 0 goto no\n${use}\nr0 = 1\nno: ${keep(1)}\n${release}`;

const ends = [
  ["bpf_sk_lookup_tcp", "127.0.0.9:4001", "127.0.0.2:80"],
  ["bpf_sk_lookup_tcp", "127.0.0.9:4000", "127.0.0.2:80"],
  ["bpf_sk_lookup_tcp", "10.0.0.9:4001", "192.0.2.1:82"],
  ["bpf_sk_lookup_tcp", "10.0.0.9:4001", "192.0.2.1:85"],
  ["bpf_sk_lookup_tcp", "[::1]:4001", "[::1]:84"],
  ["bpf_sk_lookup_udp", "127.0.0.9:4000", "127.0.0.2:53"],
  ["bpf_sk_lookup_udp", "127.0.0.3:5000", "127.0.0.2:54"],
  ["bpf_sk_lookup_udp", "[::1]:5000", "[::1]:55"],
] as const;

test(`which sockets are which of the kernel's, and what they hold${withKernel}`, async () => {
  const kinds = ["tcp_sock", "tcp6_sock", "udp6_sock", "tcp_timewait_sock", "tcp_request_sock", "unix_sock", "mptcp_sock"] as const;
  await besideSockets(() => {
    const found = ends.map(([find, from, to]) =>
      kinds
        .filter((kind) => {
          const isWhole = kind === "tcp_sock" || kind.endsWith("6_sock");
          const use = kind === "unix_sock" || kind === "mptcp_sock" ? "" : `${common(2)}\n${isWhole ? whole(17) : ""}`;
          return agreedResults({ sockets, results: 22, text: turned(find, `bpf_skc_to_${kind}`, from, to, use) })[1] === 1n;
        })
        .join(" "),
    );
    expect(found).toEqual(["tcp_sock", "tcp_sock", "tcp_sock tcp6_sock", "tcp_sock", "tcp_sock tcp6_sock", "", "", "udp6_sock"]);
    // A listener's congestion window; a connection of the live kernel has moved on from its first one.
    const figures = ["mss_cache", "snd_cwnd", "snd_ssthresh"].map((name, index) => read("r9", at[name as "snd_cwnd"], "u32", 2 + index));
    const text = turned("bpf_sk_lookup_tcp", "bpf_skc_to_tcp_sock", "127.0.0.9:4001", "127.0.0.2:80", figures.join("\n"));
    expect(agreedResults({ sockets, results: 5, text }).slice(1)).toEqual([1n, 536n, 10n, 0x7fffffffn]);
  });
});

test("the remains of a connection", () => {
  const declared = ["tcp time-wait 127.0.0.2:80 127.0.0.9:4000", "tcp listen 127.0.0.2:80"];
  const waits = turned("bpf_skc_lookup_tcp", "bpf_skc_to_tcp_timewait_sock", "127.0.0.9:4000", "127.0.0.2:80", common(2));
  const read = agreedResults({ kernel: false, sockets: declared, results: 17, text: waits });
  expect(read.slice(1, 8)).toEqual([1n, 0x0900007fn, 0x0200007fn, 0xa00fn, 80n, 2n, 6n]);
});

/** What a program at TC ingress leaves in its results, in both engines. */
async function atIngress(text: string, packet: Uint8Array, declared: readonly string[]): Promise<readonly bigint[]> {
  const outcomes: bigint[][] = [];
  for (const engine of ["jit", "interp"] as const) {
    const parsed = declared.map((one) => parseSocket(one)).map((one) => (one.ok ? one.value : undefined)!);
    const machine = new TestMachine({ engine, sockets: parsed, devices: [{ name: "lo", ifindex: 1 }] });
    const map = machine.dataplane.createMap(results);
    machine.attach(
      "ingress",
      machine.load(withKfuncs("asks", `r6 = map[results][0]\nr7 = r1\n${text}`, "sched_cls", [results]), [map]),
      "lo",
    );
    await machine.replay([packet]);
    const view = new DataView((map.lookup(new Uint8Array(4)) as Uint8Array).slice().buffer);
    outcomes.push(Array.from({ length: 8 }, (_, index) => view.getBigInt64(index * 8, true)));
  }
  expect(outcomes[1]).toEqual(outcomes[0]);
  return outcomes[0]!;
}

test("a kernel socket stands for the declared one where helpers take it", async () => {
  const again = `r1 = r9\ncall bpf_skc_to_tcp_sock\nif r0 != r9 goto no\nr1 = r7\nr2 = r9\nr3 = 0\ncall bpf_sk_assign\n${keep(2)}\nr1 = r7\ncall bpf_get_socket_cookie\n${keep(3)}`;
  const text = turned("bpf_sk_lookup_tcp", "bpf_skc_to_tcp_sock", "127.0.0.9:4001", "127.0.0.2:80", again);
  const packet = tcp({ from: "127.0.0.9:4001", to: "127.0.0.2:80" });
  expect((await atIngress(text, packet, ["tcp listen 127.0.0.2:81", "tcp listen 127.0.0.2:80"])).slice(0, 4)).toEqual([1n, 1n, 0n, 2n]);
});

/** Attributes at r10 - 96, with these bytes changed. */
function attributes(changes: Readonly<Record<number, number>> = {}): string {
  const bytes = Array.from({ length: TcpRequestAttributes.size }, (_, index) => changes[index] ?? (index === 9 ? 5 : 0));
  return bytes.map((byte, index) => `*(u8 *)(r10 ${index - 96}) = ${byte}`).join("\n");
}
/** Assigns a connection to the socket in r8, and asks for what the packet belongs to then: result 1 is the answer. */
const assign = (size: number, changes?: Readonly<Record<number, number>>): string =>
  `${attributes(changes)}\nr1 = r7\nr2 = r8\nr3 = r10\nr3 += -96\nr4 = ${size}\ncall kfunc bpf_sk_assign_tcp_reqsk\n${keep(1)}
  r9 = *(u64 *)(r7 +168)\nr0 = 0\nif r9 == 0 goto no\nr0 = *(u32 *)(r9 +4)\n${keep(2)}\nr0 = *(u32 *)(r9 +72)\n${keep(3)}
  r1 = r9\ncall bpf_sk_fullsock\nr1 = r0\nr0 = 0\nif r1 == 0 goto no\nr0 = 1\nno: ${keep(4)}
  if r9 == 0 goto end\nr1 = r9\ncall bpf_skc_to_tcp_request_sock\nif r0 == 0 goto end\nr0 = *(u8 *)(r0 +${at.skc_state})\n${keep(5)}\nend: r0 = 0`;

test("a packet is given to a connection that a program answered for the listener", async () => {
  const { mss, wscale_ok, snd_wscale, rcv_wscale, reserved, tstamp_ok, sack_ok } = TcpRequestAttributes.at;
  const ipv4 = tcp({ from: "127.0.0.9:4001", to: "127.0.0.2:80" });
  const ipv6 = tcp({ from: "[::1]:4001", to: "[::1]:84" });
  const arp = ethernet({ type: 0x0806 }, new Uint8Array(28));
  const listener = ["bpf_sk_lookup_tcp", "127.0.0.9:4001", "127.0.0.2:80"] as const;
  const listener6 = ["bpf_sk_lookup_tcp", "[::1]:4001", "[::1]:84"] as const;
  const connection = ["bpf_sk_lookup_tcp", "127.0.0.9:4000", "127.0.0.2:80"] as const;
  const udp = ["bpf_sk_lookup_udp", "127.0.0.9:4000", "127.0.0.2:53"] as const;
  const cases: readonly (readonly [
    Uint8Array,
    readonly [string, string, string],
    number,
    Readonly<Record<number, number>>,
    errno: bigint,
  ])[] = [
    [ipv4, listener, 20, {}, 0n],
    [ipv4, listener, 19, {}, -22n],
    [ipv4, listener, 20, { [reserved]: 1 }, -22n],
    [ipv4, listener, 20, { [reserved + 2]: 1 }, -22n],
    [ipv4, listener, 20, { [mss]: 23, [mss + 1]: 2 }, -22n],
    [ipv4, listener, 20, { [mss]: 24, [mss + 1]: 2 }, 0n],
    [ipv4, listener, 20, { [wscale_ok]: 1, [snd_wscale]: 14, [rcv_wscale]: 14 }, 0n],
    [ipv4, listener, 20, { [wscale_ok]: 1, [snd_wscale]: 15 }, -22n],
    [ipv4, listener, 20, { [wscale_ok]: 1, [rcv_wscale]: 15 }, -22n],
    [ipv4, listener, 20, { [rcv_wscale]: 15 }, 0n],
    [ipv4, listener, 20, { [tstamp_ok]: 1, [sack_ok]: 1 }, 0n],
    [ipv4, connection, 20, {}, -22n],
    [ipv4, udp, 20, {}, -22n],
    [arp, listener, 20, {}, -22n],
    [ipv6, listener6, 20, {}, 0n],
    [ipv6, listener6, 20, { [mss]: 195, [mss + 1]: 4 }, -22n],
    [ipv6, listener6, 20, { [mss]: 196, [mss + 1]: 4 }, 0n],
  ];
  for (const [packet, [find, from, to], size, changes, errno] of cases) {
    const text = `${lookup(find, from, to)}\n${assign(size, changes)}\n${release}`;
    const [found, answer, ...socket] = await atIngress(text, packet, sockets);
    expect([found, BigInt.asIntN(32, answer!)], JSON.stringify([from, size, changes])).toEqual([1n, errno]);
    // The family, TCP_NEW_SYN_RECV, and no whole socket; the struct of a request socket says so too.
    if (errno === 0n) expect(socket.slice(0, 4)).toEqual([to.startsWith("[") ? 10n : 2n, 12n, 0n, 12n]);
    else expect(socket.slice(0, 4)).toEqual([0n, 0n, 0n, 0n]);
  }
});

test(`a packet that did not come in is given to nobody${withKernel}`, async () => {
  await besideSockets(() => {
    for (const size of [19, 20]) {
      const text = `${lookup("bpf_sk_lookup_tcp", "127.0.0.9:4001", "127.0.0.2:80")}\n${attributes()}\nr1 = r7\nr2 = r8\nr3 = r10\nr3 += -96\nr4 = ${size}
        call kfunc bpf_sk_assign_tcp_reqsk\n${keep(1)}\n${release}`;
      expect(agreedResults({ type: "sched_cls", sockets, results: 2, text })).toEqual([1n, 0xffffffean]);
    }
  });
});

test("the kernel's sockets are laid out as in Linux 6.18", () => {
  const { types } = linux618().btf;
  const place = (name: string, path: string): number => {
    let type = types.find((one) => one.kind === "struct" && one.name === name);
    let offset = 0;
    for (const part of path.split(".")) {
      if (type?.kind !== "struct" && type?.kind !== "union") throw new Error(`${name}: no ${part}`);
      const step = member(type, part);
      if (step === undefined) throw new Error(`${name}: no ${part}`);
      offset += step.offset;
      type = types[step.type];
    }
    return offset;
  };
  type Composite = Extract<(typeof types)[number], { kind: "struct" | "union" }>;
  const member = (type: Composite, name: string): { offset: number; type: number } | undefined => {
    for (const one of type.members) {
      if (one.name === name) return { offset: one.bitOffset / 8, type: one.type };
      const within = types[one.type];
      if (one.name !== "" || (within?.kind !== "struct" && within?.kind !== "union")) continue;
      const found = member(within, name);
      if (found !== undefined) return { offset: one.bitOffset / 8 + found.offset, type: found.type };
    }
    return undefined;
  };
  const names = Object.keys(at) as (keyof typeof at)[];
  for (const name of names) {
    if (["skc_bits", "skc_nodes", "skc_rxhash", "behind"].includes(name) || name.startsWith("before_")) continue;
    const struct = name.startsWith("skc_")
      ? "sock_common"
      : name.startsWith("sk_")
        ? "sock"
        : name.startsWith("inet_")
          ? "inet_sock"
          : "tcp_sock";
    expect([name, place(struct, name)]).toEqual([name, at[name]]);
  }
  expect(place("tcp6_sock", "tcp")).toBe(0);
  const size = (name: string) => types.find((one) => one.kind === "struct" && one.name === name) as Composite;
  expect([size("tcp6_sock").size, size("bpf_tcp_req_attrs").size]).toEqual([KernelSocket.size, TcpRequestAttributes.size]);
});
