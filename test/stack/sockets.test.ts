import { expect, test } from "vitest";
import { Socket, TcpSock } from "../../src/layout/index.ts";
import { parseSocket } from "../../src/stack/index.ts";
import { agreedResults, inEveryEngine, keep, withKernel } from "../kernel/everyEngine.ts";
import { besideSockets, lookup, release, sockets } from "./liveSockets.ts";

const FIELDS = [
  "bound_dev_if",
  "family",
  "type",
  "protocol",
  "mark",
  "priority",
  "src_ip4",
  "src_port",
  "dst_port",
  "dst_ip4",
  "state",
] as const;
/** What a program may not read of what may be no whole socket (struct sock_common). */
const OF_WHOLE: ReadonlySet<string> = new Set(["type", "protocol", "mark", "priority"]);
const fieldTexts = FIELDS.map((name, index) => {
  const size = name === "dst_port" ? "u16" : "u32";
  return `r0 = *(${size} *)(r8 +${Socket.at[name]})\n${keep(index + 1)}`;
});
const fields = (whole: boolean) => fieldTexts.filter((_, index) => whole || !OF_WHOLE.has(FIELDS[index]!)).join("\n");
const ip6 = [0, 4, 8, 12].map((at, index) => `r0 = *(u32 *)(r8 +${Socket.at.src_ip6 + at})\n${keep(13 + index)}`).join("\n");

interface Found {
  readonly port: number;
  readonly state: number;
  readonly dev: number;
  readonly family: number;
}

/** What a lookup finds, the same everywhere. */
function found(type: "xdp" | "sched_cls", helper: string, from: string, to: string): Found | undefined {
  const isIpv6 = to.startsWith("[");
  const text = `${lookup(helper, from, to)}\n${fields(helper !== "bpf_skc_lookup_tcp")}\n${isIpv6 ? ip6 : ""}\n${release}`;
  const results = agreedResults({ type, sockets, results: 17, text });
  if (results[0] === 0n) return undefined;
  const [, dev, family, , , , , , port, , , state] = results.map(Number);
  return { port: port!, state: state!, dev: dev!, family: family! };
}

test(`sockets are found by address, port, device and connection, and read alike${withKernel}`, async () => {
  const cases = [
    ["bpf_sk_lookup_tcp", "127.0.0.9:4001", "127.0.0.2:80", { port: 80, state: 10, dev: 0, family: 2 }],
    ["bpf_sk_lookup_tcp", "127.0.0.9:4000", "127.0.0.2:80", { port: 80, state: 1, dev: 0, family: 2 }],
    ["bpf_sk_lookup_tcp", "127.0.0.2:80", "127.0.0.9:4000", { port: 4000, state: 1, dev: 0, family: 2 }],
    ["bpf_sk_lookup_tcp", "127.0.0.2:81", "127.0.0.9:4000", undefined],
    ["bpf_sk_lookup_tcp", "127.0.0.9:4001", "127.0.0.3:80", undefined],
    ["bpf_sk_lookup_tcp", "10.0.0.9:4001", "192.0.2.1:81", { port: 81, state: 10, dev: 0, family: 2 }],
    ["bpf_sk_lookup_tcp", "10.0.0.9:4001", "192.0.2.1:82", { port: 82, state: 10, dev: 0, family: 10 }],
    ["bpf_sk_lookup_tcp", "10.0.0.9:4001", "192.0.2.1:83", undefined],
    ["bpf_sk_lookup_tcp", "10.0.0.9:4001", "192.0.2.1:85", { port: 85, state: 10, dev: 1, family: 2 }],
    ["bpf_sk_lookup_tcp", "10.0.0.9:4001", "192.0.2.1:53", undefined],
    ["bpf_sk_lookup_tcp", "[2001:db8::9]:4001", "[2001:db8::1]:81", undefined],
    ["bpf_sk_lookup_tcp", "[2001:db8::9]:4001", "[2001:db8::1]:82", { port: 82, state: 10, dev: 0, family: 10 }],
    ["bpf_sk_lookup_tcp", "[2001:db8::9]:4001", "[2001:db8::1]:83", { port: 83, state: 10, dev: 0, family: 10 }],
    ["bpf_sk_lookup_tcp", "[::1]:4001", "[::1]:84", { port: 84, state: 10, dev: 0, family: 10 }],
    ["bpf_sk_lookup_tcp", "[::1]:4001", "[::2]:84", undefined],
    ["bpf_skc_lookup_tcp", "127.0.0.9:4000", "127.0.0.2:80", { port: 80, state: 1, dev: 0, family: 2 }],
    ["bpf_sk_lookup_udp", "127.0.0.9:4000", "127.0.0.2:53", { port: 53, state: 7, dev: 0, family: 2 }],
    ["bpf_sk_lookup_udp", "127.0.0.9:4000", "127.0.0.3:53", { port: 53, state: 7, dev: 1, family: 2 }],
    ["bpf_sk_lookup_udp", "127.0.0.3:5000", "127.0.0.2:54", { port: 54, state: 1, dev: 0, family: 2 }],
    ["bpf_sk_lookup_udp", "127.0.0.3:5001", "127.0.0.2:54", undefined],
    ["bpf_sk_lookup_udp", "127.0.0.4:5000", "127.0.0.2:54", undefined],
    ["bpf_sk_lookup_udp", "127.0.0.4:5000", "127.0.0.2:55", { port: 55, state: 7, dev: 0, family: 10 }],
    ["bpf_sk_lookup_udp", "[::1]:5000", "[::1]:55", { port: 55, state: 7, dev: 0, family: 10 }],
  ] as const;
  await besideSockets(() => {
    for (const type of ["xdp", "sched_cls"] as const) {
      const all = cases.map(([helper, from, to]) => [helper, from, to, found(type, helper, from, to)]);
      expect(all).toEqual(cases.map((row) => [...row]));
    }
  });
});

