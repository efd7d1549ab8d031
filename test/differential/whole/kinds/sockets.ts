import fc from "fast-check";
import { Socket } from "../../../../src/layout/index.ts";
import { parseIpAddress } from "../../../../src/packet/index.ts";
import { type AnyKind, defineKind } from "../statement.ts";
import type { Writer } from "../writer.ts";

/** Sources and targets of connections, some of which the sockets of the namespace (test/stack/liveSockets.ts) take. */
const ends = [
  ["127.0.0.9", 4001, "127.0.0.2", 80],
  ["127.0.0.9", 4000, "127.0.0.2", 80],
  ["127.0.0.2", 80, "127.0.0.9", 4000],
  ["10.0.0.9", 4001, "10.0.0.1", 81],
  ["10.0.0.9", 4001, "192.0.2.1", 82],
  ["10.0.0.9", 4001, "192.0.2.1", 83],
  ["10.0.0.9", 4001, "192.0.2.1", 85],
  ["127.0.0.9", 4000, "127.0.0.2", 53],
  ["127.0.0.9", 4000, "127.0.0.3", 53],
  ["127.0.0.3", 5000, "127.0.0.2", 54],
  ["127.0.0.4", 5000, "127.0.0.2", 55],
  ["2001:db8::9", 4001, "2001:db8::1", 82],
  ["2001:db8::9", 4001, "2001:db8::1", 83],
  ["::1", 4001, "::1", 84],
  ["::1", 5000, "::1", 55],
  ["10.9.9.9", 1, "10.9.9.9", 2],
] as const;

/** struct bpf_sock_tuple. */
function tupleBytes(index: number): Uint8Array {
  const [source, sourcePort, target, targetPort] = ends[index]!;
  const addresses = [source, target].flatMap((address) => [...parseIpAddress(address)!]);
  const bytes = new Uint8Array(40);
  bytes.set([...addresses, sourcePort >> 8, sourcePort & 0xff, targetPort >> 8, targetPort & 0xff]);
  return bytes;
}

const tupleSize = (index: number): number => (ends[index]![0].includes(":") ? 36 : 12);

/** Words of struct bpf_sock that may be read of every socket, and of whole ones only. */
const commonFields = ["bound_dev_if", "family", "src_ip4", "src_port", "dst_ip4", "state"] as const;
const wholeFields = ["type", "protocol", "mark", "priority"] as const;

const uses = ["read", "full", "tcp", "listener", "assign", "cookie", "unix", "mptcp", "request", "storage", "forget"] as const;
type Use = (typeof uses)[number];
const helpers: Readonly<Partial<Record<Use, string>>> = {
  full: "bpf_sk_fullsock",
  tcp: "bpf_tcp_sock",
  listener: "bpf_get_listener_sock",
  assign: "bpf_sk_assign",
  cookie: "bpf_tcp_gen_syncookie",
  unix: "bpf_skc_to_unix_sock",
  mptcp: "bpf_skc_to_mptcp_sock",
  request: "bpf_skc_to_tcp_request_sock",
  storage: "bpf_sk_storage_get",
  forget: "bpf_sk_storage_delete",
};

/** Uses the socket in r8. */
function use(out: Writer, name: Use, whole: boolean, seed: number): void {
  const { code } = out;
  const none = code.label();
  switch (name) {
    case "read":
      for (const field of [...commonFields, ...(whole ? wholeFields : [])]) {
        code.load(4, 0, 8, Socket.at[field]);
        out.keep(0);
      }
      code.load(2, 0, 8, Socket.at.dst_port);
      out.keep(0);
      return;
    case "full":
    case "tcp":
    case "listener":
    case "unix":
    case "mptcp":
    case "request":
      code.copy(1, 8);
      out.call(helpers[name]!);
      code.set(9, 1);
      code.when(0, "==", 0, none);
      code.set(9, 2);
      code.place(none);
      out.keep(9);
      return;
    case "storage": {
      const at = out.buffer(8, seed);
      out.map(1, "sk_storage");
      code.copy(2, 8);
      if (seed & 4) code.frame(3, at);
      else code.set(3, 0);
      // BPF_SK_STORAGE_GET_F_CREATE, or only looking.
      code.set(4, seed & 1);
      out.call("bpf_sk_storage_get");
      code.when(0, "==", 0, none);
      code.load(8, 9, 0, 0);
      code.copy(1, 9);
      code.change(1, "+=", 3);
      code.store(8, 0, 0, 1);
      out.keep(9);
      code.place(none);
      return;
    }
    case "forget":
      out.map(1, "sk_storage");
      code.copy(2, 8);
      out.call("bpf_sk_storage_delete");
      out.keep(0);
      return;
    case "assign":
      code.copy(1, 6);
      code.copy(2, 8);
      code.set(3, seed & 1);
      out.call("bpf_sk_assign");
      out.keep(0);
      return;
    case "cookie": {
      const at = out.buffer(40, seed);
      code.put(1, 10, at, 0x45);
      code.put(1, 10, at + 32, 0x50);
      code.put(1, 10, at + 33, seed & 2 ? 2 : 18);
      code.copy(1, 8);
      code.frame(2, at);
      code.set(3, 20);
      code.frame(4, at + 20);
      code.set(5, 20);
      out.call("bpf_tcp_gen_syncookie");
      // The cookie is made with the kernel's secret; the segment size beside it is not, nor is an error.
      code.change(0, ">>=", 32);
      out.keep(0);
      return;
    }
  }
}

export const socketKinds: readonly AnyKind[] = (["xdp", "sched_cls"] as const).flatMap((type) =>
  (["bpf_sk_lookup_tcp", "bpf_sk_lookup_udp", "bpf_skc_lookup_tcp"] as const).map((name) => {
    const whole = name !== "bpf_skc_lookup_tcp";
    const possible = whole ? (type === "xdp" ? ["read", "cookie", "unix", "mptcp", "request"] : uses) : ["read"];
    return defineKind({
      name: `${name} of ${type}`,
      subject: "verdict",
      type,
      weight: 4,
      params: fc.record({
        tuple: fc.nat({ max: ends.length - 1 }),
        used: fc.constantFrom(...(possible as readonly Use[])),
        seed: fc.nat({ max: 0xffff }),
        namespace: fc.constantFrom(-1n, -1n, -1n, 0n, 0xffffffffn, 1n << 32n),
        flags: fc.constantFrom(0, 0, 0, 0, 1),
      }),
      covers: ({ used }) => [
        `${name} (${type})`,
        "bpf_sk_release",
        ...(used === "storage" || used === "forget" ? ["SK_STORAGE"] : []),
        ...(helpers[used] === undefined ? [] : [helpers[used]]),
      ],
      stack: 88,
      write(out, { tuple, used, seed, namespace, flags }) {
        const { code } = out;
        const end = code.label();
        const at = out.stack(40);
        out.bytes(at, tupleBytes(tuple));
        code.copy(1, 6);
        code.frame(2, at);
        code.set(3, tupleSize(tuple));
        code.setWide(4, namespace);
        code.set(5, flags);
        out.call(name);
        code.set(9, 0);
        code.when(0, "==", 0, end);
        code.copy(8, 0);
        use(out, used, whole, seed);
        code.copy(1, 8);
        out.call("bpf_sk_release");
        code.set(9, 1);
        code.place(end);
        out.keep(9);
      },
    });
  }),
);
