import { expect, test } from "vitest";
import { EINVAL, ENOTSUPP, PACKET_MULTICAST, PACKET_OTHERHOST, SkBuff } from "../../src/layout/index.ts";
import { udp } from "../../src/packet/index.ts";
import { HelperBench } from "../helperBench.ts";

/** An Ethernet header of this type, then counted bytes. */
const frame = (type: number, length: number): number[] => [
  ...[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, type >> 8, type & 0xff],
  ...Array.from({ length: length - 14 }, (_, index) => index & 0xff),
];

const big = (text: number): number => ((text & 0xff) << 8) | (text >> 8);

test("change_tail cuts to the network header at most and grows with zeros past the frame's buffer", () => {
  const bench = new HelperBench();
  const skb = bench.skb(frame(0x0800, 100), bench.addDevice(1));
  expect(bench.call("skbChangeTail", skb, 13, 0n)).toBe(-EINVAL);
  expect(bench.call("skbChangeTail", skb, 16065, 0n)).toBe(-EINVAL);
  expect(bench.call("skbChangeTail", skb, 60, 1n)).toBe(-EINVAL);
  expect(bench.call("skbChangeTail", skb, 60, 0n)).toBe(0);
  expect(bench.skbBytes(skb)).toEqual(frame(0x0800, 100).slice(0, 60));
  expect(bench.call("skbChangeTail", skb, 16064, 0n)).toBe(0);
  expect(bench.skbBytes(skb)).toEqual([...frame(0x0800, 100).slice(0, 60), ...new Array(16064 - 60).fill(0)]);
});

test("change_head puts zeros in front, which become the MAC header", () => {
  const bench = new HelperBench();
  const skb = bench.skb(frame(0x0800, 64), bench.addDevice(1));
  expect(bench.call("skbChangeHead", skb, 14, 0n)).toBe(0);
  expect(bench.skbBytes(skb)).toEqual([...new Array(14).fill(0), ...frame(0x0800, 64)]);
  expect(bench.field(skb, "mac_len")).toBe(28);
  expect(bench.call("skbChangeHead", skb, 8000, 0n)).toBe(0);
  expect(bench.field(skb, "len")).toBe(8078);
  expect(bench.skbBytes(skb).slice(8014)).toEqual(frame(0x0800, 64));
});

test("change_proto opens 20 bytes behind the MAC header for IPv6 and closes them for IPv4", () => {
  const bench = new HelperBench();
  const skb = bench.skb(frame(0x0800, 64), bench.addDevice(1));
  expect(bench.call("skbChangeProto", skb, big(0x0806), 0n)).toBe(-ENOTSUPP);
  expect(bench.call("skbChangeProto", skb, big(0x86dd), 0n)).toBe(0);
  const bytes = frame(0x0800, 64);
  expect(bench.skbBytes(skb)).toEqual([...bytes.slice(0, 14), ...new Array(20).fill(0), ...bytes.slice(14)]);
  expect(bench.field(skb, "protocol")).toBe(big(0x86dd));
  expect(bench.call("skbChangeProto", skb, big(0x0800), 0n)).toBe(0);
  expect(bench.skbBytes(skb)).toEqual(bytes);
});

test("change_proto marks the segments of a GSO skb as ones whose headers are to be looked at again", () => {
  const bench = new HelperBench();
  const skb = bench.skb(frame(0x0800, 64), bench.addDevice(1));
  SkBuff.write(bench.memory.view, skb, "gso_size", 100);
  SkBuff.write(bench.memory.view, skb, "gso_segs", 7);
  expect(bench.call("skbChangeProto", skb, big(0x86dd), 0n)).toBe(0);
  expect([bench.field(skb, "gso_type"), bench.field(skb, "gso_segs")]).toEqual([2, 7]);
});

