import { expect, test } from "vitest";
import { BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_CPUMAP } from "../../src/layout/index.ts";
import { udp } from "../../src/packet/index.ts";
import type { BpfMap } from "../../src/runtime/index.ts";
import { returns, spec, TestMachine, word, words } from "./machine.ts";

const query = udp({ from: "10.0.0.9:4000", to: "10.0.0.1:53" });
/** A frame that eth0 sent itself. */
const reply = udp({ from: "10.0.0.1:53", to: "10.0.0.9:4000", macFrom: "02:00:00:00:00:01", macTo: "02:00:00:00:00:02" });
const tc = (value: number) => returns(value, "sched_cls");

test.each([
  [-1, "stack", null, "TC_ACT_UNSPEC"],
  [0, "stack", null, "TC_ACT_OK"],
  [1, "stack", null, "TC_ACT_RECLASSIFY"],
  [2, "drop", "tc_shot", "TC_ACT_SHOT"],
  [3, "stack", null, "TC_ACT_PIPE"],
  [4, "consumed", null, "TC_ACT_STOLEN"],
  [5, "stack", null, "TC_ACT_QUEUED"],
  [6, "stack", null, "TC_ACT_REPEAT"],
  [7, "drop", "tc_redirect_err:-22", "TC_ACT_REDIRECT"],
  [8, "consumed", null, "TC_ACT_TRAP"],
  [9, "stack", null, "9"],
])("a direct-action filter at ingress that returns %i: %s", async (value, fate, reason, verdict) => {
  const machine = new TestMachine();
  machine.attach("ingress", tc(value));
  const { outcomes, result } = await machine.replay([query]);
  expect(outcomes).toMatchObject([{ steps: [{ hook: "clsact/ingress", mode: null, verdict }], fate, reason }]);
  // What TC drops moves no counter of the device.
  expect(result.devices.eth0).toEqual({ rx_packets: 1, rx_bytes: 42 });
});

test("after native XDP_PASS the filters run in their order, until one decides", async () => {
  const machine = new TestMachine();
  machine.attach("xdp", returns(2));
  machine.attach("ingress", spec("marks", "r2 = 7\n*(u32 *)(r1 + 8) = r2\nr0 = -1\nexit", "sched_cls"));
  machine.attach("ingress", spec("shoots_marked", "r2 = *(u32 *)(r1 + 8)\nr0 = 0\nif r2 != 7 goto +1\nr0 = 2\nexit", "sched_cls"));
  machine.attach("ingress", tc(0));
  const { outcomes, result } = await machine.replay([query]);
  expect(outcomes[0]!.steps.map(({ hook, program, verdict }) => `${hook} ${program} ${verdict}`)).toEqual([
    "xdp returns_2 XDP_PASS",
    "clsact/ingress marks TC_ACT_UNSPEC",
    "clsact/ingress shoots_marked TC_ACT_SHOT",
  ]);
  expect(result.programs.map(({ name, runs, verdicts }) => [name, runs, verdicts])).toEqual([
    ["returns_2", 1, { XDP_PASS: 1 }],
    ["marks", 1, { TC_ACT_UNSPEC: 1 }],
    ["shoots_marked", 1, { TC_ACT_SHOT: 1 }],
  ]);
});

test.each([
  [-1, ["tcx TCX_NEXT", "tcx TCX_PASS"], "stack"],
  [0, ["tcx TCX_PASS"], "stack"],
  [2, ["tcx TCX_DROP"], "drop"],
  [4, ["tcx 4", "clsact TC_ACT_SHOT"], "drop"],
])("tcx runs before clsact; its first program returns %i", async (value, steps, fate) => {
  const machine = new TestMachine();
  machine.attach("ingress", tc(2));
  machine.attach("tcx/ingress", tc(value));
  machine.attach("tcx/ingress", tc(0));
  const { outcomes } = await machine.replay([query]);
  expect(outcomes[0]!.steps.map(({ hook, verdict }) => `${hook.split("/")[0]} ${verdict}`)).toEqual(steps);
  expect(outcomes[0]!.fate).toBe(fate);
});

