import type { MapSpec, ProgramType } from "../../bpf/spec.ts";
import { verify } from "../../bpf/verifier/index.ts";
import { CpuBlock } from "../../layout/index.ts";
import { ProblemError } from "../../problem/index.ts";
import {
  type BpfMap,
  coldHelpers,
  createCpus,
  createMap,
  instantiateRuntime,
  MapHost,
  type RuntimeInstance,
  SimulatedMemory,
} from "../../runtime/index.ts";
import { tcProgramType } from "../../tc/index.ts";
import { xdpProgramType } from "../../xdp/index.ts";
import { layOutLoopback, type RunProgram, TcTestRun, type TestRunInput, type TestRunOutput, XdpTestRun } from "../testRun/index.ts";
import { compareRun, type Difference } from "./compare.ts";
import { dumpMap } from "./dump.ts";
import { type CaseEngine, engines } from "./engine.ts";
import { type CaseMap, fillMap } from "./fill.ts";
import type { Verdict } from "./report.ts";
import { fromHex, type Row } from "./row.ts";
import { mapSpecOf, programSpecOf } from "./spec.ts";
import { trapReason } from "./trapReason.ts";

/** CPUs of the machine that the cases were recorded on; programs ran on CPU 0. */
const CPUS = 2;
/** data_size_out of the recorded test runs. */
const DATA_SIZE_OUT = 16384;

const programTypes: Readonly<Record<Row["prog_type"], ProgramType>> = { xdp: xdpProgramType, tc: tcProgramType };

/** Thrown where a case needs what is not built. */
class NotBuilt extends Error {}

/** Thrown where a program that Linux took is rejected here. */
class WronglyRejected extends Error {}

interface TestRun {
  run(input: TestRunInput, program: RunProgram): TestRunOutput;
}

/** A machine as the recording one, made anew for each case in one memory: two CPUs, the loopback device, an engine. */
export class CaseMachine {
  readonly #memory = new SimulatedMemory();
  readonly #runtime: RuntimeInstance;
  readonly #engine: CaseEngine;

  constructor(engine: CaseEngine) {
    this.#engine = engine;
    this.#runtime = instantiateRuntime(this.#memory.memory, coldHelpers(this.#memory.memory));
  }

  /** Runs one case and says whether Linux and the engine agree. */
  run(row: Row): Verdict {
    try {
      return this.#run(row);
    } catch (error) {
      if (error instanceof NotBuilt) return { kind: "refused", reason: error.message };
      if (error instanceof WronglyRejected) {
        return { kind: "differed", differences: [{ what: "load", expected: "accepted", got: `rejected: ${error.message}` }] };
      }
      if (error instanceof ProblemError) return { kind: "refused", reason: error.problem.message };
      throw error;
    }
  }

  #run(row: Row): Verdict {
    this.#memory.reset();
    const cpus = createCpus(this.#memory, { count: CPUS });
    const cpu = cpus.blocks[0]!;
    const network = layOutLoopback(this.#memory);
    for (const block of cpus.blocks) CpuBlock.write(this.#memory.view, block, "network", network.namespace);
    (this.#runtime.exports.cpu as WebAssembly.Global).value = cpu;
    const host = new MapHost(this.#memory, this.#runtime, cpus);

    const specs = row.maps.map((map, index) => mapSpecOf(map, `map ${index}`));
    if (!row.accepted) return this.#checkRejected(row);
    const maps = row.maps.map((recorded, index): CaseMap => {
      return { map: this.#createMap(host, specs[index]!, recorded.type), recorded, inner: new Map() };
    });
    const into = { memory: this.#memory, runtime: this.#runtime, maps: maps.map(({ map }) => map) };
    const slots: number[] = [];
    let next = 1;
    const load = (index: number): number => {
      const program = verify(programSpecOf(row, index, specs), programTypes[row.prog_type]);
      if (!program.accepted) throw new WronglyRejected(program.problem.message);
      const slot = next;
      next += engines[this.#engine](program, slot, into);
      return slot;
    };
    for (let index = 1; index <= (row.progs?.length ?? 0); index++) slots.push(load(index));
    for (const map of maps) fillMap(map, slots, host);
    const main = load(0);
    const testRun: TestRun =
      row.prog_type === "xdp"
        ? new XdpTestRun(this.#memory, network)
        : new TcTestRun(this.#memory, network, this.#runtime.exports.skbReceive as (skb: number, device: number) => void);
    const differences = this.#compareRuns(row, maps, testRun, this.#runner(cpu, main));
    return differences.length === 0 ? { kind: "agreed" } : { kind: "differed", differences };
  }

  #createMap(host: MapHost, spec: MapSpec, type: string): BpfMap {
    try {
      return createMap(host, spec);
    } catch (error) {
      if (error instanceof ProblemError && error.problem.code === "map_type_unsupported")
        throw new NotBuilt(`map type ${type} is not built`);
      throw error;
    }
  }

  #runner(cpu: number, slot: number): RunProgram {
    const run = this.#runtime.exports.runProgram as (slot: number, context: number) => bigint;
    return (context) => {
      CpuBlock.write(this.#memory.view, cpu, "skb_buffer_owner", 0);
      return run(slot, context);
    };
  }

  #compareRuns(row: Row, maps: readonly CaseMap[], testRun: TestRun, program: RunProgram): Difference[] {
    const differences: Difference[] = [];
    for (const [index, recorded] of (row.runs ?? []).entries()) {
      const label = `run ${index}`;
      const input = { data: fromHex(recorded.in), dataSizeOut: DATA_SIZE_OUT, ...(recorded.ctx_in ? { context: recorded.ctx_in } : {}) };
      let output: TestRunOutput;
      try {
        output = testRun.run(input, program);
      } catch (error) {
        if (!(error instanceof WebAssembly.RuntimeError)) throw error;
        return [...differences, { what: label, expected: `retval ${recorded.retval}`, got: this.#trap(error) }];
      }
      const dumps = maps.map((map) => ({ type: map.recorded.type, dump: dumpMap(this.#memory, map) }));
      differences.push(...compareRun(label, recorded, output, dumps));
    }
    return differences;
  }

  /** What a trap says; what is not built is thrown on. */
  #trap(error: WebAssembly.RuntimeError): string {
    const { text, unbuilt } = trapReason(this.#memory, this.#runtime, error);
    if (unbuilt) throw new NotBuilt(text);
    return `trap: ${text}`;
  }

  /** Rejected cases wait for the verifier; what the structural checks say of them is told all the same. */
  #checkRejected(row: Row): Verdict {
    const specs = row.maps.map((map, index) => mapSpecOf(map, `map ${index}`));
    const program = verify(programSpecOf(row, 0, specs), programTypes[row.prog_type]);
    if (program.accepted) return { kind: "refused", reason: "rejected by Linux: needs the verifier" };
    const same = program.errno === row.errno && program.problem.message === row.log_last;
    const reason = same
      ? "rejected by Linux, and by the structural checks with the same words"
      : "rejected by Linux, and by the structural checks in other words";
    return { kind: "refused", reason };
  }
}
