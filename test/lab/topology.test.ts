import { expect, test } from "vitest";
import { runRecordings } from "../../src/lab/index.ts";

/** r0 = verdict; exit. */
const returns = (verdict: number): string => `b70000000${verdict}000000${"9500000000000000"}`;
const programs = () => ({
  name: "programs.jsonl",
  text: [
    { name: "pass", type: "xdp", insns: returns(2), maps: [] },
    { name: "tx", type: "xdp", insns: returns(3), maps: [] },
    { name: "shot", type: "tc", insns: returns(2), maps: [] },
  ]
    .map((program) => JSON.stringify(program))
    .join("\n"),
});

const FRAME = `02000000000102000000001188b5${"00".repeat(46)}`;
const NATIVE = (program: string) => ({ mode: "native", program });
const device = (fields: object) => ({ mtu: 1500, ...fields });

/** A host with one device, its other end a port of the tester. */
function row(fields: { own?: object; port?: object; expect: object; programs?: readonly string[] }): string {
  return JSON.stringify({
    id: "t",
    tags: ["X"],
    hosts: [{ name: "H0" }],
    devices: [
      device({ name: "D1", host: "H0", peer: "W1", ifindex: 101, mac: "02:00:00:00:00:01", ...fields.own }),
      device({ name: "W1", host: "T", peer: "D1", ifindex: 11, mac: "02:00:00:00:00:11", ...fields.port }),
    ],
    programs: (fields.programs ?? []).map((name) => ({ name })),
    maps: [],
    steps: [{ inject: { port: "W1", via: "packet", frames: [FRAME] }, expect: fields.expect }],
  });
}

async function differences(line: string) {
  const report = await runRecordings([{ name: "rows", text: line, programs }], { engine: "jit" });
  if (!report.ok) throw new Error(report.problem.message);
  return report.value.differences.map(({ what, expected, got }) => `${what}: ${expected} | ${got}`);
}

const RECEIVED = { D1: { rx_packets: 1, rx_bytes: 60 }, W1: { tx_packets: 1, tx_bytes: 60 } };

test("a frame reaches the packet socket of its EtherType at the other end of the pair", async () => {
  expect(await differences(row({ expect: { stack: { D1: [FRAME] }, counters: RECEIVED } }))).toEqual([]);
});

test("XDP_TX goes back to a peer that polls its ring, and is counted without the header on the way in, with it on the way out", async () => {
  const expected = {
    ports: { W1: [FRAME] },
    counters: {
      D1: { rx_packets: 1, rx_bytes: 46, tx_packets: 1, tx_bytes: 60 },
      W1: { tx_packets: 1, tx_bytes: 46, rx_packets: 1, rx_bytes: 60 },
    },
    ethtool: {
      D1: { rx_queue_0_xdp_packets: 1, rx_queue_0_xdp_bytes: 46, rx_queue_0_xdp_tx: 1 },
      W1: { rx_queue_0_xdp_packets: 1, rx_queue_0_xdp_bytes: 60 },
    },
    tracepoints: [{ ev: "xdp_bulk_tx", ifindex: 101, action: "TX", sent: 1, drops: 0, err: 0 }],
  };
  const line = row({ own: { xdp: NATIVE("tx") }, port: { xdp: NATIVE("pass") }, programs: ["tx", "pass"], expect: expected });
  expect(await differences(line)).toEqual([]);
});

test("a peer without a program has no ring: XDP_TX fails with -ENXIO", async () => {
  const line = row({ own: { xdp: NATIVE("tx") }, programs: ["tx"], expect: {} });
  expect((await differences(line)).join("\n")).toContain('"ev":"xdp_bulk_tx","ifindex":101,"sent":0');
});

test("a sender whose frame the egress hook shoots sees ENOBUFS", async () => {
  const line = row({ port: { tcx_egress: ["shot"] }, programs: ["shot"], expect: { send_errno: [-105] } });
  expect(await differences(line)).toEqual([]);
});

test("what comes out otherwise than recorded is told with its step", async () => {
  const told = await differences(row({ expect: { stack: {}, counters: RECEIVED } }));
  expect(told).toEqual([`step 0: stack: {} | {"D1":["${FRAME}"]}`]);
});

test("a program that is not listed, and a line that is no topology, are Problems", async () => {
  await expect(differences(row({ programs: ["gone"], expect: {} }))).rejects.toMatchObject({
    problem: { code: "topology_program_unknown" },
  });
  const report = await runRecordings([{ name: "rows", text: '{"hosts":[]}', programs }], { engine: "jit" });
  expect(report.ok ? undefined : report.problem).toMatchObject({ code: "topology_malformed", at: { line: 1 } });
});
