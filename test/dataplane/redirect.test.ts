import { expect, test } from "vitest";
import { BPF_MAP_TYPE_CPUMAP, BPF_MAP_TYPE_DEVMAP, BPF_MAP_TYPE_DEVMAP_HASH } from "../../src/layout/index.ts";
import { udp } from "../../src/packet/index.ts";
import { returns, spec, TestMachine, word, words } from "./machine.ts";

const query = udp({ from: "10.0.0.9:4000", to: "10.0.0.1:53" });
const threeDevices = [{ name: "eth0" }, { name: "eth1" }, { name: "eth2" }];

/** bpf_redirect to a device. */
const toIfindex = (ifindex: number) => spec("to_ifindex", `r1 = ${ifindex}\nr2 = 0\ncall 23\nexit`);
/** bpf_redirect_map with a key and flags. */
const toMap = (key: number, flags = 0) => ({
  text: `r1 = map[0]\nr2 = ${key}\nr3 = ${flags}\ncall 51\nexit`,
});

test("bpf_redirect sends the frame out of another device at the end of the poll", async () => {
  const machine = new TestMachine({ devices: threeDevices });
  machine.attach("xdp", toIfindex(3));
  const { outcomes, result } = await machine.replay([query]);
  expect(outcomes).toMatchObject([
    { dev: "eth0", steps: [{ hook: "xdp", verdict: "XDP_REDIRECT" }], fate: "redirect", to: "eth1", reason: null, out_len: 42 },
  ]);
  expect(result.devices).toEqual({
    eth0: { rx_packets: 1, rx_bytes: 42, xdp_redirect: 1 },
    eth1: { tx_packets: 1, tx_bytes: 42, tx_xdp_xmit: 1 },
    eth2: {},
  });
});

test.each([
  ["a missing device", { devices: threeDevices }, 99, -22],
  ["a device that is down", { devices: [{ name: "eth0" }, { name: "eth1", up: false }] }, 3, -100],
  ["a device without ndo_xdp_xmit", { devices: [{ name: "eth0" }, { name: "eth1", takesRedirects: false }] }, 3, -95],
  ["a frame above the target's MTU", { devices: [{ name: "eth0" }, { name: "eth1", mtu: 68 }] }, 3, -90],
] as const)("a redirect fails: %s", async (_, options, ifindex, errno) => {
  const machine = new TestMachine(options);
  machine.attach("xdp", toIfindex(ifindex));
  const large = udp({ from: "10.0.0.9:4000", to: "10.0.0.1:53", payload: new Uint8Array(200) });
  const { outcomes, result } = await machine.replay([large]);
  expect(outcomes).toMatchObject([{ fate: "drop", to: null, reason: `xdp_redirect_err:${errno}`, out_len: null }]);
  expect(result.devices.eth0).toMatchObject({ rx_packets: 1, xdp_redirect_err: 1 });
});

test("a devmap entry's program runs at transmit time, and only XDP_PASS sends", async () => {
  const machine = new TestMachine({ devices: threeDevices });
  const map = machine.map({ name: "ports", type: BPF_MAP_TYPE_DEVMAP, valueSize: 8 });
  // Lets frames through that came by ifindex 2 and go to ifindex 4; returns 0 otherwise.
  const gate = machine.load(
    spec("gate", "r2 = *(u32 *)(r1 + 12)\nr3 = *(u32 *)(r1 + 20)\nr0 = 0\nif r2 != 2 goto +2\nif r3 != 4 goto +1\nr0 = 2\nexit"),
  );
  const drop = machine.load(returns(1, "xdp", "drop"));
  expect(map.update(word(0), words(3, gate.slot))).toBe(0);
  expect(map.update(word(1), words(4, gate.slot))).toBe(0);
  expect(map.update(word(2), words(3, drop.slot))).toBe(0);
  const dispatcher = spec(
    "dispatch",
    // The last byte of the packet is the key.
    `r3 = *(u32 *)(r1 + 4)
    r3 += -1
    r2 = *(u8 *)(r3 + 0)
    r1 = map[0]
    r3 = 2
    call 51
    exit`,
    "xdp",
    [map.spec],
  );
  machine.attach("xdp", machine.load(dispatcher, [map]));
  const packet = (key: number) => udp({ from: "10.0.0.9:4000", to: "10.0.0.1:53", payload: Uint8Array.of(key) });
  // One packet a poll: a bulk queue keeps the program of its first frame.
  const apart = [0, 1, 2, 7].map((key) => ({ bytes: packet(key), afterUs: 2000 }));
  const { outcomes } = await machine.replay(apart);
  expect(outcomes.map(({ steps }) => steps.map(({ hook, verdict }) => `${hook} ${verdict}`))).toEqual([
    ["xdp XDP_REDIRECT", "devmap XDP_ABORTED"],
    ["xdp XDP_REDIRECT", "devmap XDP_PASS"],
    ["xdp XDP_REDIRECT", "devmap XDP_DROP"],
    ["xdp XDP_PASS"],
  ]);
  expect(outcomes.map(({ fate, to, reason }) => [fate, to, reason])).toEqual([
    ["aborted", null, "xdp_aborted"],
    ["redirect", "eth2", null],
    ["drop", null, "xdp_drop"],
    ["stack", null, null],
  ]);
});

