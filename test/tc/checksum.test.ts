import fc from "fast-check";
import { expect, test } from "vitest";
import { EFAULT, EINVAL, ENOTSUPP, SkBuff } from "../../src/layout/index.ts";
import { onesComplementSum, udp } from "../../src/packet/index.ts";
import { HelperBench } from "../helperBench.ts";

const IP_CHECKSUM = 24;
const IP_TTL = 22;
const IP_SOURCE = 26;
const UDP_CHECKSUM = 40;
/** The high word of the pseudo header counts too. */
const PSEUDO = 0x10n;

const word = (bytes: ArrayLike<number>, at: number): number =>
  (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;

test("a changed TTL and source address are taken into both checksums, as if the sender had written them", () => {
  const bench = new HelperBench();
  const before = udp({ from: "10.0.0.1:1000", to: "10.0.0.2:53", ttl: 64, payload: "query" });
  const after = udp({ from: "192.0.2.77:1000", to: "10.0.0.2:53", ttl: 63, payload: "query" });
  const skb = bench.skb(before, bench.addDevice(1));
  const from = BigInt(word(before, IP_SOURCE));
  const to = BigInt(word(after, IP_SOURCE));
  expect(bench.call("l4CsumReplace", skb, UDP_CHECKSUM, from, to, PSEUDO | 4n)).toBe(0);
  expect(bench.call("l3CsumReplace", skb, IP_CHECKSUM, from, to, 4n)).toBe(0);
  const ttl = (bytes: ArrayLike<number>): bigint => BigInt(word(bytes, IP_TTL) & 0xffff);
  expect(bench.call("l3CsumReplace", skb, IP_CHECKSUM, ttl(before), ttl(after), 2n)).toBe(0);
  expect(bench.call("skbStoreBytes", skb, IP_SOURCE, bench.place(after.subarray(IP_SOURCE, IP_SOURCE + 4)), 4, 0n)).toBe(0);
  expect(bench.call("skbStoreBytes", skb, IP_TTL, bench.place([63]), 1, 0n)).toBe(0);
  expect(bench.skbBytes(skb)).toEqual(Array.from(after));
});

test("a difference from csum_diff does the same, and an absent UDP checksum stays absent", () => {
  const bench = new HelperBench();
  const before = udp({ from: "10.0.0.1:1000", to: "10.0.0.2:53" });
  const after = udp({ from: "192.0.2.77:1000", to: "10.0.0.2:53" });
  const skb = bench.skb(before, bench.addDevice(1));
  const difference = bench.call(
    "csumDiff",
    bench.place(before.subarray(IP_SOURCE, IP_SOURCE + 4)),
    4,
    bench.place(after.subarray(IP_SOURCE, IP_SOURCE + 4)),
    4,
    0,
  );
  expect(bench.call("l4CsumReplace", skb, UDP_CHECKSUM, 0n, BigInt(difference), PSEUDO)).toBe(0);
  expect(bench.skbBytes(skb).slice(UDP_CHECKSUM, UDP_CHECKSUM + 2)).toEqual(Array.from(after.subarray(UDP_CHECKSUM, UDP_CHECKSUM + 2)));
  const silent = bench.skb(udp({ from: "10.0.0.1:1000", to: "10.0.0.2:53", checksum: "none" }), bench.addDevice(2));
  expect(bench.call("l4CsumReplace", silent, UDP_CHECKSUM, 1n, 2n, 0x20n | 4n)).toBe(0);
  expect(bench.skbBytes(silent).slice(UDP_CHECKSUM, UDP_CHECKSUM + 2)).toEqual([0, 0]);
});

test("offsets that are odd, large or outside and flags that are unknown are refused", () => {
  const bench = new HelperBench();
  const skb = bench.skb(udp({ from: "10.0.0.1:1", to: "10.0.0.2:2" }), bench.addDevice(1));
  expect(bench.call("l3CsumReplace", skb, 25, 0n, 0n, 2n)).toBe(-EFAULT);
  expect(bench.call("l3CsumReplace", skb, 41, 0n, 0n, 2n)).toBe(-EFAULT);
  expect(bench.call("l3CsumReplace", skb, 0x10000, 0n, 0n, 2n)).toBe(-EFAULT);
  expect(bench.call("l3CsumReplace", skb, 24, 0n, 0n, 3n)).toBe(-EINVAL);
  expect(bench.call("l3CsumReplace", skb, 24, 1n, 0n, 0n)).toBe(-EINVAL);
  expect(bench.call("l3CsumReplace", skb, 24, 0n, 0n, PSEUDO)).toBe(-EINVAL);
  expect(bench.call("l4CsumReplace", skb, 24, 0n, 0n, 0x100n)).toBe(-EINVAL);
});

test("csum_level counts verified checksums, and csum_update needs a complete one", () => {
  const bench = new HelperBench();
  const skb = bench.skb(udp({ from: "10.0.0.1:1", to: "10.0.0.2:2" }), bench.addDevice(1));
  const [QUERY, INCREMENT, DECREMENT, RESET] = [0n, 1n, 2n, 3n];
  expect(bench.call("csumLevel", skb, QUERY)).toBe(-13);
  for (const level of [0, 1, 2, 3, 3]) {
    expect(bench.call("csumLevel", skb, INCREMENT)).toBe(0);
    expect(bench.call("csumLevel", skb, QUERY)).toBe(level);
  }
  expect(bench.call("csumLevel", skb, DECREMENT)).toBe(0);
  expect(bench.call("csumLevel", skb, QUERY)).toBe(2);
  expect(bench.call("csumLevel", skb, RESET)).toBe(0);
  expect(bench.call("csumLevel", skb, QUERY)).toBe(-13);
  expect(bench.call("csumLevel", skb, 4n)).toBe(-EINVAL);
  expect(BigInt(bench.call("csumUpdate", skb, 5))).toBe(BigInt(-ENOTSUPP));
  SkBuff.write(bench.view, skb, "ip_summed", 2);
  SkBuff.write(bench.view, skb, "csum", 0xffffffff);
  expect(BigInt(bench.call("csumUpdate", skb, 5))).toBe(5n);
});

test("csum_diff is the ones' complement sum of any bytes, whatever their length and address", () => {
  const bench = new HelperBench();
  const at = bench.place(new Array(600).fill(0));
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 512 }), fc.integer({ min: 0, max: 7 }), (bytes, offset) => {
      bench.memory.bytes.set(bytes, at + offset);
      const sum = bench.call("csumDiff", 0, 0, at + offset, bytes.length, 0);
      const folded = onesComplementSum(bytes);
      expect(((sum & 0xff) << 8) | (sum >> 8)).toBe(folded);
    }),
  );
});
