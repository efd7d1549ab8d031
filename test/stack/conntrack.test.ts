import { execFileSync } from "node:child_process";
import fc from "fast-check";
import { expect, test } from "vitest";
import { linux618 } from "../../src/bpf/btf/index.ts";
import { openKernel } from "../../src/kernel/index.ts";
import {
  Connection,
  ConntrackTuple,
  IPS_ASSURED,
  IPS_CONFIRMED,
  IPS_DST_NAT,
  IPS_DST_NAT_DONE,
  IPS_DYING,
  IPS_FIXED_TIMEOUT,
  IPS_SEEN_REPLY,
  IPS_SRC_NAT,
  IPS_SRC_NAT_DONE,
} from "../../src/layout/index.ts";
import { parseIpAddress } from "../../src/packet/index.ts";
import { type ConnectionSpec, parseConnection } from "../../src/stack/index.ts";
import { agreedResults, keep, type SmallProgram, withKernel } from "../kernel/everyEngine.ts";

const opened = openKernel();

/** Where tuple, options and an address stand on the stack. */
const TUPLE = -48;
const OPTIONS = -64;
const ADDRESS = -80;
const TCP = 6;
const UDP = 17;

const bytesAt = (at: number, bytes: readonly number[]): string =>
  bytes.map((byte, index) => `*(u8 *)(r10 ${at + index}) = ${byte}`).join("\n");

interface Wanted {
  readonly from?: string;
  readonly to?: string;
  /** Bytes of the tuple that are named; NULL for none at all. */
  readonly tupleSize?: number | null;
  readonly size?: number;
  readonly namespace?: number;
  readonly protocol?: number;
  readonly zone?: number;
  readonly zoneDirections?: number;
  readonly reserved?: number;
}

/** Sets r2 to r5 for a lookup or an allocation. */
function prepare(wanted: Wanted): string {
  const { from = "10.0.0.9:4000", to = "10.0.0.2:80", namespace = -1, protocol = TCP, zone = 0, zoneDirections = 0, reserved = 0 } = wanted;
  const ends = [from, to].map((end) => /^\[?([^\]]+?)\]?:([0-9]+)$/.exec(end)!);
  const addresses = ends.flatMap(([, address]) => [...parseIpAddress(address!)!]);
  const tuple = [...addresses, ...ends.flatMap(([, , port]) => [Number(port) >> 8, Number(port) & 0xff])];
  const size = wanted.tupleSize === undefined ? tuple.length : (wanted.tupleSize ?? 0);
  return [
    ...[bytesAt(TUPLE, tuple), `*(u32 *)(r10 ${OPTIONS}) = ${namespace}`, `*(u32 *)(r10 ${OPTIONS + 4}) = 77`],
    bytesAt(OPTIONS + 8, [protocol, 9, zone & 0xff, zone >> 8, zoneDirections, 0, reserved, 0]),
    wanted.tupleSize === null ? "r2 = 0" : `r2 = r10\nr2 += ${TUPLE}`,
    `r3 = ${size}\nr4 = r10\nr4 += ${OPTIONS}\nr5 = ${wanted.size ?? 16}`,
  ].join("\n");
}

let labels = 0;

/** Calls and keeps: whether there is a connection, and the options' error and direction; then `with` it in r8. */
function find(call: string, wanted: Wanted, at: number, use = ""): string {
  const label = `none${labels++}`;
  const outcome = [`r0 = *(s32 *)(r10 ${OPTIONS + 4})`, keep(at + 1), `r0 = *(u64 *)(r10 ${OPTIONS + 8})`, keep(at + 2)].join("\n");
  const release = `r1 = r8\ncall kfunc bpf_ct_release`;
  return `${prepare(wanted)}\nr1 = r7\ncall kfunc ${call}\nr8 = r0\nr0 = 0\nif r8 == 0 goto ${label}\n${use}\n${release}\nr0 = 1\n${label}: ${keep(at)}\n${outcome}`;
}

