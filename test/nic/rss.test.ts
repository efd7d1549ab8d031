import { expect, test } from "vitest";
import { DEFAULT_RSS_KEY, toeplitzHash } from "../../src/nic/index.ts";
import { toeplitzTables } from "../../src/nic/toeplitz.ts";
import { ethernet, ip, parseIpAddress, tcp, udp } from "../../src/packet/index.ts";
import { instantiateRuntime, SimulatedMemory } from "../../src/runtime/index.ts";

/** From Microsoft's "Verifying the RSS Hash Calculation": destination, source, hash with ports, hash without. */
const vectors = [
  { to: "161.142.100.80", toPort: 1766, from: "66.9.149.187", fromPort: 2794, tcp: 0x51ccc178, ip: 0x323e8fc2 },
  { to: "65.69.140.83", toPort: 4739, from: "199.92.111.2", fromPort: 14230, tcp: 0xc626b0ea, ip: 0xd718262a },
  { to: "12.22.207.184", toPort: 38024, from: "24.19.198.95", fromPort: 12898, tcp: 0x5c2b394a, ip: 0xd2d0a5de },
  { to: "209.142.163.6", toPort: 2217, from: "38.27.205.30", fromPort: 48228, tcp: 0xafc7327f, ip: 0x82989176 },
  { to: "202.188.127.2", toPort: 1303, from: "153.39.163.191", fromPort: 44251, tcp: 0x10e828a2, ip: 0x5d1809c5 },
  { to: "3ffe:2501:200:3::1", toPort: 1766, from: "3ffe:2501:200:1fff::7", fromPort: 2794, tcp: 0x40207d3d, ip: 0x2cc18cd5 },
  { to: "ff02::1", toPort: 4739, from: "3ffe:501:8::260:97ff:fe40:efab", fromPort: 14230, tcp: 0xdde51bbf, ip: 0x0f0c461c },
  {
    to: "fe80::200:f8ff:fe21:67cf",
    toPort: 38024,
    from: "3ffe:1900:4545:3:200:f8ff:fe21:67cf",
    fromPort: 44251,
    tcp: 0x02d1feef,
    ip: 0x4b61e985,
  },
];

const tuple = (from: string, to: string, ports: readonly number[] = []): Uint8Array =>
  Uint8Array.from([...parseIpAddress(from)!, ...parseIpAddress(to)!, ...ports.flatMap((port) => [port >> 8, port & 255])]);

const memory = new SimulatedMemory();
const { exports } = instantiateRuntime(memory.memory, () => {});
const tables = memory.allocate("engine", 36 * 1024, 64, "tables");
const frameAt = memory.allocate("program", 2048, 64, "frame");
for (const [place, word] of toeplitzTables(DEFAULT_RSS_KEY).entries()) memory.view.setUint32(tables + place * 4, word, true);

/** The NIC's hash of a frame. */
function hashOf(frame: Uint8Array): number {
  memory.bytes.set(frame, frameAt);
  return (exports.rssHash as (tables: number, frame: number, length: number) => number)(tables, frameAt, frame.length) >>> 0;
}

test.each(vectors)(
  "$from to $to hashes as published, by definition and in the NIC",
  ({ from, to, fromPort, toPort, tcp: withPorts, ip: without }) => {
    expect(toeplitzHash(DEFAULT_RSS_KEY, tuple(from, to, [fromPort, toPort]))).toBe(withPorts);
    expect(toeplitzHash(DEFAULT_RSS_KEY, tuple(from, to))).toBe(without);
    const ports = { from: `${from.includes(":") ? `[${from}]` : from}:${fromPort}`, to: `${to.includes(":") ? `[${to}]` : to}:${toPort}` };
    expect(hashOf(tcp(ports))).toBe(withPorts);
    expect(hashOf(udp(ports))).toBe(withPorts);
  },
);

test("VLAN tags do not change the queue of a flow", () => {
  const plain = udp({ from: "10.0.0.1:1", to: "10.0.0.2:2" });
  const [tag, inner] = [
    [0x88, 0xa8, 0, 5],
    [0x81, 0, 0, 7],
  ];
  const tagged = Uint8Array.from([...plain.subarray(0, 12), ...tag, ...inner, ...plain.subarray(12)]);
  expect(hashOf(tagged)).toBe(hashOf(plain));
});

test("fragments and other protocols hash by addresses only", () => {
  const whole = udp({ from: "10.0.0.1:1", to: "10.0.0.2:2" });
  const addresses = toeplitzHash(DEFAULT_RSS_KEY, tuple("10.0.0.1", "10.0.0.2"));
  const firstFragment = Uint8Array.from(whole);
  firstFragment[20] = 0x20;
  const laterFragment = Uint8Array.from(whole);
  laterFragment[21] = 0x10;
  const doNotFragment = Uint8Array.from(whole);
  doNotFragment[20] = 0x40;
  const sctp = Uint8Array.from(whole);
  sctp[23] = 132;
  expect([firstFragment, laterFragment, sctp].map(hashOf)).toEqual([addresses, addresses, addresses]);
  expect(hashOf(doNotFragment)).toBe(hashOf(whole));
});

test("what is not IP, and what is cut short, has no hash", () => {
  expect(hashOf(ethernet({ type: 0x0806 }, new Uint8Array(28)))).toBe(0);
  const whole = udp({ from: "10.0.0.1:1", to: "10.0.0.2:2" });
  expect(hashOf(whole.subarray(0, 30))).toBe(0);
  expect(hashOf(whole.subarray(0, 13))).toBe(0);
  expect(hashOf(whole.subarray(0, 36))).toBe(toeplitzHash(DEFAULT_RSS_KEY, tuple("10.0.0.1", "10.0.0.2")));
});

test("a header with options finds the ports behind them", () => {
  const plain = ip({ from: "10.0.0.1", to: "10.0.0.2", protocol: 17, payload: Uint8Array.of(0, 1, 0, 2, 0, 8, 0, 0) });
  const withOptions = Uint8Array.from([...plain.subarray(0, 14), 0x46, ...plain.subarray(15, 34), 1, 1, 1, 0, ...plain.subarray(34)]);
  expect(hashOf(withOptions)).toBe(hashOf(plain));
});
