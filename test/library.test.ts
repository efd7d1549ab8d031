import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import {
  bytesFromFile,
  Dataplane,
  dumpMap,
  fillMap,
  type Outcome,
  openCapture,
  openObject,
  type Result,
  selectProgram,
} from "../src/index.ts";

function taken<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.problem.message);
  return result.value;
}

test("the steps of docs/library.md replay a capture", async () => {
  const object = taken(openObject(readFileSync("programs/balancer.o"), { file: "balancer.o" }));
  const program = taken(selectProgram(object, { type: "xdp" }));
  const dataplane = new Dataplane({ devices: [{ name: "eth0", queues: 4 }] });
  const loaded = dataplane.open(object);
  dataplane.attach(dataplane.device("eth0")!, "xdp", loaded.load(program));

  const place = { object: loaded, programType: "xdp", ifindex: (name: string) => dataplane.device(name)?.ifindex } as const;
  fillMap(place, loaded.map("settings")!, [{ key: 0, value: { gateway: "02:00:00:00:00:01" } }]);
  // One service in pool 0, whose ring leads to backend 1 everywhere.
  const address = [198, 51, 100, 80, ...new Array<number>(12).fill(0)];
  fillMap(place, loaded.map("services")!, [{ key: { address, port: 443, protocol: 6, family: 4 }, value: { pool: 0 } }]);
  fillMap(place, loaded.map("backends")!, [{ key: 1, value: { address: [10, 1, 0, 1, ...new Array<number>(12).fill(0)], family: 4 } }]);
  const backend = new Array<number>(1021).fill(1);
  fillMap(place, loaded.map("rings")!, [{ key: 0, value: { backend } }]);

  const capture = await openCapture(dataplane.memory, bytesFromFile("pcaps/shop.pcapng"), {
    name: "shop.pcapng",
    release: dataplane.release,
  });
  const outcomes: Outcome[] = [];
  const result = await dataplane.run(capture, { onOutcome: ({ outcome }) => outcomes.push(outcome) });

  expect(result.packets).toBe(1_599);
  expect(outcomes.map(({ id }) => id)).toEqual(Array.from({ length: 1_599 }, (_, index) => index + 1));
  const sent = outcomes.filter(({ fate }) => fate === "tx");
  expect(sent.length).toBeGreaterThan(0);
  expect(result.fates.find(({ fate }) => fate === "tx")?.packets).toBe(sent.length);
  // What goes to the backend is wrapped in one more IPv4 header.
  expect(sent.every(({ len, out_len }) => out_len === len + 20)).toBe(true);

  const pools = dumpMap(loaded.map("pool_stats")!) as unknown as { key: number; values: { value: { packets: number | bigint } }[] }[];
  const counted = pools[0]!.values.map(({ value }) => Number(value.packets));
  expect(pools[0]!.key).toBe(0);
  expect(counted).toHaveLength(4);
  expect(counted.reduce((total, packets) => total + packets, 0)).toBe(sent.length);
});