/** Allocates, lets `before` work on the new connection in r8, inserts it, lets `use` work on it in r8. Keeps as `find` does, and whether it is in the table. */
function make(call: string, wanted: Wanted, at: number, { before = "", use = "" } = {}): string {
  const label = `none${labels++}`;
  const outcome = [`r0 = *(s32 *)(r10 ${OPTIONS + 4})`, keep(at + 1), `r0 = *(u64 *)(r10 ${OPTIONS + 8})`, keep(at + 2)].join("\n");
  const insert = `r1 = r8\ncall kfunc bpf_ct_insert_entry\nr8 = r0\nr0 = 0\n${keep(at + 3)}\nr0 = 1\nif r8 == 0 goto ${label}\n${keep(at + 3)}`;
  const release = `r1 = r8\ncall kfunc bpf_ct_release`;
  return `${prepare(wanted)}\nr1 = r7\ncall kfunc ${call}\nr8 = r0\nr0 = 0\nif r8 == 0 goto ${label}\n${before}\n${insert}\n${use}\n${release}\nr0 = 1\n${label}: ${keep(at)}\n${outcome}`;
}

/** Enters the connections of its arguments (JSON, as parseConnection reads them) through ctnetlink. */
const tracker = `
import json, socket, struct, sys
def attribute(kind, body): return struct.pack("=HH", 4 + len(body), kind) + body + bytes(-len(body) % 4)
def nest(kind, *parts): return attribute(kind | 0x8000, b"".join(parts))
def tuple(kind, flow, protocol):
    six = len(flow["src"]) == 16
    ends = nest(1, attribute(3 if six else 1, bytes(flow["src"])), attribute(4 if six else 2, bytes(flow["dst"])))
    ports = nest(2, attribute(1, bytes([protocol])), attribute(2, struct.pack(">H", flow["sport"])), attribute(3, struct.pack(">H", flow["dport"])))
    return nest(kind, ends, ports)
with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12) as netlink:
    for one in json.loads(sys.argv[1]):
        family = socket.AF_INET6 if len(one["original"]["src"]) == 16 else socket.AF_INET
        word = lambda kind, name: attribute(kind, struct.pack(">I", one[name]))
        body = struct.pack(">BBH", family, 0, 0) + tuple(1, one["original"], one["protocol"]) + tuple(2, one["reply"], one["protocol"])
        body += word(3, "status") + word(7, "timeout") + word(8, "mark")
        if one["zone"]: body += attribute(18, struct.pack(">H", one["zone"]))
        if one["protocol"] == 6: body += nest(4, nest(1, attribute(1, bytes([one["state"]]))))
        netlink.send(struct.pack("=IHHII", 16 + len(body), 0x100, 0x605, 1, 0) + body)
        error = struct.unpack("=i", netlink.recv(4096)[16:20])[0]
        if error: sys.exit(f"{one['text']}: errno {-error}")
`;

function parsed(text: string): ConnectionSpec {
  const result = parseConnection(text);
  if (!result.ok) throw new Error(result.problem.message);
  return result.value;
}

function enterInKernel(connections: readonly string[]): void {
  const flow = ({ src, dst, sport, dport }: ConnectionSpec["original"]) => ({ src: [...src], dst: [...dst], sport, dport });
  const plain = connections.map(parsed).map((one) => ({ ...one, original: flow(one.original), reply: flow(one.reply) }));
  execFileSync("python3", ["-c", tracker, JSON.stringify(plain)]);
}

/** Runs in every engine, the live kernel in a network namespace that tracks nothing but what is declared. */
async function run(program: Omit<SmallProgram, "text"> & { readonly parts: readonly string[] }): Promise<readonly bigint[]> {
  const { parts, ...rest } = program;
  const text = `${parts.join("\n")}\nr0 = 0\nexit`;
  let results: readonly bigint[] = [];
  const action = () => {
    if (opened.ok && program.connections !== undefined) enterInKernel(program.connections);
    results = agreedResults({ ...rest, text });
  };
  if (opened.ok) await opened.value.inNetworkNamespace(async () => action());
  else action();
  return results;
}

const wrong: readonly (readonly [Wanted, errno: bigint])[] = [
  [{}, 0n],
  [{ tupleSize: null }, -22n],
  [{ tupleSize: 11 }, -97n],
  [{ tupleSize: 13 }, -97n],
  [{ size: 8 }, -22n],
  [{ size: 12 }, 0n],
  [{ size: 13 }, -22n],
  [{ size: 12, zone: 1 }, -22n],
  [{ size: 12, reserved: 1 }, 0n],
  [{ zone: 1 }, 0n],
  [{ zone: 1, zoneDirections: 7 }, 0n],
  [{ reserved: 1 }, -22n],
  [{ namespace: -2 }, -22n],
  [{ namespace: 0 }, -64n],
  [{ namespace: 5, tupleSize: 11 }, -97n],
  [{ protocol: 1 }, -71n],
  [{ protocol: 1, namespace: 5 }, -71n],
  [{ protocol: 1, tupleSize: 11 }, -71n],
  [{ protocol: 1, reserved: 1 }, -22n],
];