test("the receive queue of a declared socket is not known", () => {
  // The live kernel is not asked: it notes the queue of whatever packet came last, so that its answer is a matter of timing.
  const read = `r0 = *(u32 *)(r8 +${Socket.at.rx_queue_mapping})\nw0 = w0\n${keep(1)}`;
  const text = `${lookup("bpf_sk_lookup_tcp", "127.0.0.9:4000", "127.0.0.2:80")}\n${read}\n${release}`;
  expect(agreedResults({ type: "xdp", sockets, results: 2, text, kernel: false })).toEqual([1n, 0xffff_ffffn]);
});

test(`lookups with flags, in another namespace, or of another size find nothing${withKernel}`, async () => {
  await besideSockets(() => {
    const ends = ["127.0.0.9:4001", "127.0.0.2:80"] as const;
    const answers = [
      lookup("bpf_sk_lookup_tcp", ...ends, "-1", 1),
      lookup("bpf_sk_lookup_tcp", ...ends, "0"),
      lookup("bpf_sk_lookup_tcp", ...ends, "0x100000000 ll"),
      lookup("bpf_sk_lookup_tcp", ...ends, "0x80000000 ll"),
      lookup("bpf_sk_lookup_tcp", ...ends).replace("r3 = 12", "r3 = 11"),
    ].map((text) => agreedResults({ sockets, results: 1, text: `${text}\n${release}` })[0]);
    // The namespace is a number of 32 bits, of which any negative one is the current.
    expect(answers).toEqual([0n, 0n, 0n, 1n, 0n]);
  });
});

