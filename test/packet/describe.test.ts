import { expect, test } from "vitest";
import { arp, describePacket, ethernet, hexRows, icmp, ip, readEthernet, readIpv4, readIpv6, tcp, udp } from "../../src/packet/index.ts";

const line = (frame: Uint8Array, linkType = 1) => describePacket(frame, linkType, frame.length);

test.each([
  ["UDP", udp({ from: "10.0.0.1:53", to: "10.0.0.2:4000", payload: 12 }), "IP 10.0.0.1.53 > 10.0.0.2.4000: UDP, length 12"],
  [
    "a TCP SYN in two tags",
    tcp({
      from: "[fd00::1]:80",
      to: "[fd00::2]:81",
      vlans: [
        { id: 5, type: 0x88a8 },
        { id: 7, priority: 3 },
      ],
      sequence: 9,
    }),
    "vlan 5, p 0, vlan 7, p 3, IP6 fd00::1.80 > fd00::2.81: Flags [S], seq 9, win 65535, length 0",
  ],
  [
    "TCP data, whose sequence numbers wrap",
    tcp({ from: "1.1.1.1:1", to: "2.2.2.2:2", flags: "P.", sequence: 0xffffffff, acknowledgement: 7, window: 100, payload: 3 }),
    "IP 1.1.1.1.1 > 2.2.2.2.2: Flags [P.], seq 4294967295:2, ack 7, win 100, length 3",
  ],
  [
    "an echo request",
    icmp({ from: "10.0.0.1", to: "10.0.0.2", identifier: 7, sequence: 2, payload: 56 }),
    "IP 10.0.0.1 > 10.0.0.2: ICMP, echo request, id 7, seq 2, length 64",
  ],
  [
    "a neighbour solicitation",
    icmp({ from: "fe80::1", to: "ff02::1", type: 135, payload: 16 }),
    "IP6 fe80::1 > ff02::1: ICMP6, neighbor solicitation, length 24",
  ],
  ["an ARP request", arp({ senderIp: "10.0.0.1", targetIp: "10.0.0.2" }), "ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 28"],
  [
    "a later fragment",
    udp({ from: "10.0.0.1:53", to: "10.0.0.2:4000", payload: 12, fragmentOffset: 185 }),
    "IP 10.0.0.1 > 10.0.0.2: ip-proto-17, fragment at 1480, length 20",
  ],
  [
    "IPv4 in IPv4",
    ip({ from: "1.1.1.1", to: "2.2.2.2", protocol: 4, payload: udp({ from: "10.0.0.1:5", to: "10.0.0.2:6" }).subarray(14) }),
    "IP 1.1.1.1 > 2.2.2.2: IP 10.0.0.1.5 > 10.0.0.2.6: UDP, length 0",
  ],
  ["MPLS", ethernet({ type: 0x8847 }, new Uint8Array(20)), "ethertype MPLS unicast (0x8847), length 34"],
  ["a cut IP header", udp({ from: "10.0.0.1:53", to: "10.0.0.2:4000" }).subarray(0, 20), "[|ip], length 20"],
  ["a cut Ethernet header", new Uint8Array(8), "[|EN10MB], length 8"],
])("%s is shown in tcpdump's manner", (_, frame, text) => {
  expect(line(frame)).toBe(text);
});

test("the same packet is found behind every link type", () => {
  const frame = udp({ from: "10.0.0.1:53", to: "10.0.0.2:4000", payload: 12 });
  const packet = frame.subarray(14);
  const text = "IP 10.0.0.1.53 > 10.0.0.2.4000: UDP, length 12";
  const behind = (...header: number[]) => Uint8Array.from([...header, ...packet]);
  expect(line(packet, 101)).toBe(text);
  expect(line(packet, 228)).toBe(text);
  expect(line(behind(2, 0, 0, 0), 0)).toBe(text);
  expect(line(behind(0, 0, 0, 2), 108)).toBe(text);
  expect(line(behind(0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0, 8, 0), 113)).toBe(text);
  expect(line(behind(8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 4, 6, 2, 0, 0, 0, 0, 9, 0, 0), 276)).toBe(text);
  expect(line(packet, 105)).toBe(`[|IEEE802_11], length ${packet.length}`);
});

test("views give addresses, tags and offsets", () => {
  const frame = tcp({ from: "[fd00::1]:80", to: "[fd00::2]:81", vlans: [7], extensionHeaders: [{ protocol: 0 }, { protocol: 43 }] });
  expect(readEthernet(frame)).toEqual({
    kind: "ethernet",
    source: "02:00:00:00:00:02",
    destination: "02:00:00:00:00:01",
    vlans: [{ type: 0x8100, id: 7, priority: 0, dropEligible: false }],
    type: 0x86dd,
    end: 18,
  });
  expect(readIpv6(frame, 18)).toMatchObject({ source: "fd00::1", protocol: 6, extensions: [0, 43], end: 18 + 40 + 16 });
});

test("a wrong IPv4 checksum is seen", () => {
  const frame = udp({ from: "10.0.0.1:53", to: "10.0.0.2:4000" });
  expect(readIpv4(frame, 14)?.checksumRight).toBe(true);
  frame[24] = (frame[24] ?? 0) ^ 1;
  expect(readIpv4(frame, 14)?.checksumRight).toBe(false);
});

test("bytes are printed in rows of 16", () => {
  expect(hexRows(Uint8Array.from({ length: 19 }, (_, index) => index))).toEqual([
    "0x0000:  0001 0203 0405 0607 0809 0a0b 0c0d 0e0f",
    "0x0010:  1011 12",
  ]);
});