test.each([
  ["xdp", "bpf_xdp_ct"],
  ["sched_cls", "bpf_skb_ct"],
] as const)(`what a lookup and an allocation refuse, and what they leave in the options (%s)${withKernel}`, async (type, prefix) => {
  const lookups = await run({
    type,
    results: wrong.length * 3,
    parts: wrong.map(([wanted], index) => find(`${prefix}_lookup`, wanted, index * 3)),
  });
  expect(wrong.map((_, index) => lookups[index * 3 + 1])).toEqual(wrong.map(([, errno]) => (errno === 0n ? -2n : errno)));
  // Two faults: a lookup looks at the protocol first, an allocation at the namespace.
  const both: Wanted = { protocol: 1, namespace: -2 };
  const [, lookedUp, , , made] = await run({
    ...{ type, results: 7 },
    parts: [find(`${prefix}_lookup`, both, 0), make(`${prefix}_alloc`, both, 3)],
  });
  expect([lookedUp, made]).toEqual([-71n, -22n]);
  for (const [wanted, errno] of wrong) {
    const [found, error, , inserted] = await run({ type, results: 4, parts: [make(`${prefix}_alloc`, wanted, 0)] });
    expect([found, error, inserted]).toEqual(errno === 0n ? [1n, 77n, 1n] : [0n, errno, 0n]);
  }
});

const field = (at: number, size: string, result: number): string => `r0 = *(${size} *)(r8 +${at})\n${keep(result)}`;
const TUPLE_FIELDS = [
  ...[0, 4, 8, 12, 20, 24, 28, 32].map((at) => [at, "u32"] as const),
  ...[[16, "u16"] as const, [18, "u16"] as const, [36, "u16"] as const, [38, "u8"] as const, [39, "u8"] as const],
];
/** A tuple in 13 words: addresses, source port, family, destination port, protocol, direction. */
const tuple = (at: number, result: number): string =>
  TUPLE_FIELDS.map(([offset, size], index) => field(at + offset, size, result + index)).join("\n");
/** How many times `unit` seconds are left until it expires, rounded: how fast the live kernel runs does not show. */
const seconds = (result: number, unit = 1): string =>
  `call bpf_jiffies64\nr1 = *(u32 *)(r8 +${Connection.at.timeout})\nw1 -= w0\nr0 = r1\nr0 += ${125 * unit}\nr0 /= ${250 * unit}\n${keep(result)}`;
const kfunc = (name: string, value: string, result: number): string =>
  `r1 = r8\nr2 = ${value}\ncall kfunc ${name}\n${name === "bpf_ct_set_timeout" ? "r0 = 0" : ""}\n${keep(result)}`;

