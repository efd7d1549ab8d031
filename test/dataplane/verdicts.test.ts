import { expect, test } from "vitest";
import { tcp, udp } from "../../src/packet/index.ts";
import { returns, spec, TestMachine } from "./machine.ts";

const query = udp({ from: "10.0.0.9:4000", to: "10.0.0.1:53" });

test("XDP_DROP in native mode: one step, fate drop, and the driver's counters", async () => {
  const machine = new TestMachine();
  machine.attach("xdp", returns(1));
  const { outcomes, result } = await machine.replay([query, query]);
  expect(outcomes[0]).toEqual({
    id: 1,
    ts: "1712345678.000000000",
    dev: "eth0",
    queue: 0,
    cpu: 0,
    len: 42,
    steps: [{ hook: "xdp", mode: "native", program: "returns_1", verdict: "XDP_DROP" }],
    fate: "drop",
    to: null,
    reason: "xdp_drop",
    out_len: null,
  });
  expect(outcomes[1]).toMatchObject({ id: 2, ts: "1712345678.000001000" });
  expect(result).toMatchObject({
    packets: 2,
    bytes: 84,
    fates: [{ fate: "drop", to: null, reason: "xdp_drop", packets: 2, bytes: 84 }],
    programs: [{ name: "returns_1", hook: "xdp", device: "eth0", runs: 2, traps: 0, verdicts: { XDP_DROP: 2 } }],
    queues: [{ device: "eth0", queue: 0, cpu: 0, packets: 2, bytes: 84, fates: { drop: 2 } }],
    devices: { eth0: { rx_packets: 2, rx_bytes: 84, xdp_drop: 2 } },
    interrupted: false,
  });
});

test.each([
  [0, { fate: "aborted", reason: "xdp_aborted", to: null, out_len: null }, { rx_packets: 1, rx_bytes: 42, xdp_exception: 1 }],
  [2, { fate: "stack", reason: null, to: null, out_len: 42 }, { rx_packets: 1, rx_bytes: 42, xdp_pass: 1 }],
  [3, { fate: "tx", reason: null, to: "eth0", out_len: 42 }, { rx_packets: 1, rx_bytes: 42, xdp_tx: 1, tx_packets: 1, tx_bytes: 42 }],
  [4, { fate: "drop", reason: "xdp_redirect_err:-56" }, { rx_packets: 1, rx_bytes: 42, xdp_redirect_err: 1 }],
  [5, { fate: "aborted", reason: "xdp_exception:5" }, { rx_packets: 1, rx_bytes: 42, xdp_exception: 1 }],
])("a program that returns %i", async (verdict, outcome, counters) => {
  const machine = new TestMachine();
  machine.attach("xdp", returns(verdict));
  const { outcomes, result } = await machine.replay([query]);
  expect(outcomes).toMatchObject([outcome]);
  expect(result.devices.eth0).toEqual(counters);
});

test("without a program packets reach the stack", async () => {
  const { outcomes, result } = await new TestMachine().replay([query]);
  expect(outcomes).toMatchObject([{ steps: [], fate: "stack", to: null, reason: null, out_len: 42 }]);
  expect(result.devices).toEqual({ eth0: { rx_packets: 1, rx_bytes: 42 } });
});

test("in generic mode the outcome says so, and a drop moves no counter of the device", async () => {
  const machine = new TestMachine({ devices: [{ name: "eth0", mode: "generic" }] });
  machine.attach("xdp", returns(1));
  const { outcomes, result } = await machine.replay([query]);
  expect(outcomes).toMatchObject([{ steps: [{ hook: "xdp", mode: "generic", verdict: "XDP_DROP" }], fate: "drop", reason: "xdp_drop" }]);
  expect(result.devices).toEqual({ eth0: { rx_packets: 1, rx_bytes: 42 } });
});

test("native and generic programs exclude each other", () => {
  const machine = new TestMachine();
  const program = machine.attach("xdp", returns(2));
  const { dataplane } = machine;
  expect(() => dataplane.attach(dataplane.devices[0]!, "xdp", program, "generic")).toThrowError("native and generic exclude each other");
});