test("a broadcast reaches every device but the receiving one; copies share the packet's id", async () => {
  const machine = new TestMachine({ devices: [...threeDevices, { name: "eth3", up: false }] });
  const map = machine.map({ name: "ports", type: BPF_MAP_TYPE_DEVMAP });
  for (const [key, ifindex] of [2, 3, 5, 4].entries()) map.update(word(key), word(ifindex));
  machine.attach("xdp", machine.load(spec("flood", toMap(0, 8 | 16).text, "xdp", [map.spec]), [map]));
  const { outcomes, result } = await machine.replay([query, query]);
  expect(outcomes.map(({ id, fate, to }) => [id, fate, to])).toEqual([
    [1, "redirect", "eth2"],
    ["1.1", "redirect", "eth1"],
    [2, "redirect", "eth2"],
    ["2.1", "redirect", "eth1"],
  ]);
  expect(result.devices).toMatchObject({ eth0: { xdp_redirect: 2 }, eth1: { tx_packets: 2 }, eth2: { tx_packets: 2 }, eth3: {} });
});

test("each copy of a broadcast keeps the bytes that its own devmap program left", async () => {
  const machine = new TestMachine({ devices: threeDevices });
  const map = machine.map({ name: "ports", type: BPF_MAP_TYPE_DEVMAP, valueSize: 8 });
  // Cuts the frame by two bytes and writes the number of the device that sends it over its first byte.
  const marks = machine.load(
    spec(
      "marks",
      `r6 = r1
      r2 = -2
      call 65
      r2 = *(u32 *)(r6 + 0)
      r3 = *(u32 *)(r6 + 20)
      *(u8 *)(r2 + 0) = r3
      r0 = 2
      exit`,
    ),
  );
  map.update(word(0), words(3, marks.slot));
  map.update(word(1), words(4, 0));
  machine.attach("xdp", machine.load(spec("flood", toMap(0, 8 | 16).text, "xdp", [map.spec]), [map]));
  const { outcomes, bytes } = await machine.replay([query, query], { keepBytes: true });
  const marked = query.slice(0, -2);
  marked[0] = 3;
  expect(outcomes.map(({ id, to, out_len }) => [id, to, out_len])).toEqual([
    [1, "eth2", 42],
    ["1.1", "eth1", 40],
    [2, "eth2", 42],
    ["2.1", "eth1", 40],
  ]);
  expect(bytes).toEqual([query, marked, query, marked]);
});

test("copies for which a window has no record are counted, and their number is told", async () => {
  const machine = new TestMachine({ devices: threeDevices });
  const mirror = `r6 = r1\n${"r1 = r6\nr2 = 3\nr3 = 0\ncall 13\n".repeat(10)}r0 = 2\nexit`;
  machine.attach("ingress", spec("mirror", mirror, "sched_cls"));
  const packets = Array.from({ length: 500 }, () => query);
  const { outcomes, result } = await machine.replay(packets);
  expect(result.fates).toMatchObject([
    { fate: "redirect", to: "eth1", packets: 5000 },
    { fate: "drop", packets: 500 },
  ]);
  expect(outcomes.length).toBe(500 + 4095);
  expect(result.unrecordedCopies).toBe(5000 - 4095);
});

test("a broadcast through a DEVMAP_HASH reaches each of its devices once", async () => {
  const devices = Array.from({ length: 6 }, (_, index) => ({ name: `eth${index}` }));
  const machine = new TestMachine({ devices });
  const map = machine.map({ name: "ports", type: BPF_MAP_TYPE_DEVMAP_HASH });
  for (const ifindex of [2, 3, 4, 5, 6, 7]) expect(map.update(word(ifindex * 1000), word(ifindex))).toBe(0);
  machine.attach("xdp", machine.load(spec("flood", toMap(0, 8 | 16).text, "xdp", [map.spec]), [map]));
  const { outcomes } = await machine.replay([query]);
  expect(outcomes.map(({ id }) => id)).toEqual([1, "1.1", "1.2", "1.3", "1.4"]);
  expect(outcomes.map(({ fate, to }) => `${fate} ${to}`).sort()).toEqual([1, 2, 3, 4, 5].map((index) => `redirect eth${index}`));
});

test("a generic broadcast fails at a device that is down, after the copies before it went", async () => {
  const machine = new TestMachine({
    devices: [{ name: "eth0", mode: "generic" }, { name: "eth1" }, { name: "eth2", up: false }, { name: "eth3" }],
  });
  const map = machine.map({ name: "ports", type: BPF_MAP_TYPE_DEVMAP });
  for (const [key, ifindex] of [3, 4, 5].entries()) map.update(word(key), word(ifindex));
  machine.attach("xdp", machine.load(spec("flood", toMap(0, 8).text, "xdp", [map.spec]), [map]));
  const { outcomes } = await machine.replay([query]);
  expect(outcomes.map(({ id, fate, to, reason }) => [id, fate, to, reason])).toEqual([
    [1, "drop", null, "xdp_redirect_err:-100"],
    ["1.1", "redirect", "eth1", null],
  ]);
});