test(`a connection that a program makes has its fields, and is found from both ends${withKernel}`, async () => {
  for (const [from, to] of [
    ["10.0.0.9:4000", "10.0.0.2:80"],
    ["[2001:db8::9]:4000", "[2001:db8::2]:80"],
  ] as const) {
    const fields = (at: number) =>
      [
        field(Connection.at.status, "u64", at),
        field(Connection.at.mark, "u32", at + 1),
        field(Connection.at.use, "u32", at + 2),
        field(Connection.at.zone_id, "u16", at + 3),
        field(Connection.at.zone_dir, "u8", at + 4),
        field(Connection.at.secmark, "u32", at + 5),
        field(Connection.at.master, "u64", at + 6),
        tuple(Connection.at.original, at + 7),
        tuple(Connection.at.reply, at + 20),
      ].join("\n");
    const before = `${fields(20)}\n*(u32 *)(r8 +${Connection.at.mark}) = 42\n${field(Connection.at.timeout, "u32", 18)}`;
    const results = await run({
      results: 121,
      parts: [
        make("bpf_xdp_ct_alloc", { from, to }, 0, { before, use: seconds(19) }),
        find("bpf_xdp_ct_lookup", { from, to }, 4, fields(54)),
        find("bpf_xdp_ct_lookup", { from: to, to: from }, 7, fields(88)),
        find("bpf_xdp_ct_lookup", { from: to, to: from, protocol: UDP }, 10),
        find("bpf_xdp_ct_lookup", { from, to: from }, 13),
      ],
    });
    expect(results.slice(0, 2)).toEqual([1n, 77n]);
    expect([results[4], results[7], results[10], results[13]]).toEqual([1n, 1n, 0n, 0n]);
    // Byte 1 of the third result is the direction in which the tuple was found.
    expect([results[6]! & 0xff00n, results[9]! & 0xff00n]).toEqual([0n, 0x100n]);
    expect(results.slice(18, 27)).toEqual([2500n, 10n, 0n, 0n, 0n, 0n, 3n, 0n, 0n]);
    // Inserted: the table's reference and the program's.
    expect(results.slice(54, 61)).toEqual([8n, 42n, 2n, 0n, 3n, 0n, 0n]);
    expect(results.slice(54, 87)).toEqual(results.slice(88, 121));
    // Ports in network byte order, family, protocol, direction.
    const family = from.startsWith("[") ? 10n : 2n;
    expect(results.slice(69, 74)).toEqual([0xa00fn, family, 0x5000n, 6n, 0n]);
    expect(results.slice(82, 87)).toEqual([0x5000n, family, 0xa00fn, 6n, 1n]);
  }
});

test(`of two connections with a tuple in common the second is refused${withKernel}`, async () => {
  const flow = { from: "10.0.0.9:4000", to: "10.0.0.2:80" };
  const results = await run({
    results: 28,
    parts: [
      make("bpf_xdp_ct_alloc", flow, 0),
      make("bpf_xdp_ct_alloc", flow, 4),
      make("bpf_xdp_ct_alloc", { from: flow.to, to: flow.from }, 8),
      make("bpf_xdp_ct_alloc", { ...flow, protocol: UDP }, 12),
      make("bpf_xdp_ct_alloc", { ...flow, zone: 5 }, 16),
      make("bpf_xdp_ct_alloc", { ...flow, zone: 6, zoneDirections: 1 }, 20),
      make("bpf_xdp_ct_alloc", { ...flow, zone: 7, zoneDirections: 4 }, 24),
    ],
  });
  // A zone that counts in one direction only is the default one in the other.
  expect([3, 7, 11, 15, 19, 23, 27].map((at) => results[at])).toEqual([1n, 0n, 0n, 1n, 1n, 0n, 0n]);
});

test(`a lookup in a zone finds what has its id in that direction${withKernel}`, async () => {
  const flow = { from: "10.0.0.9:4000", to: "10.0.0.2:80" };
  const back = { from: flow.to, to: flow.from };
  const zones = [
    {},
    { zone: 5 },
    { zone: 5, zoneDirections: 1 },
    { zone: 5, zoneDirections: 2 },
    { zone: 6 },
    { zone: 6, zoneDirections: 1 },
    { zone: 6, zoneDirections: 2 },
    { size: 12 },
  ];
  // For each of the zones above: whether the flow is found, and whether its reverse is.
  for (const [own, expected] of [
    [{}, "11 00 01 10 00 01 10 11"],
    [{ zone: 5 }, "00 11 10 01 00 00 00 00"],
    [{ zone: 5, zoneDirections: 1 }, "01 10 11 00 00 01 00 01"],
    [{ zone: 5, zoneDirections: 2 }, "10 01 00 11 00 00 10 10"],
  ] as const) {
    const parts = zones.flatMap((zone, index) => [
      find("bpf_xdp_ct_lookup", { ...flow, ...zone }, 4 + index * 6),
      find("bpf_xdp_ct_lookup", { ...back, ...zone }, 7 + index * 6),
    ]);
    const results = await run({ results: 4 + zones.length * 6, parts: [make("bpf_xdp_ct_alloc", { ...flow, ...own }, 0), ...parts] });
    const found = zones.map((_, index) => `${results[4 + index * 6]}${results[7 + index * 6]}`).join(" ");
    expect({ own, found }).toEqual({ own, found: expected });
  }
});

