import { expect, test } from "vitest";
import { ETH_P_IP } from "../../src/layout/index.ts";
import { udp } from "../../src/packet/index.ts";
import { agreedResults, inEveryEngine, keep, withKernel } from "../kernel/everyEngine.ts";

const type = "sched_cls";
const packet = udp({ from: "10.0.0.9:4000", to: "10.0.0.1:53" });

test(`bpf_skb_set_tstamp takes IP packets, known clocks, and 0 on the first one only${withKernel}`, () => {
  const calls = [
    [5, 1],
    [0, 1],
    [0, 2],
    [9, 2],
    [1, 3],
    [0, 0],
    [7, 0],
  ];
  const text = calls
    .map(([time, clock], index) => `r1 = r7\nr2 = ${time}\nr3 = ${clock}\ncall bpf_skb_set_tstamp\n${keep(index)}`)
    .join("\n");
  const whole = `${text}\nr0 = *(u64 *)(r7 +152)\n${keep(7)}\nr0 = 0\nexit`;
  expect(packet[12]! * 256 + packet[13]!).toBe(ETH_P_IP);
  expect(agreedResults({ type, packet, results: 8, text: whole })).toEqual([0n, -22n, -22n, 0n, -22n, 0n, 0n, 7n]);
  expect(agreedResults({ type, results: 7, text: `${text}\nr0 = 0\nexit` })).toEqual(Array.from({ length: 7 }, () => -95n));
});

test(`no packet went through IPsec${withKernel}`, () => {
  const results = agreedResults({
    type,
    results: 2,
    text: `*(u64 *)(r10 -24) = -1\n*(u64 *)(r10 -16) = -1\n*(u64 *)(r10 -8) = -1
      r1 = r7\nr2 = 0\nr3 = r10\nr3 += -24\nr4 = 24\nr5 = 0\ncall bpf_skb_get_xfrm_state\n${keep(0)}
      r0 = *(u64 *)(r10 -8)\n${keep(1)}\nr0 = 0\nexit`,
  });
  expect(results).toEqual([-22n, 0n]);
});

test("a packet from a wire has no socket: no cgroup, no class, and the first network namespace", () => {
  const { jit, interp } = inEveryEngine({
    type,
    // Linux gives the packets of a test run a socket of their own.
    kernel: false,
    results: 4,
    text: `r1 = r7\ncall bpf_skb_cgroup_id\n${keep(0)}\nr1 = r7\nr2 = 0\ncall bpf_skb_ancestor_cgroup_id\n${keep(1)}
      r1 = r7\ncall bpf_skb_cgroup_classid\n${keep(2)}\nr1 = r7\ncall bpf_get_netns_cookie\n${keep(3)}\nr0 = 0\nexit`,
  });
  expect(jit.results).toEqual([0n, 0n, 0n, 1n]);
  expect(interp.results).toEqual(jit.results);
});