test("a received skb knows whom the frame is for, and its protocol", () => {
  const bench = new HelperBench();
  const device = bench.addDevice(1, { mac: [2, 0, 0, 0, 0, 1] });
  const kind = (first: number[], type: number[]) => bench.skb([...first, 2, 0, 0, 0, 0, 9, ...type, 0xff, 0xff, 0, 0], device);
  expect(bench.field(kind([2, 0, 0, 0, 0, 1], [0x08, 0x00]), "pkt_type")).toBe(0);
  expect(bench.field(kind([0xff, 0xff, 0xff, 0xff, 0xff, 0xff], [0x08, 0x00]), "pkt_type")).toBe(1);
  expect(bench.field(kind([1, 0, 0x5e, 0, 0, 1], [0x08, 0x00]), "pkt_type")).toBe(PACKET_MULTICAST);
  expect(bench.field(kind([2, 0, 0, 0, 0, 3], [0x08, 0x00]), "pkt_type")).toBe(PACKET_OTHERHOST);
  expect(bench.field(kind([2, 0, 0, 0, 0, 1], [0x86, 0xdd]), "protocol")).toBe(big(0x86dd));
  expect(bench.field(kind([2, 0, 0, 0, 0, 1], [0x00, 0x20]), "protocol")).toBe(big(0x0001));
});

test("adjust_room with encapsulation flags makes room for an outer header and takes its protocol", () => {
  const bench = new HelperBench();
  const skb = bench.skb(frame(0x0800, 64), bench.addDevice(1));
  const IPV6 = 4n;
  const UDP = 16n;
  expect(bench.call("skbAdjustRoom", skb, 48, 1, IPV6 | 2n)).toBe(-EINVAL);
  expect(bench.call("skbAdjustRoom", skb, 48, 2, IPV6)).toBe(-ENOTSUPP);
  expect(bench.call("skbAdjustRoom", skb, 48, 1, IPV6 | UDP)).toBe(0);
  const bytes = frame(0x0800, 64);
  expect(bench.skbBytes(skb)).toEqual([...bytes.slice(0, 14), ...new Array(48).fill(0), ...bytes.slice(14)]);
  expect(bench.field(skb, "protocol")).toBe(big(0x86dd));
  expect(bench.call("skbAdjustRoom", skb, 8, 1, IPV6)).toBe(-114);
  expect(bench.call("skbAdjustRoom", skb, -48, 1, 0x80n)).toBe(0);
  expect(bench.skbBytes(skb)).toEqual(bytes);
  expect(bench.field(skb, "protocol")).toBe(big(0x0800));
});

test("VLAN tags are pushed into the metadata, then inline, and come back in order", () => {
  const bench = new HelperBench();
  const skb = bench.skb(frame(0x0800, 64), bench.addDevice(1));
  const bytes = frame(0x0800, 64);
  expect(bench.call("skbVlanPush", skb, big(0x8100), 5)).toBe(0);
  expect(bench.skbBytes(skb)).toEqual(bytes);
  expect([bench.field(skb, "vlan_present"), bench.field(skb, "vlan_tci")]).toEqual([1, 5]);
  expect(bench.call("skbVlanPush", skb, big(0x88a8), 100)).toBe(0);
  expect(bench.skbBytes(skb)).toEqual([...bytes.slice(0, 12), 0x81, 0x00, 0, 5, ...bytes.slice(12)]);
  expect(bench.field(skb, "protocol")).toBe(big(0x8100));
  expect(bench.call("skbVlanPop", skb)).toBe(0);
  expect(bench.skbBytes(skb)).toEqual(bytes);
  expect([bench.field(skb, "vlan_proto"), bench.field(skb, "vlan_tci")]).toEqual([big(0x8100), 5]);
  expect(bench.call("skbVlanPop", skb)).toBe(0);
  expect(bench.field(skb, "vlan_present")).toBe(0);
  expect(bench.field(skb, "protocol")).toBe(big(0x0800));
});

test("ecn_set_ce turns ECN-capable packets into what the sender would have sent with CE, checksum included", () => {
  const bench = new HelperBench();
  const device = bench.addDevice(1);
  for (const [from, to] of [
    ["10.0.0.1:7", "10.0.0.2:9"],
    ["[2001:db8::1]:7", "[2001:db8::2]:9"],
  ] as const) {
    for (const tos of [1, 2, 3]) {
      const skb = bench.skb(udp({ from, to, tos, payload: "x" }), device);
      expect(bench.call("skbEcnSetCe", skb)).toBe(1);
      expect(bench.skbBytes(skb)).toEqual(Array.from(udp({ from, to, tos: 3, payload: "x" })));
    }
    expect(bench.call("skbEcnSetCe", bench.skb(udp({ from, to, tos: 0 }), device))).toBe(0);
  }
  expect(bench.call("skbEcnSetCe", bench.skb(frame(0x0806, 60), device))).toBe(0);
});