test(`timeouts of new and of inserted connections${withKernel}`, async () => {
  const results = await run({
    results: 60,
    parts: [
      ...[0, 1, 4, 5, 100_000, 0x7fffffff, 0x80000000, 0xffffffff].map((timeout, index) =>
        make("bpf_xdp_ct_alloc", { from: `10.0.0.9:${4000 + index}` }, 40, {
          before: `${kfunc("bpf_ct_set_timeout", `${timeout} ll`, 40)}\n${field(Connection.at.timeout, "u32", index)}`,
          use: index === 4 ? seconds(10) : "",
        }),
      ),
      find("bpf_xdp_ct_lookup", { from: "10.0.0.9:4004" }, 40, `${kfunc("bpf_ct_change_timeout", "7000", 11)}\n${seconds(12)}`),
      find("bpf_xdp_ct_lookup", { from: "10.0.0.9:4004" }, 40, `${kfunc("bpf_ct_change_timeout", "-1", 13)}`),
      // Timeouts of 0 have passed already: the lookup removes the connection, so that another one can be made.
      make("bpf_xdp_ct_alloc", { from: "10.0.0.9:4000" }, 44),
      find("bpf_xdp_ct_lookup", { from: "10.0.0.9:4000" }, 48),
      make("bpf_xdp_ct_alloc", { from: "10.0.0.9:4000" }, 51),
    ],
  });
  expect(results.slice(0, 8)).toEqual([0n, 1n, 1n, 2n, 25000n, 536870912n, 2147483647n, 2147483647n]);
  expect(results.slice(10, 14)).toEqual([100n, 0n, 7n, 0n]);
  expect([results[47], results[48], results[49], results[54]]).toEqual([0n, 0n, -2n, 1n]);
});

test(`bits of the status that programs can change, and that they cannot${withKernel}`, async () => {
  const bits = Array.from({ length: 16 }, (_, bit) => 1 << bit);
  const fresh = await run({
    results: 40,
    parts: bits.map((bit, index) =>
      make("bpf_xdp_ct_alloc", { from: `10.0.0.9:${4000 + index}` }, 36, {
        before: `${kfunc("bpf_ct_set_status", String(bit), index)}\n${field(Connection.at.status, "u64", 16 + index)}`,
      }),
    ),
  });
  const settable = IPS_SEEN_REPLY | IPS_ASSURED | IPS_FIXED_TIMEOUT | 0x2000;
  expect(fresh.slice(0, 16)).toEqual(bits.map((bit) => (bit & (1 | IPS_CONFIRMED | IPS_DYING) ? -16n & 0xffffffffn : 0n)));
  expect(fresh.slice(16, 32)).toEqual(bits.map((bit) => BigInt(bit & settable)));

  const changed = await run({
    results: 20,
    parts: [
      make("bpf_xdp_ct_alloc", {}, 14, {
        use: [
          ...[IPS_CONFIRMED | IPS_ASSURED, IPS_CONFIRMED, 0, IPS_CONFIRMED | IPS_ASSURED | IPS_SEEN_REPLY, 0x40c | IPS_SEEN_REPLY].map(
            (status, index) => `${kfunc("bpf_ct_change_status", String(status), index)}\n${field(Connection.at.status, "u64", 5 + index)}`,
          ),
          kfunc("bpf_ct_change_timeout", "1000", 10),
        ].join("\n"),
      }),
    ],
  });
  const busy = -16n & 0xffffffffn;
  expect(changed.slice(0, 11)).toEqual([0n, busy, busy, 0n, 0n, 12n, 12n, 12n, 14n, 0x40en, -1n & 0xffffffffn]);
});

/** bpf_ct_set_nat_info with this address, port and direction (0 the source, 1 the destination). */
function translate(address: string, port: number, manipulation: number, result: number): string {
  const bytes = [...parseIpAddress(address)!, ...new Uint8Array(12)].slice(0, 16);
  return `${bytesAt(ADDRESS, bytes)}\nr1 = r8\nr2 = r10\nr2 += ${ADDRESS}\nr3 = ${port}\nr4 = ${manipulation}\ncall kfunc bpf_ct_set_nat_info\n${keep(result)}`;
}