test("a cpumap carries frames to another CPU, whose program sees them before the stack", async () => {
  const machine = new TestMachine({ cpus: 3 });
  const map = machine.map({ name: "cpus", type: BPF_MAP_TYPE_CPUMAP, valueSize: 8, maxEntries: 3 });
  const second = machine.load(spec("second", "r0 = 2\nexit"));
  map.update(word(2), words(64, second.slot));
  machine.attach("xdp", machine.load(spec("spread", toMap(2).text, "xdp", [map.spec]), [map]));
  const { outcomes, bytes, result } = await machine.replay([query, query], { keepBytes: true });
  expect(outcomes[0]).toMatchObject({
    queue: 0,
    cpu: 0,
    steps: [
      { hook: "xdp", program: "spread", verdict: "XDP_REDIRECT" },
      { hook: "cpumap", program: "second", verdict: "XDP_PASS" },
    ],
    fate: "stack",
    to: "cpu2",
    out_len: 42,
  });
  expect(bytes).toEqual([query, query]);
  expect(result.programs.map(({ name, hook, runs }) => [name, hook, runs])).toEqual([
    ["spread", "xdp", 2],
    ["second", "cpumap", 2],
  ]);
});

test("a queue of 1 on the sending CPU loses the second frame of a poll", async () => {
  const machine = new TestMachine();
  const map = machine.map({ name: "cpus", type: BPF_MAP_TYPE_CPUMAP, valueSize: 8, maxEntries: 1 });
  map.update(word(0), words(1, 0));
  machine.attach("xdp", machine.load(spec("spread", toMap(0).text, "xdp", [map.spec]), [map]));
  const { outcomes } = await machine.replay([query, query, { bytes: query, afterUs: 5000 }]);
  expect(outcomes.map(({ fate, to, reason }) => [fate, to, reason])).toEqual([
    ["stack", "cpu0", null],
    ["drop", null, "xdp_cpumap_enqueue"],
    ["stack", "cpu0", null],
  ]);
});

test("the same in generic mode is an error of the redirect", async () => {
  const machine = new TestMachine({ devices: [{ name: "eth0", mode: "generic" }] });
  const map = machine.map({ name: "cpus", type: BPF_MAP_TYPE_CPUMAP, valueSize: 8, maxEntries: 1 });
  map.update(word(0), words(1, 0));
  machine.attach("xdp", machine.load(spec("spread", toMap(0).text, "xdp", [map.spec]), [map]));
  const { outcomes } = await machine.replay([query, query]);
  expect(outcomes.map(({ fate, reason }) => [fate, reason])).toEqual([
    ["stack", null],
    ["drop", "xdp_redirect_err:-28"],
  ]);
});

test("on another CPU only a bulk larger than the queue loses frames", async () => {
  const machine = new TestMachine({ cpus: 2 });
  const map = machine.map({ name: "cpus", type: BPF_MAP_TYPE_CPUMAP, valueSize: 8, maxEntries: 2 });
  map.update(word(1), words(3, 0));
  machine.attach("xdp", machine.load(spec("spread", toMap(1).text, "xdp", [map.spec]), [map]));
  const { outcomes } = await machine.replay(Array.from({ length: 19 }, () => query));
  // Bulks of 8, 8 and 3 frames meet a queue of 3.
  const lost = outcomes.filter(({ reason }) => reason === "xdp_cpumap_enqueue").map(({ id }) => id);
  expect(lost).toEqual([4, 5, 6, 7, 8, 12, 13, 14, 15, 16]);
});

test("as many frames reach another CPU in a window as are sent to it", async () => {
  const machine = new TestMachine({ cpus: 2 });
  const map = machine.map({ name: "cpus", type: BPF_MAP_TYPE_CPUMAP, valueSize: 8, maxEntries: 2 });
  map.update(word(1), words(64, 0));
  machine.attach("xdp", machine.load(spec("spread", toMap(1).text, "xdp", [map.spec]), [map]));
  // All within a millisecond, and more than three times the frames of a CPU's pool.
  const { outcomes } = await machine.replay(Array.from({ length: 900 }, () => query));
  expect(outcomes.filter(({ fate }) => fate !== "stack")).toEqual([]);
});

test("frames that go round and round through cpumaps end with reason budget", async () => {
  const machine = new TestMachine({ cpus: 2 });
  const map = machine.map({ name: "cpus", type: BPF_MAP_TYPE_CPUMAP, valueSize: 8, maxEntries: 2 });
  const around = machine.load(spec("around", "call 8\nr2 = 1\nr2 -= r0\nr1 = map[0]\nr3 = 0\ncall 51\nexit", "xdp", [map.spec]), [map]);
  map.update(word(0), words(64, around.slot));
  map.update(word(1), words(64, around.slot));
  machine.attach("xdp", around);
  const { outcomes } = await machine.replay([query]);
  expect(outcomes).toMatchObject([{ fate: "drop", reason: "budget" }]);
});