test("a VLAN tag is in the metadata at TC, inline at generic XDP, and back in the frame that leaves", async () => {
  const machine = new TestMachine({ devices: [{ name: "eth0", mode: "generic" }, { name: "eth1" }] });
  const tagged = udp({ from: "10.0.0.9:4000", to: "10.0.0.1:53", vlans: [5] });
  // XDP passes only what has type 0x8100 at offset 12.
  machine.attach("xdp", spec("inline", "r2 = *(u32 *)(r1 + 0)\nr2 = *(u16 *)(r2 + 12)\nr0 = 1\nif r2 != 0x81 goto +1\nr0 = 2\nexit"));
  // TC sends on only what has a tag in its metadata with id 5, type 0x0800 inline, and the length without the tag.
  const inMetadata = `
    r6 = r1
    r0 = 2
    r2 = *(u32 *)(r6 + 20)
    if r2 != 1 goto +11
    r2 = *(u32 *)(r6 + 24)
    if r2 != 5 goto +9
    r2 = *(u32 *)(r6 + 0)
    if r2 != 42 goto +7
    r2 = *(u32 *)(r6 + 76)
    r2 = *(u16 *)(r2 + 12)
    if r2 != 8 goto +4
    r1 = 3
    r2 = 0
    call 23
    goto +0
    exit`;
  machine.attach("ingress", spec("metadata", inMetadata, "sched_cls"));
  const { outcomes, bytes, result } = await machine.replay([tagged], { keepBytes: true });
  expect(outcomes).toMatchObject([{ fate: "redirect", to: "eth1", len: 46, out_len: 46 }]);
  expect(bytes).toEqual([tagged]);
  expect(result.devices.eth1).toEqual({ tx_packets: 1, tx_bytes: 46 });
});

/** Attaches a filter that writes len, wire_len, queue_mapping, hash, and tc_classid of the skb that it sees to a map's only value, which this gives. */
function observe(machine: TestMachine): () => { len: number; wireLen: number; queueMapping: number; hash: number; classid: number } {
  const map: BpfMap = machine.map({ name: "seen", type: BPF_MAP_TYPE_ARRAY, valueSize: 20, maxEntries: 1 });
  const fields = [0, 160, 12, 68, 72].map((offset, index) => `r2 = *(u32 *)(r6 + ${offset})\n*(u32 *)(r0 + ${index * 4}) = r2`);
  const text = `
    r6 = r1
    r1 = map[0]
    r2 = 0
    *(u32 *)(r10 - 4) = r2
    r2 = r10
    r2 += -4
    call 1
    if r0 == 0 goto +10
    ${fields.join("\n")}
    r0 = -1
    exit`;
  machine.attach("ingress", machine.load(spec("observes", text, "sched_cls", [map.spec]), [map]));
  return () => {
    const value = map.lookup(word(0)) as Uint8Array;
    const [len, wireLen, queueMapping, hash, classid] = new Uint32Array(value.slice().buffer);
    return { len: len!, wireLen: wireLen!, queueMapping: queueMapping!, hash: hash!, classid: classid! };
  };
}

test("wire_len at ingress leaves out the MAC header, and a tag that went to the metadata", async () => {
  const machine = new TestMachine();
  const seen = observe(machine);
  await machine.replay([query]);
  expect(seen()).toMatchObject({ len: 42, wireLen: 28 });
  await machine.replay([udp({ from: "10.0.0.9:4000", to: "10.0.0.1:53", vlans: [5] })]);
  expect(seen()).toMatchObject({ len: 42, wireLen: 28 });
});

test("tc_classid does not go from filter to filter: each begins with its own class", async () => {
  const machine = new TestMachine();
  machine.attach("ingress", spec("sets", "r2 = 0x1234\n*(u32 *)(r1 + 72) = r2\nr0 = -1\nexit", "sched_cls"));
  const seen = observe(machine);
  await machine.replay([query]);
  expect(seen().classid).toBe(0);
});

test.each([
  ["native", 0, false],
  ["generic", 1, true],
] as const)("hash and queue of a frame that went through a cpumap in %s mode", async (mode, queueMapping, hashed) => {
  const machine = new TestMachine({ devices: [{ name: "eth0", mode, queues: 2 }], cpus: 2 });
  const map = machine.map({ name: "cpus", type: BPF_MAP_TYPE_CPUMAP, valueSize: 8, maxEntries: 2 });
  for (const cpu of [0, 1]) map.update(word(cpu), words(64, 0));
  const spread = spec("spread", "r1 = map[0]\nr2 = 1\nr3 = 0\ncall 51\nexit", "xdp", [map.spec]);
  machine.attach("xdp", machine.load(spread, [map]));
  const seen = observe(machine);
  const { outcomes } = await machine.replay([udp({ from: "10.0.0.9:4001", to: "10.0.0.1:53" })]);
  expect(outcomes).toMatchObject([{ queue: 0, fate: "stack", to: "cpu1" }]);
  expect(seen()).toMatchObject({ queueMapping });
  expect(seen().hash !== 0).toBe(hashed);
});