test(`translated addresses show in the replies' tuple${withKernel}`, async () => {
  const cases = [
    { steps: [["192.0.2.1", 0, 0]], reply: "10.0.0.2:80 192.0.2.1:4000", status: IPS_SRC_NAT | IPS_SRC_NAT_DONE },
    { steps: [["192.0.2.1", 5000, 0]], reply: "10.0.0.2:80 192.0.2.1:5000", status: IPS_SRC_NAT | IPS_SRC_NAT_DONE },
    { steps: [["10.0.0.9", 0, 0]], reply: "10.0.0.2:80 10.0.0.9:4000", status: IPS_SRC_NAT_DONE },
    { steps: [["10.0.0.9", 5000, 0]], reply: "10.0.0.2:80 10.0.0.9:5000", status: IPS_SRC_NAT | IPS_SRC_NAT_DONE },
    { steps: [["192.0.2.7", 0, 1]], reply: "192.0.2.7:80 10.0.0.9:4000", status: IPS_DST_NAT | IPS_DST_NAT_DONE },
    { steps: [["192.0.2.7", 8080, 1]], reply: "192.0.2.7:8080 10.0.0.9:4000", status: IPS_DST_NAT | IPS_DST_NAT_DONE },
    { steps: [["192.0.2.7", -5, 1]], reply: "192.0.2.7:80 10.0.0.9:4000", status: IPS_DST_NAT | IPS_DST_NAT_DONE },
    { steps: [["10.0.0.2", 80, 1]], reply: "10.0.0.2:80 10.0.0.9:4000", status: IPS_DST_NAT_DONE },
    {
      steps: [
        ["192.0.2.7", 8080, 1],
        ["192.0.2.1", 5000, 0],
      ],
      reply: "192.0.2.7:8080 192.0.2.1:5000",
      status: IPS_DST_NAT | IPS_DST_NAT_DONE | IPS_SRC_NAT | IPS_SRC_NAT_DONE,
    },
  ] as const;
  for (const { steps, reply, status } of cases) {
    const before = steps.map(([address, port, manipulation], index) => translate(address, port, manipulation, 10 + index)).join("\n");
    const [from, to] = reply.split(" ") as [string, string];
    const results = await run({
      results: 48,
      parts: [
        make("bpf_xdp_ct_alloc", {}, 0, {
          before,
          use: `${field(Connection.at.status, "u64", 20)}\n${tuple(Connection.at.original, 21)}\n${tuple(Connection.at.reply, 34)}`,
        }),
        find("bpf_xdp_ct_lookup", { from, to }, 4),
      ],
    });
    expect(results.slice(10, 10 + steps.length)).toEqual(steps.map(() => 0n));
    expect([results[20], results[4]]).toEqual([BigInt(status | IPS_CONFIRMED), 1n]);
  }
});

test(`a source port that is taken gives way to a free one of its kind${withKernel}`, async () => {
  // Results would differ: which port it becomes is random. What is kept is whether it changed, and stayed in its range.
  for (const [port, least, most] of [
    [4000, 1024, 65535],
    [700, 600, 1023],
    [300, 1, 511],
  ] as const) {
    const ports = `r1 = *(u16 *)(r8 +${Connection.at.reply + ConntrackTuple.at.dst_port})\nr1 = be16 r1`;
    const checks = `${ports}\nr0 = 0\nif r1 == ${port} goto same${port}\nif r1 < ${least} goto same${port}\nif r1 > ${most} goto same${port}\nr0 = 1\nsame${port}: ${keep(9)}`;
    const results = await run({
      results: 10,
      parts: [
        make("bpf_xdp_ct_alloc", { from: `10.0.0.9:${port}` }, 0, { before: translate("192.0.2.1", 0, 0, 8) }),
        make("bpf_xdp_ct_alloc", { from: `10.0.0.8:${port}` }, 4, { before: translate("192.0.2.1", 0, 0, 8), use: checks }),
      ],
    });
    expect([results[3], results[7], results[8], results[9]]).toEqual([1n, 1n, 0n, 1n]);
  }
});

const declared = [
  "tcp 6 300 ESTABLISHED src=10.0.0.9 dst=10.0.0.2 sport=4000 dport=80 src=10.0.0.2 dst=10.0.0.9 sport=80 dport=4000 [ASSURED] mark=7 use=1",
  "ipv4 2 tcp 6 100 SYN_SENT src=10.0.0.9 dst=10.0.0.2 sport=4001 dport=80 [UNREPLIED] src=10.0.0.2 dst=10.0.0.9 sport=80 dport=4001 mark=0 use=2",
  "udp 17 29 src=2001:db8::9 dst=2001:db8::2 sport=5000 dport=53 src=2001:db8::2 dst=2001:db8::9 sport=53 dport=5000 mark=0 zone=5 use=2",
  "udp 17 29 src=10.0.0.9 dst=10.0.0.2 sport=5000 dport=53 src=192.0.2.7 dst=10.0.0.9 sport=5353 dport=5000 mark=0 use=2",
];