test(`what TC programs make of a socket${withKernel}`, async () => {
  const use = (to: string, text: string, udp = false) =>
    agreedResults({
      type: "sched_cls",
      sockets,
      results: 2,
      text: `${lookup(udp ? "bpf_sk_lookup_udp" : "bpf_sk_lookup_tcp", "127.0.0.9:4000", to)}\n${text}\nr0 = 1\nnone2: ${keep(1)}\n${release}`,
    });
  const whether = (helper: string) => `r1 = r8\ncall ${helper}\nr9 = r0\nr0 = 0\nif r9 == 0 goto none2`;
  await besideSockets(() => {
    expect(use("127.0.0.2:80", whether("bpf_tcp_sock"))).toEqual([1n, 1n]);
    expect(use("127.0.0.2:53", whether("bpf_tcp_sock"), true)).toEqual([1n, 0n]);
    expect(use("127.0.0.2:80", whether("bpf_sk_fullsock"))).toEqual([1n, 1n]);
    expect(use("127.0.0.2:80", whether("bpf_get_listener_sock"))).toEqual([1n, 0n]);
    expect(use("127.0.0.2:81", whether("bpf_get_listener_sock"))).toEqual([1n, 1n]);
    for (const kind of ["tcp_request", "unix", "mptcp"]) {
      expect(use("127.0.0.2:81", whether(`bpf_skc_to_${kind}_sock`)), kind).toEqual([1n, 0n]);
      expect(use("127.0.0.2:53", whether(`bpf_skc_to_${kind}_sock`), true), kind).toEqual([1n, 0n]);
    }
    // A listener's own figures, before anything has come.
    for (const name of ["snd_cwnd", "srtt_us", "snd_ssthresh", "mss_cache", "packets_out", "segs_in", "rtt_min", "bytes_acked"] as const) {
      const size = name === "bytes_acked" ? "u64" : "u32";
      const read = `${whether("bpf_tcp_sock")}\nr0 = *(${size} *)(r9 +${TcpSock.at[name]})\n${keep(1)}\ngoto out`;
      const text = `${lookup("bpf_sk_lookup_tcp", "127.0.0.9:4000", "127.0.0.2:81")}\n${read}\nnone2: ${keep(1)}\nout: ${release}`;
      expect(agreedResults({ type: "sched_cls", sockets, results: 2, text })[0], name).toBe(1n);
    }
    // A test run's packet is at no ingress.
    const assign = (flags: number) => `r1 = r7\nr2 = r8\nr3 = ${flags}\ncall bpf_sk_assign\n${keep(1)}\ngoto out`;
    const answers = [0, 1].map((flags) => {
      const text = `${lookup("bpf_sk_lookup_tcp", "127.0.0.9:4000", "127.0.0.2:81")}\n${assign(flags)}\nout: ${release}`;
      return agreedResults({ type: "sched_cls", sockets, results: 2, text })[1];
    });
    expect(answers).toEqual([-95n, -22n]);
  });
});

test("a packet from a wire has no socket: no cookie, and the user that stands for nobody", () => {
  const text = `r1 = r7\ncall bpf_get_socket_cookie\n${keep(0)}\nr1 = r7\ncall bpf_get_socket_uid\n${keep(1)}\nr0 = 0\nexit`;
  // Linux gives the packets of a test run a socket of their own.
  const { jit, interp } = inEveryEngine({ type: "sched_cls", kernel: false, results: 2, text });
  expect(jit.results).toEqual([0n, 65534n]);
  expect(interp.results).toEqual(jit.results);
});

const HEADERS = { ip: -200, tcp: -160 };
const bytesAt = (at: number, bytes: readonly number[]) => bytes.map((byte, index) => `*(u8 *)(r10 ${at + index}) = ${byte}`).join("\n");
const tcpHeader = (flags: number, words = 5) => [0x0f, 0xa1, 0, 80, 1, 2, 3, 4, 0, 0, 0, 0, words << 4, flags, 0, 0, 0, 0, 0, 0];
const ipv4 = [0x45, 0, 0, 40, 0, 1, 0, 0, 64, 6, 0, 0, 127, 0, 0, 9, 127, 0, 0, 2];

