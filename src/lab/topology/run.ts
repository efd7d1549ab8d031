import { bytesFromMemory, openCapture, PcapngWriter } from "../../packet/index.ts";
import type { Engine } from "../../runtime/index.ts";
import type { Difference } from "../conformance/compare.ts";
import type { Verdict } from "../conformance/report.ts";
import { fromHex } from "../conformance/row.ts";
import { compareStep } from "./compare.ts";
import { buildTopology, type Topology } from "./machine.ts";
import { Observation } from "./observe.ts";
import type { RowExpect, RowProgram, RowStep, TopologyRow } from "./row.ts";

/** Runs of driven programs that the recorder allows for each step (map `budget`). */
const BUDGET = 24;
/** Frames of a packet socket are sent so far apart that each has a window of its own: all that it brings about is over before the next. */
const APART_NS = 2_000_000n;
const START_NS = 1_700_000_000_000_000_000n;

/** Builds the row's topology, injects its steps one after the other, and compares all that comes out. */
export async function runTopology(row: TopologyRow, programs: ReadonlyMap<string, RowProgram>, engine: Engine): Promise<Verdict> {
  const topology = buildTopology(row, programs, engine);
  const differences: Difference[] = [];
  const expected = JSON.stringify(row.setup_errors ?? []);
  const got = JSON.stringify(topology.errors);
  if (expected !== got) differences.push({ what: "set-up", expected, got });
  for (const [index, step] of row.steps.entries()) {
    const seen = await runStep(row, topology, step, index);
    differences.push(...compareStep(`step ${index}`, step.expect, seen, step.inject.frames.length > 1));
  }
  return differences.length === 0 ? { kind: "agreed" } : { kind: "differed", differences };
}

async function runStep(row: TopologyRow, topology: Topology, step: RowStep, index: number): Promise<RowExpect> {
  const { dataplane, maps, sockets } = topology;
  maps.get("budget")?.update(new Uint8Array(4), Uint8Array.of(BUDGET, 0, 0, 0));
  for (const { handle, fill } of sockets.values()) handle.fill = fill;
  const source = await openCapture(dataplane.memory, bytesFromMemory(captureOf(step, index)), {
    name: row.id,
    resident: Number.MAX_SAFE_INTEGER,
  });
  const observation = new Observation(row, topology);
  const result = await dataplane.run(source, {
    direction: step.inject.via === "xdp" ? "xmit" : "egress",
    onEvent: (event) => observation.add(event),
  });
  await source.close();
  return observation.finish(result, step.expect.maps !== undefined);
}

/** The frames of a step as a capture of its port. */
function captureOf({ inject: { port, via, frames } }: RowStep, index: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  const writer = new PcapngWriter((chunk) => chunks.push(chunk.slice()));
  const number = writer.addInterface({ name: port });
  const start = START_NS + BigInt(index) * 1_000_000_000n;
  for (const [place, frame] of frames.entries()) {
    const ts_ns = start + (via === "packet" ? BigInt(place) * APART_NS : 0n);
    writer.writePacket({ interface: number, ts_ns, bytes: fromHex(frame) });
  }
  writer.finish();
  const whole = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