test(`declared connections are found with what they hold${withKernel}`, async () => {
  const fields = (at: number) =>
    [
      field(Connection.at.status, "u64", at),
      field(Connection.at.mark, "u32", at + 1),
      field(Connection.at.zone_id, "u16", at + 2),
      field(Connection.at.proto + 40, "u8", at + 3),
      // It takes the live kernel a while to come here from where they were declared.
      seconds(at + 4, 30),
    ].join("\n");
  // Through ctnetlink a changed destination alone is no translation.
  const flows: readonly Wanted[] = [
    {},
    { from: "10.0.0.9:4001" },
    { from: "[2001:db8::2]:53", to: "[2001:db8::9]:5000", protocol: UDP, zone: 5 },
    { from: "10.0.0.2:80", to: "10.0.0.9:4000" },
  ];
  const results = await run({
    results: 32,
    connections: declared.slice(0, 3),
    parts: flows.map((flow, index) => find("bpf_xdp_ct_lookup", flow, index * 8, fields(index * 8 + 3))),
  });
  const rows = flows.map((_, index) => [results[index * 8], ...results.slice(index * 8 + 3, index * 8 + 8)]);
  expect(rows).toEqual([
    [1n, 14n, 7n, 0n, 3n, 10n],
    [1n, 8n, 0n, 0n, 1n, 3n],
    [1n, 10n, 0n, 5n, 0n, 1n],
    [1n, 14n, 7n, 0n, 3n, 10n],
  ]);
  const translated = await run({
    results: 9,
    kernel: false,
    connections: declared,
    parts: [find("bpf_xdp_ct_lookup", { from: "192.0.2.7:5353", to: "10.0.0.9:5000", protocol: UDP }, 0, fields(4))],
  });
  expect(translated[4]).toBe(BigInt(IPS_CONFIRMED | IPS_SEEN_REPLY | IPS_DST_NAT | IPS_DST_NAT_DONE | IPS_SRC_NAT_DONE));
});

/** An operation on a table of few flows; all its results are within WORDS. */
interface Operation {
  readonly kind: "find" | "make";
  readonly port: number;
  readonly back: boolean;
  readonly wanted: Wanted;
  readonly status: number;
  readonly timeout: number | undefined;
  readonly mark: number | undefined;
  /** A new address and port, and of which end: 0 the source, 1 the destination. */
  readonly target: readonly [address: string, port: number, manipulation: number] | undefined;
}
const WORDS = 8;

const operation: fc.Arbitrary<Operation> = fc.record({
  kind: fc.constantFrom("find", "make"),
  port: fc.constantFrom(4000, 4001),
  back: fc.boolean(),
  wanted: fc.record({
    protocol: fc.constantFrom(TCP, TCP, UDP),
    zone: fc.constantFrom(0, 0, 5),
    zoneDirections: fc.constantFrom(0, 0, 1, 2),
  }),
  status: fc.constantFrom(
    0,
    IPS_CONFIRMED,
    IPS_SEEN_REPLY,
    IPS_ASSURED | IPS_CONFIRMED,
    IPS_FIXED_TIMEOUT | IPS_CONFIRMED,
    IPS_DYING | IPS_CONFIRMED,
  ),
  // A connection whose time is 0 is gone at once, one with a day stays.
  timeout: fc.constantFrom(undefined, 0, 86_400_000),
  mark: fc.constantFrom(undefined, 7),
  target: fc.constantFrom(
    undefined,
    ...([
      ["10.0.0.7", 80, 1],
      ["10.0.0.2", 8080, 1],
      ["10.0.0.9", 4001, 1],
      ["10.0.0.7", 0, 1],
    ] as const),
  ),
});