test(`SYN cookies of a listener${withKernel}`, async () => {
  const call = (name: string, sizes: readonly [number, number], header = tcpHeader(name.includes("gen") ? 2 : 16), version = 4) =>
    `${bytesAt(HEADERS.tcp, header)}\n*(u8 *)(r10 ${HEADERS.ip}) = ${(version << 4) | 5}
     r1 = r8\nr2 = r10\nr2 += ${HEADERS.ip}\nr3 = ${sizes[0]}\nr4 = r10\nr4 += ${HEADERS.tcp}\nr5 = ${sizes[1]}\ncall bpf_tcp_${name}_syncookie`;
  const ask = (to: string, ...calls: readonly string[]) => {
    const kept = calls.map((text, index) => `${text}\n${keep(index + 1)}`).join("\n");
    const text = `${bytesAt(HEADERS.ip, [...ipv4, ...ipv4])}\n${lookup("bpf_sk_lookup_tcp", "127.0.0.9:4001", to)}\n${kept}\n${release}`;
    return agreedResults({ sockets, synCookies: 2, results: calls.length + 1, text });
  };
  await besideSockets(() => {
    const generated = ask(
      "127.0.0.2:80",
      call("check", [20, 20]),
      `${call("gen", [20, 20])}\nr0 >>= 32`,
      call("gen", [19, 20]),
      call("gen", [20, 24]),
      call("gen", [20, 20], tcpHeader(18)),
      call("gen", [20, 20], tcpHeader(6)),
      call("gen", [20, 20], tcpHeader(2), 5),
      call("gen", [40, 20], tcpHeader(2), 6),
      call("check", [20, 20]),
      call("check", [20, 19]),
      call("check", [19, 20]),
      call("check", [20, 20], tcpHeader(18)),
      call("check", [20, 20], tcpHeader(16), 7),
      // The cookie just made, acknowledged: the sequence number of the ACK is one later.
      `${call("gen", [20, 20])}\nw0 += 1\nr0 = be32 r0\n*(u32 *)(r10 -208) = r0
       ${call("check", [20, 20], [...tcpHeader(16).slice(0, 7), 5, ...tcpHeader(16).slice(8)]).replace("r1 = r8", `r1 = *(u32 *)(r10 -208)\n*(u32 *)(r10 ${HEADERS.tcp + 8}) = r1\nr1 = r8`)}`,
    );
    expect(generated.slice(1)).toEqual([-2n, 536n, -22n, -22n, -22n, -22n, -93n, -22n, -2n, -22n, -22n, -2n, -93n, 0n]);
    // A connection makes none; an IPv6 listener does for both families unless told not to.
    expect(ask("127.0.0.2:81", call("gen", [40, 20], tcpHeader(2), 6)).slice(1)).toEqual([-22n]);
    expect(
      ask("127.0.0.2:82", `${call("gen", [40, 20], tcpHeader(2), 6)}\nr0 >>= 32`, `${call("gen", [20, 20])}\nr0 >>= 32`).slice(1),
    ).toEqual([1220n, 536n]);
    // One that is bound to an IPv6 address is told so by that.
    const bound = `${lookup("bpf_sk_lookup_tcp", "[::1]:4001", "[::1]:84")}\n${call("gen", [20, 20])}\n${keep(1)}\n${release}`;
    const text = `${bytesAt(HEADERS.ip, [...ipv4, ...ipv4])}\n${bound}`;
    expect(agreedResults({ sockets, synCookies: 2, results: 2, text })).toEqual([1n, -22n]);
  });
});

test.each([
  ["sctp listen 10.0.0.1:80", "it begins with tcp or udp"],
  ["tcp open 10.0.0.1:80", "open is no state"],
  ["tcp listen 10.0.0.1", "10.0.0.1 is no address with a port"],
  ["tcp listen 2001:db8::1:80", "2001:db8::1:80 is no address with a port"],
  ["tcp listen 10.0.0.1:0", "10.0.0.1:0 has no port from 1 to 65535"],
  ["tcp established 10.0.0.1:80", "its peer is missing"],
  ["tcp listen 10.0.0.1:80 10.0.0.2:80", "a listener has no peer"],
  ["tcp established 10.0.0.1:80 [2001:db8::1]:80", "its ends are of different families"],
  ["udp *:80 10.0.0.1:53", "a connection has an address of its own"],
  ["udp *:80 v6only", "v6only is for IPv6 sockets"],
  ["udp *:80 uid root", "uid root is no option"],
])("'%s' is refused: %s", (text, what) => {
  expect(parseSocket(text)).toMatchObject({ ok: false, problem: { message: `socket '${text}': ${what}` } });
});
