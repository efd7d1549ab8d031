import { expect, test } from "vitest";
import { BPF_MAP_TYPE_ARRAY } from "../../src/layout/index.ts";
import { DEFAULT_RSS_KEY, toeplitzHash } from "../../src/nic/index.ts";
import { parseIpAddress, tcp, udp } from "../../src/packet/index.ts";
import { type Sent, START_NS, spec, TestMachine } from "./machine.ts";

const [EOPNOTSUPP, ENODATA] = [-95, -61];

/** Answers and outputs of the three metadata kfuncs for the last packet that a program saw. */
async function metadataOf(packets: readonly Sent[], mode: "native" | "generic" = "native") {
  const machine = new TestMachine({ devices: [{ name: "eth0", mac: "02:00:00:00:00:01", mode }] });
  const map = machine.map({ name: "results", type: BPF_MAP_TYPE_ARRAY, valueSize: 64, maxEntries: 1 });
  const text = `r6 = map[0][0]
    r7 = r1
    r2 = r6
    r2 += 8
    call kfunc bpf_xdp_metadata_rx_timestamp#1
    *(u32 *)(r6 +0) = r0
    r1 = r7
    r2 = r6
    r2 += 24
    r3 = r6
    r3 += 28
    call kfunc bpf_xdp_metadata_rx_hash#2
    *(u32 *)(r6 +16) = r0
    r1 = r7
    r2 = r6
    r2 += 40
    r3 = r6
    r3 += 42
    call kfunc bpf_xdp_metadata_rx_vlan_tag#3
    *(u32 *)(r6 +32) = r0
    r0 = 1
    exit`;
  const names = ["rx_timestamp", "rx_hash", "rx_vlan_tag"].map((name, index) => [index + 1, `bpf_xdp_metadata_${name}`] as const);
  machine.attach("xdp", { ...spec("metadata", text, "xdp", [map.spec]), kfuncs: new Map(names) }, "eth0", [map]);
  await machine.replay(packets);
  const value = map.lookup(new Uint8Array(4)) as Uint8Array;
  const view = new DataView(value.buffer, value.byteOffset);
  return {
    timestamp: [view.getInt32(0, true), view.getBigUint64(8, true)],
    hash: [view.getInt32(16, true), view.getUint32(24, true), view.getUint32(28, true)],
    vlan: view.getInt32(32, true),
  };
}

const hash = (from: string, to: string, ...ports: number[]): number =>
  toeplitzHash(
    DEFAULT_RSS_KEY,
    Uint8Array.from([...parseIpAddress(from)!, ...parseIpAddress(to)!, ...ports.flatMap((port) => [port >> 8, port & 255])]),
  );

test("a native program sees the NIC's time stamp and hash; VLAN tags stay in the frame", async () => {
  const [from, to] = ["10.0.0.9", "10.0.0.1"];
  const packets = [udp({ from: `${from}:4000`, to: `${to}:53` }), { bytes: tcp({ from: `${from}:4001`, to: `${to}:80` }), afterUs: 5 }];
  expect(await metadataOf(packets.slice(0, 1))).toEqual({
    timestamp: [0, START_NS],
    hash: [0, hash(from, to, 4000, 53), 1 | 8 | 32],
    vlan: ENODATA,
  });
  expect(await metadataOf(packets)).toEqual({
    timestamp: [0, START_NS + 5000n],
    hash: [0, hash(from, to, 4001, 80), 1 | 8 | 16],
    vlan: ENODATA,
  });
});

test("what is not IP has no hash", async () => {
  const frame = Uint8Array.from({ length: 64 }, (_, index) => (index === 12 ? 0x88 : index === 13 ? 0xb5 : index));
  expect((await metadataOf([frame])).hash).toEqual([0, 0, 0]);
});

test("in generic mode there is no descriptor to read from", async () => {
  const found = await metadataOf([udp({ from: "10.0.0.9:4000", to: "10.0.0.1:53" })], "generic");
  expect([found.timestamp[0], found.hash[0], found.vlan]).toEqual([EOPNOTSUPP, EOPNOTSUPP, EOPNOTSUPP]);
});