function textOf({ kind, port, back, wanted, status, timeout, mark, target }: Operation, at: number): string {
  const [from, to] = back ? ["10.0.0.2:80", `10.0.0.9:${port}`] : [`10.0.0.9:${port}`, "10.0.0.2:80"];
  const verb = kind === "find" ? "change" : "set";
  const changes = [
    ...(mark === undefined ? [] : [`*(u32 *)(r8 +${Connection.at.mark}) = ${mark}`]),
    kfunc(`bpf_ct_${verb}_status`, String(status), at + 4),
    ...(timeout === undefined ? [] : [kfunc(`bpf_ct_${verb}_timeout`, String(timeout), at + 5)]),
    field(Connection.at.status, "u64", at + 6),
    field(Connection.at.mark, "u32", at + 7),
  ].join("\n");
  const flow = { ...wanted, from: from!, to: to! };
  if (kind === "find") return find("bpf_xdp_ct_lookup", flow, at, changes);
  const translated = target === undefined ? "" : `\n${translate(...target, at + 7)}`;
  return make("bpf_xdp_ct_alloc", flow, at, { before: `${changes}${translated}` });
}

test(`any row of operations on a few flows${withKernel}`, async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 14 }), async (operations) => {
      const parts = operations.map((one, index) => textOf(one, index * WORDS));
      expect(await run({ results: operations.length * WORDS, parts })).toHaveLength(operations.length * WORDS);
    }),
    { numRuns: 50 },
  );
});

test("what is no connection is refused with its reason", () => {
  const flow = "src=10.0.0.9 dst=10.0.0.2 sport=4000 dport=80";
  const reasons = [
    ["icmp 1 29", "it begins with tcp or udp"],
    ["tcp 17 29 src=10.0.0.9", "17 29 is no number of seconds"],
    ["tcp ESTABLISHED src=10.0.0.9 dst=10.0.0.2 sport=4000", "dport= is missing"],
    [`udp ESTABLISHED ${flow}`, "ESTABLISHED is not known"],
    [`tcp ${flow} [SEEN]`, "[SEEN] is not known"],
    [`tcp ${flow} colour=3`, "colour= is not known"],
    [`tcp ${flow} zone=65536`, "zone=65536 is no number up to 65535"],
    [`tcp ${flow} ${flow} ${flow}`, "it has more than two directions"],
    ["tcp src=10.0.0.9 dst=::1 sport=1 dport=2", "its ends are of different families"],
    [`tcp ${flow} src=::1 dst=::2 sport=1 dport=2`, "its directions are of different families"],
    [`tcp ${flow.replace("4000", "70000")}`, "sport=70000 is no number up to 65535"],
    [`tcp ${flow.replace("10.0.0.9", "ten")}`, "ten is no IP address"],
  ];
  for (const [text, what] of reasons) {
    const result = parseConnection(text!);
    expect(result).toMatchObject({ ok: false, problem: { code: "connection_malformed", message: `connection '${text}': ${what}` } });
  }
  expect(parsed(`tcp ${flow}`)).toMatchObject({
    timeout: 120,
    state: 0,
    status: IPS_CONFIRMED | IPS_SEEN_REPLY,
    zone: 0,
    zoneDirections: 3,
  });
});

test("struct nf_conn is laid out as in Linux 6.18", () => {
  const offsets = (name: string): Record<string, number> => {
    const type = linux618().btf.types.find((one) => one.kind === "struct" && one.name === name);
    if (type?.kind !== "struct") throw new Error(`no struct ${name}`);
    return { size: type.size, ...Object.fromEntries(type.members.map((member) => [member.name, member.bitOffset / 8])) };
  };
  const { at, size } = Connection;
  expect(offsets("nf_conn")).toEqual({
    ...{ size, ct_general: at.use, lock: at.lock, timeout: at.timeout, zone: at.zone_id, tuplehash: at.original_node, status: at.status },
    ...{ ct_net: at.net, nat_bysource: at.nat_node, __nfct_init_offset: at.master, master: at.master, mark: at.mark, secmark: at.secmark },
    ...{ ext: at.extensions, proto: at.proto },
  });
  expect(offsets("nf_conntrack_tuple_hash")).toEqual({
    size: at.reply_node - at.original_node,
    hnnode: 0,
    tuple: at.original - at.original_node,
  });
  expect(offsets("nf_conntrack_tuple")).toEqual({ size: ConntrackTuple.size, src: 0, dst: ConntrackTuple.at.dst });
  expect(offsets("bpf_ct_opts")).toMatchObject({ size: 16, error: 4, l4proto: 8, dir: 9, ct_zone_id: 10, ct_zone_dir: 12 });
});
