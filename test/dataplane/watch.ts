import { existsSync, readFileSync } from "node:fs";
import { openObject } from "../../src/bpf/elf/index.ts";
import type { DataplaneOptions, LoadedObject } from "../../src/dataplane/index.ts";
import { openWorkerPool } from "../../src/dataplane/pool.node.ts";
import { udp } from "../../src/packet/index.ts";
import { type Sent, TestMachine } from "./machine.ts";

/** Workers run the built file; `npm test` builds it first. */
export const built = existsSync(new URL("../../dist/worker.js", import.meta.url));

/** struct event of programs/probes/watch.c. */
export interface Event {
  readonly time: bigint;
  readonly flow: FlowKey;
  readonly length: number;
  readonly direction: "TOWARDS_PORT" | "FROM_PORT" | number;
  readonly label: string;
  readonly id: { readonly word: number; readonly bytes: Uint8Array };
  readonly even: number;
  readonly count: number;
}

export interface FlowKey {
  readonly address: Uint8Array;
  readonly port: number;
  readonly pad: number;
}

export interface Flow {
  readonly packets: bigint;
  readonly bytes: bigint;
  readonly direction: "TOWARDS_PORT" | "FROM_PORT" | number;
  readonly sampled: boolean;
}

/** A machine with programs/probes/watch.o at eth0. */
export function watchMachine(options: Partial<DataplaneOptions> = {}): { machine: TestMachine; loaded: LoadedObject } {
  const opened = openObject(readFileSync("programs/probes/watch.o"), { file: "watch.o" });
  if (!opened.ok) throw new Error(opened.problem.message);
  const machine = new TestMachine({ devices: [{ name: "eth0", queues: 4 }], cpus: 4, openPool: openWorkerPool, ...options });
  const loaded = machine.dataplane.open(opened.value);
  machine.attach("xdp", loaded.load(opened.value.programs.find(({ name }) => name === "watch")!));
  return { machine, loaded };
}

/** DNS queries of 32 flows, 20 to a window; every tenth packet is none. */
export const queries = (count: number): Sent[] =>
  Array.from({ length: count }, (_, index) => ({
    bytes: udp({ from: `10.0.0.9:${1000 + (index % 32)}`, to: index % 10 === 9 ? "10.0.0.1:54" : "10.0.0.1:53" }),
    afterUs: index % 20 === 0 ? 1000 : 1,
  }));

export const threads: readonly (readonly [string, Partial<DataplaneOptions>])[] = [
  ["the main thread", { workers: 0 }],
  ["two workers", { workers: 2 }],
];