test("frames of the device's own enter at egress, and XDP does not see them", async () => {
  const machine = new TestMachine();
  machine.attach("xdp", returns(1));
  machine.attach("egress", tc(0));
  const { outcomes, result } = await machine.replay([reply, query]);
  expect(outcomes).toMatchObject([
    { steps: [{ hook: "clsact/egress", verdict: "TC_ACT_OK" }], fate: "tx", to: "eth0", out_len: 42 },
    { steps: [{ hook: "xdp" }], fate: "drop" },
  ]);
  expect(result.devices.eth0).toEqual({ rx_packets: 1, rx_bytes: 42, xdp_drop: 1, tx_packets: 1, tx_bytes: 42 });
});

test("--direction overrides what the capture says", async () => {
  const machine = new TestMachine();
  machine.attach("xdp", returns(1));
  expect((await machine.replay([reply], { direction: "ingress" })).outcomes).toMatchObject([{ fate: "drop" }]);
  expect((await machine.replay([query], { direction: "egress" })).outcomes).toMatchObject([{ fate: "tx" }]);
});

test("TC egress does not see what XDP sends", async () => {
  const machine = new TestMachine({ devices: [{ name: "eth0" }, { name: "eth1" }] });
  machine.attach("xdp", spec("out", "r1 = 3\nr2 = 0\ncall 23\nexit"));
  machine.attach("egress", tc(2), "eth1");
  const { outcomes } = await machine.replay([query]);
  expect(outcomes).toMatchObject([{ steps: [{ hook: "xdp" }], fate: "redirect", to: "eth1" }]);
});

test("a redirect to an ingress runs that device's generic XDP and its hook when the poll has ended", async () => {
  const machine = new TestMachine({ devices: [{ name: "eth0" }, { name: "eth1", mode: "generic" }] });
  machine.attach("ingress", spec("over", "r1 = 3\nr2 = 1\ncall 23\nexit", "sched_cls"));
  machine.attach("xdp", returns(2), "eth1");
  machine.attach("ingress", spec("at_eth1", "r2 = *(u32 *)(r1 + 36)\nr0 = 2\nif r2 != 3 goto +1\nr0 = 0\nexit", "sched_cls"), "eth1");
  const { outcomes } = await machine.replay([query]);
  expect(outcomes[0]!.steps.map(({ hook, program }) => `${hook} ${program}`)).toEqual([
    "clsact/ingress over",
    "xdp returns_2",
    "clsact/ingress at_eth1",
  ]);
  expect(outcomes).toMatchObject([{ fate: "stack" }]);
});

test.each([
  ["of a local sender", reply, "egress", 10],
  ["that an ingress redirect brought", query, "ingress", 9],
] as const)("an egress program that redirects to its own device, for a frame %s", async (_, packet, hook, runs) => {
  const machine = new TestMachine();
  const again = spec("again", "r1 = 2\nr2 = 0\ncall 23\nexit", "sched_cls");
  const program = machine.attach("egress", again);
  if (hook === "ingress") machine.attach("ingress", program);
  const { outcomes, result } = await machine.replay([packet]);
  expect(outcomes).toMatchObject([{ fate: "drop", reason: "tc_redirect_err:-100" }]);
  const atEgress = result.programs.find((row) => row.hook === "clsact/egress");
  expect(atEgress?.runs).toBe(runs);
});

test("clone_redirect sends a copy with an id of its own, and the packet goes on", async () => {
  const machine = new TestMachine({ devices: [{ name: "eth0" }, { name: "eth1" }] });
  machine.attach("ingress", spec("mirror", "r2 = 3\nr3 = 0\ncall 13\nr0 = 0\nexit", "sched_cls"));
  machine.attach("egress", tc(0), "eth1");
  const { outcomes, result } = await machine.replay([query]);
  expect(outcomes.map(({ id, fate, to, steps }) => [id, fate, to, steps.map(({ hook }) => hook)])).toEqual([
    [1, "stack", null, ["clsact/ingress"]],
    ["1.1", "redirect", "eth1", ["clsact/egress"]],
  ]);
  expect(result.devices.eth1).toEqual({ tx_packets: 1, tx_bytes: 42 });
});

test("a device that is down loses what is sent through it", async () => {
  const machine = new TestMachine({ devices: [{ name: "eth0" }, { name: "eth1", up: false }] });
  machine.attach("ingress", spec("out", "r1 = 3\nr2 = 0\ncall 23\nexit", "sched_cls"));
  const { outcomes, result } = await machine.replay([query]);
  expect(outcomes).toMatchObject([{ fate: "drop", reason: "tx_dropped" }]);
  expect(result.devices.eth1).toEqual({ tx_dropped: 1 });
});
