import { gzipSync } from "node:zlib";
import { arp, icmp, PcapngWriter, tcp, udp } from "../../src/packet/index.ts";
import {
  block,
  enhancedPacket,
  interfaceBlock,
  joined,
  numbers,
  obsoletePacket,
  option,
  pcapFile,
  sectionHeader,
  simplePacket,
} from "./files.ts";

const frames = [
  udp({ from: "10.0.0.1:53", to: "10.0.0.2:4000", payload: 10 }),
  tcp({ from: "[fd00::1]:80", to: "[fd00::2]:81", vlans: [7], payload: 3 }),
  icmp({ from: "10.0.0.1", to: "10.0.0.2" }),
  arp({ senderIp: "10.0.0.1", targetIp: "10.0.0.2" }),
];
const records = frames.map((bytes, index) => ({ seconds: 1700000000 + index, fraction: 123456, bytes, more: index * 100 }));

function written(): Uint8Array {
  const chunks: Uint8Array[] = [];
  const writer = new PcapngWriter((chunk) => chunks.push(chunk), { application: "xdplane" });
  writer.addInterface({ name: "eth0", description: "the wire" });
  for (const [index, bytes] of frames.entries())
    writer.writePacket({
      interface: 0,
      ts_ns: 1700000000_000000000n + BigInt(index),
      bytes,
      direction: "inbound",
      packetId: BigInt(index),
      queue: index,
      verdicts: [{ hook: "xdp", code: 2 }],
      comments: ["seen"],
    });
  writer.finish();
  return joined(chunks);
}

/** Both byte orders, every block type that xdplane reads, and options that nobody knows. */
function mixed(): Uint8Array {
  const section = (littleEndian: boolean) => [
    sectionHeader(littleEndian),
    interfaceBlock({ resolution: 0x89, offset: -5n }, littleEndian),
    interfaceBlock({ linkType: 113, snaplen: 96 }, littleEndian),
    ...frames.map((bytes, index) => enhancedPacket({ interface: index % 2, ticks: 1n << 40n, bytes, more: 9, flags: index }, littleEndian)),
    obsoletePacket({ interface: 1, ticks: 77n, bytes: frames[0]!, more: 0 }, littleEndian),
    simplePacket(frames[2]!, frames[2]!.length, littleEndian),
    block(
      4,
      joined([numbers(littleEndian, [2, 1], [2, 8]), Uint8Array.of(10, 0, 0, 1), Buffer.from("abc\0"), new Uint8Array(4)]),
      littleEndian,
    ),
    block(5, joined([numbers(littleEndian, [4, 1], [4, 0], [4, 9]), option(4, new Uint8Array(8), littleEndian)]), littleEndian),
    block(0xbad, numbers(littleEndian, [4, 1], [4, 2]), littleEndian),
  ];
  return joined([...section(true), ...section(false)]);
}

/** Small captures of every format, to be damaged. */
export const examples: Readonly<Record<string, Uint8Array>> = {
  "pcap, µs": pcapFile(records, {}),
  "pcap, ns, big endian": pcapFile(records, { kind: "ns", littleEndian: false }),
  "pcap, modified": pcapFile(records, { kind: "modified" }),
  "pcap, cooked": pcapFile(records, { linkType: 276 }),
  "pcapng, written by xdplane": written(),
  "pcapng, all blocks": mixed(),
  "pcap in gzip": gzipSync(pcapFile(records, {}), { level: 0 }),
};
