import { expect, test } from "vitest";
import { benchProgramNames, runBench } from "../../../src/lab/index.ts";
import { benchJson, benchMarkdown, benchText } from "../../../src/report/index.ts";

const machine = {
  cpu: "Example CPU",
  cpus: 2,
  memoryGiB: 8,
  system: "Linux 6.18",
  node: "v20.19.0",
  v8: "11.3",
  commit: "abc1234",
  copyBytesPerSecond: 8e9,
};

test("without the kernel, interpreter and compiler are measured and no ratio is claimed", async () => {
  const seen: string[] = [];
  const { measurements, kernelMissing } = await runBench({
    programs: ["reflector"],
    kernel: false,
    onMeasured: ({ program, packet }) => seen.push(`${program} ${packet}`),
  });
  expect(kernelMissing).toBeNull();
  expect(seen).toEqual(["reflector tcp64", "reflector ipv6"]);
  const [row] = benchJson(measurements);
  expect(row).toMatchObject({ program: "reflector", packet: "tcp64", ratios: { net: null, raw: null }, samples: 5 });
  expect(row!.ns_per_packet.kernel).toBeNull();
  expect(row!.ns_per_packet.jit).toBeGreaterThan(0);
  expect(row!.ns_per_packet.interp).toBeGreaterThan(0);
  expect(benchText(measurements)).toContain("The live kernel was not measured.");
});

test("the report says how the figures were taken, on what, and what they come to", () => {
  const time = (nanoseconds: number, net: number) => ({ nanoseconds, net, spread: 0.02, samples: 5 });
  const measurements = [
    {
      program: "router",
      packet: "ipv6",
      bodyRuns: 1,
      returned: 4,
      times: { interp: time(9000, 8400), jit: time(56, 50), kernel: time(130, 100) },
    },
    { program: "counters", packet: "tcp64", bodyRuns: 8, returned: 2, times: { jit: time(8, 4), kernel: time(32, 2) } },
  ];
  const markdown = benchMarkdown(measurements, machine);
  expect(markdown).toContain("| router | ipv6 | 9000 | 56.0 | 130.0 | 50.0 | 100.0 | 0.50 | 0.43 | 2 % |");
  expect(markdown).toContain("| counters | tcp64 | – | 8.0 | 32.0 | 4.0* | 2.0* | 2.00 | 0.25 | 2 % |");
  expect(markdown).toContain("Geometric mean of the net ratios, compiler to BPF_PROG_TEST_RUN: 1.00.");
  expect(markdown).toContain("Highest among programs of 20 ns or more: 0.50, router on ipv6.");
  expect(markdown).toContain("Example CPU, 2 CPUs, 8 GiB, copies 8.0 GB/s; Linux 6.18; Node.js v20.19.0 (V8 11.3); commit abc1234.");
});

test("every program has a bench form", () => {
  for (const name of ["protocol_counters", "reflector", "firewall", "router", "balancer", "scrubber", "policy_ingress", "policy_egress"])
    expect(benchProgramNames).toContain(name);
});