test.each([
  [[{ name: "eth0" }, { name: "eth0" }], "two devices have the name eth0"],
  [[{ name: "eth0", ifindex: 3 }, { name: "eth1" }], "two devices have the ifindex 3"],
  [[{ name: "eth0", ifindex: 65536 }], "the ifindex of eth0 is 65536, expected 1 to 65535"],
])("devices that cannot be told apart are refused: %j", (devices, said) => {
  expect(() => new TestMachine({ devices })).toThrowError(said);
});

test("frames above the MTU, and below an Ethernet header, end in the NIC", async () => {
  const machine = new TestMachine();
  machine.attach("xdp", returns(2));
  const payload = (size: number) => new Uint8Array(size);
  const largest = udp({ from: "10.0.0.9:4000", to: "10.0.0.1:53", payload: payload(1472) });
  const tooLarge = udp({ from: "10.0.0.9:4000", to: "10.0.0.1:53", payload: payload(1473) });
  const tagged = udp({ from: "10.0.0.9:4000", to: "10.0.0.1:53", payload: payload(1472), vlans: [5] });
  const snapped = { bytes: query, length: 9000 };
  const { outcomes, result } = await machine.replay([largest, tooLarge, tagged, snapped, query.subarray(0, 13)]);
  expect(outcomes.map(({ fate, reason }) => reason ?? fate)).toEqual([
    "stack",
    "rx_length_errors",
    "stack",
    "rx_length_errors",
    "rx_length_errors",
  ]);
  expect(result.devices.eth0).toMatchObject({ rx_packets: 2, rx_length_errors: 3 });
  expect(result.snapped).toBe(1);
});

test("what a program does to the packet is seen in its length and its bytes", async () => {
  const machine = new TestMachine();
  // Takes the first two bytes off, then writes 0xab over the new first byte.
  const text = `
    r6 = r1
    r2 = 2
    call 44
    r1 = *(u32 *)(r6 + 0)
    r2 = 0xab
    *(u8 *)(r1 + 0) = r2
    r0 = 3
    exit`;
  machine.attach("xdp", spec("shorten", text));
  const { outcomes, bytes } = await machine.replay([query], { keepBytes: true });
  expect(outcomes).toMatchObject([{ fate: "tx", len: 42, out_len: 40 }]);
  expect(bytes).toEqual([Uint8Array.from([0xab, ...query.subarray(3)])]);
});

test("flows spread over four queues, each flow to one, each queue to its CPU", async () => {
  const machine = new TestMachine({ devices: [{ name: "eth0", queues: 4 }] });
  machine.attach("xdp", spec("queue_of", "r0 = *(u32 *)(r1 + 16)\nr0 += 100\nexit"));
  const packets = Array.from({ length: 400 }, (_, index) => tcp({ from: `10.0.0.9:${1000 + (index % 100)}`, to: "10.0.0.1:80" }));
  const { outcomes, result } = await machine.replay(packets);
  for (const [index, outcome] of outcomes.entries()) {
    expect(outcome.queue).toBe(outcomes[index % 100]!.queue);
    expect(outcome.cpu).toBe(outcome.queue);
    expect(outcome.reason).toBe(`xdp_exception:${100 + outcome.queue}`);
  }
  expect(result.queues.map(({ queue }) => queue)).toEqual([0, 1, 2, 3]);
  expect(Math.min(...result.queues.map(({ packets: count }) => count))).toBeGreaterThan(40);
});

test("ids stay in order over many windows, and nothing is lost", async () => {
  const machine = new TestMachine({ devices: [{ name: "eth0", queues: 3 }], cpus: 2 });
  machine.attach("xdp", returns(1));
  const packets = Array.from({ length: 9_000 }, (_, index) => udp({ from: `10.0.${index & 255}.9:4000`, to: "10.0.0.1:53" }));
  const { outcomes, result } = await machine.replay(packets, { repeat: 2 });
  expect(outcomes.map(({ id }) => id)).toEqual(Array.from({ length: 18_000 }, (_, index) => index + 1));
  expect(result.packets).toBe(18_000);
  expect(result.fates).toEqual([{ fate: "drop", to: null, reason: "xdp_drop", packets: 18_000, bytes: 18_000 * 42 }]);
  // The second pass follows the first at the packets' mean distance.
  expect(outcomes[9_000]!.ts).toBe("1712345678.009000000");
});
