import { expect, test } from "vitest";
import { DeviceOptions } from "../../src/cli/options/devices.ts";
import { wholeNumber } from "../../src/cli/options/number.ts";
import { parseProgramReference } from "../../src/cli/options/programReference.ts";
import { ProblemError } from "../../src/problem/index.ts";

const problemOf = (work: () => unknown) => {
  try {
    work();
  } catch (error) {
    if (error instanceof ProblemError) return error.problem;
    throw error;
  }
  throw new Error("no problem was raised");
};

test.each([
  ["drop.o", { path: "drop.o" }],
  ["drop.o:main", { path: "drop.o", program: "main" }],
  ["C:\\bpf\\drop.o", { path: "C:\\bpf\\drop.o" }],
  ["C:\\bpf\\drop.o:main", { path: "C:\\bpf\\drop.o", program: "main" }],
  ["./a:b/drop.o", { path: "./a:b/drop.o" }],
  ["drop.o:", { path: "drop.o:" }],
])("%s names %o", (text, expected) => {
  expect(parseProgramReference(text)).toEqual(expected);
});

test("with no --dev everything belongs to eth0", () => {
  const options = new DeviceOptions();
  options.xdp("a.o");
  options.queues("4");
  expect(options.finish()).toEqual([{ name: "eth0", addresses: [], ingress: [], egress: [], xdp: { path: "a.o" }, queues: 4 }]);
});

test("a hook option belongs to the last --dev, and one before the first --dev to the first", () => {
  const options = new DeviceOptions();
  options.mode("generic");
  options.dev("eth0,mac=02:00:00:00:00:0A,mtu=9000,addr=10.0.0.1/24,addr=fd00::1/64");
  options.ingress("t.o:in");
  options.dev("eth1,ifindex=7,queues=2");
  options.egress("t.o:out");
  expect(options.finish()).toEqual([
    {
      name: "eth0",
      mode: "generic",
      mac: "02:00:00:00:00:0a",
      mtu: 9000,
      addresses: ["10.0.0.1/24", "fd00::1/64"],
      ingress: [{ path: "t.o", program: "in" }],
      egress: [],
    },
    { name: "eth1", ifindex: 7, queues: 2, addresses: [], ingress: [], egress: [{ path: "t.o", program: "out" }] },
  ]);
});

test.each([
  ["eth0,mac=1:2", "is not a MAC address"],
  ["eth0,colour=red", "is not a setting of a device"],
  ["eth0,mtu", "is not KEY=VALUE"],
  ["an interface", "not a device name"],
  ["eth0,mtu=20", "out of range"],
])("--dev %s is a usage error: %s", (text, reason) => {
  const problem = problemOf(() => new DeviceOptions().dev(text));
  expect(problem.message).toContain(reason);
  expect(problem.exit).toBe(2);
  expect(problem.hint).not.toBe("");
});

test("a device named twice is refused", () => {
  const options = new DeviceOptions();
  options.dev("eth0");
  expect(problemOf(() => options.dev("eth0")).code).toBe("option_device_twice");
});

test("a whole number has its range in the error", () => {
  expect(wholeNumber("--cpus", 1, 8)("0x8")).toBe(8);
  expect(problemOf(() => wholeNumber("--cpus", 1, 8)("9")).hint).toBe("a whole number from 1 to 8");
  expect(problemOf(() => wholeNumber("--cpus", 1, 8)("1.5")).message).toContain("not a whole number");
});
