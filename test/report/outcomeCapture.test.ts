import { expect, test } from "vitest";
import type { Outcome } from "../../src/dataplane/index.ts";
import { describeOutcome, OutcomeCapture } from "../../src/report/outcomeCapture.ts";

const outcome: Outcome = {
  id: 7,
  ts: "1712345678.000000123",
  dev: "eth0",
  queue: 2,
  cpu: 2,
  len: 98,
  steps: [
    { hook: "xdp", mode: "native", program: "balancer", verdict: "XDP_PASS" },
    { hook: "clsact/ingress", mode: null, program: "policy", verdict: "TC_ACT_SHOT" },
  ],
  fate: "drop",
  to: null,
  reason: "tc_shot",
  out_len: 118,
};

test("a packet's comment tells its way and its end", () => {
  expect(describeOutcome(outcome)).toBe("xdp balancer XDP_PASS, clsact/ingress policy TC_ACT_SHOT: drop, tc_shot");
  expect(describeOutcome({ ...outcome, steps: [], fate: "tx", to: "eth1", reason: null })).toBe("no program: tx to eth1");
});

test("the capture has one interface a device and last program, and the verdicts as epb_verdict", () => {
  const parts: Uint8Array[] = [];
  const capture = new OutcomeCapture((chunk) => parts.push(chunk.slice()), "xdplane");
  capture.write({ outcome, timeNs: 1712345678000000123n, bytes: new Uint8Array(60) });
  capture.write({ outcome: { ...outcome, id: "7.1" }, timeNs: 1712345678000000124n, bytes: new Uint8Array(60) });
  capture.finish();
  const bytes = Buffer.concat(parts);
  const text = bytes.toString("latin1");
  expect(text.split("eth0:policy()@fexit").length - 1).toBe(1);
  const xdpPass = Buffer.from([7, 0, 9, 0, 2, 2, 0, 0, 0, 0, 0, 0, 0]);
  const tcShot = Buffer.from([7, 0, 9, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0]);
  expect(bytes.includes(xdpPass)).toBe(true);
  expect(bytes.includes(tcShot)).toBe(true);
});
