import { expect, test } from "vitest";
import {
  arp,
  formatIpAddress,
  IP_PROTOCOL,
  icmp,
  internetChecksum,
  parseIpAddress,
  parseMac,
  pseudoHeaderSum,
  tcp,
  udp,
} from "../../src/packet/index.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const sumOverSegment = (frame: Uint8Array, addresses: number, size: number, protocol: number, segment: number) =>
  internetChecksum(
    frame,
    segment,
    frame.length,
    pseudoHeaderSum(
      frame.subarray(addresses, addresses + size),
      frame.subarray(addresses + size, addresses + 2 * size),
      protocol,
      frame.length - segment,
    ),
  );

test("an IPv4 header has the checksum of the well-known example", () => {
  const frame = udp({ from: "192.168.0.1:1024", to: "192.168.0.199:53", payload: 87, dontFragment: true });
  expect(hex(frame.subarray(0, 34))).toBe("020000000001020000000002080045000073000040004011b861c0a80001c0a800c7");
  expect(sumOverSegment(frame, 26, 4, IP_PROTOCOL.udp, 34)).toBe(0);
});

test("UDP without a checksum leaves the field 0", () => {
  const frame = udp({ from: "10.0.0.1:1", to: "10.0.0.2:2", checksum: "none" });
  expect(hex(frame.subarray(34))).toBe("0001000200080000");
});

test("TCP over IPv6 with tags and options stands where it should, and its checksum is right", () => {
  const frame = tcp({
    from: "[2001:db8::1]:40000",
    to: "[2001:db8::2]:443",
    flags: "SE",
    sequence: 0xfffffffe,
    tcpOptions: Uint8Array.of(2, 4, 5, 0xb4, 1),
    vlans: [
      { id: 100, type: 0x88a8 },
      { id: 7, priority: 5 },
    ],
    tos: 0xb8,
    payload: "odd",
  });
  expect(hex(frame.subarray(12, 22))).toBe("88a800648100a00786dd");
  expect(hex(frame.subarray(22, 30))).toBe("6b800000001f0640");
  expect(hex(frame.subarray(62, 76))).toBe("9c4001bbfffffffe000000007042");
  expect(sumOverSegment(frame, 30, 16, IP_PROTOCOL.tcp, 62)).toBe(0);
});

test("IPv6 extension headers are chained in order", () => {
  const frame = udp({
    from: "[fe80::1]:1",
    to: "[fe80::2]:2",
    extensionHeaders: [
      { protocol: IP_PROTOCOL.hopByHop, content: Uint8Array.of(5, 2, 0, 0) },
      { protocol: IP_PROTOCOL.destinationOptions, content: new Uint8Array(7) },
    ],
  });
  expect(frame[20]).toBe(IP_PROTOCOL.hopByHop);
  expect(hex(frame.subarray(54, 62))).toBe("3c00050200000000");
  expect(hex(frame.subarray(62, 64))).toBe("1101");
  expect(frame.length).toBe(14 + 40 + 8 + 16 + 8);
});

test("ICMPv4 sums its message, ICMPv6 the pseudo-header too", () => {
  expect(internetChecksum(icmp({ from: "10.0.0.1", to: "10.0.0.2", identifier: 7, sequence: 1, payload: 5 }), 34)).toBe(0);
  const six = icmp({ from: "fd00::1", to: "fd00::2", payload: 5 });
  expect(six[54]).toBe(128);
  expect(sumOverSegment(six, 22, 16, IP_PROTOCOL.icmpv6, 54)).toBe(0);
});

test("an ARP request goes to everybody, padded to the shortest frame", () => {
  const frame = arp({ senderIp: "10.0.0.1", targetIp: "10.0.0.2", padTo: 60 });
  expect(hex(frame.subarray(0, 42))).toBe(
    "ffffffffffff02000000000208060001080006040001020000000002" + "0a000001" + "000000000000" + "0a000002",
  );
  expect(frame.length).toBe(60);
});

test.each([
  ["::", "::"],
  ["::1", "::1"],
  ["2001:0DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"],
  ["1:0:3:4:5:6:7:8", "1:0:3:4:5:6:7:8"],
  ["::ffff:10.0.0.1", "::ffff:10.0.0.1"],
  ["64:ff9b::192.0.2.33", "64:ff9b::c000:221"],
  ["10.0.0.255", "10.0.0.255"],
])("address %s is written %s", (text, canonical) => {
  expect(formatIpAddress(parseIpAddress(text)!)).toBe(canonical);
});

test.each(["", ":", ":::", "1::2::3", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7::8", "12345::", "10.0.0", "10.0.0.256", "01.2.3.4", "::1%eth0"])(
  "%j is no address",
  (text) => {
    expect(parseIpAddress(text)).toBeUndefined();
  },
);

test("a MAC address needs six bytes", () => {
  expect(hex(parseMac("02:0:00:ab:Cd:ef")!)).toBe("020000abcdef");
  expect(parseMac("02:00:00:00:00")).toBeUndefined();
});
