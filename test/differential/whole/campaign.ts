import fc from "fast-check";
import { disassemble } from "../../../src/bpf/isa/index.ts";
import type { Kernel } from "../../../src/kernel/index.ts";
import { Coverage } from "./coverage.ts";
import { runLive } from "./live.ts";
import { difference } from "./outcome.ts";
import { assembleSet, type GeneratedSet, generatedSet } from "./program.ts";
import { type Place, SimulatedMachine } from "./simulated.ts";

/** A set of programs whose outcome is not the kernel's. */
export interface Finding {
  /** fast-check makes the same set of it again. */
  readonly seed: number;
  readonly text: string;
}

/** Runs generated sets in the live kernel, the compiler and the interpreter, and counts. */
export class Campaign {
  readonly coverage = new Coverage();
  readonly rejections = new Map<string, { count: number; seed: number; log: string }>();
  readonly findings: Finding[] = [];
  sets = 0;
  accepted = 0;
  runs = 0;
  readonly #kernel: Kernel;
  readonly #engines: readonly (readonly [name: string, machine: SimulatedMachine])[];

  constructor(kernel: Kernel, place: Place) {
    this.#kernel = kernel;
    this.#engines = (["jit", "interp"] as const).map((engine) => [engine, new SimulatedMachine(engine, place)]);
  }

  /** Makes the set of this seed, runs it everywhere and counts it; a difference is made as small as fast-check can. */
  try(seed: number): void {
    const [generated] = fc.sample(generatedSet, { seed, numRuns: 1 });
    const assembled = assembleSet(generated!);
    this.sets++;
    const truth = runLive(this.#kernel, generated!, assembled);
    if ("rejected" in truth) {
      this.#countRejection(truth.rejected, seed);
      this.coverage.count(assembled, undefined, false);
      return;
    }
    this.accepted++;
    this.runs += truth.runs.length;
    const found = this.#difference(generated!, assembled, truth.runs);
    this.coverage.count(assembled, truth.runs, found !== undefined);
    if (found !== undefined) this.findings.push({ seed, text: `seed ${seed}: ${found}\n${this.#smallest(seed) ?? "not a second time"}` });
  }

  #difference(
    generated: GeneratedSet,
    assembled: ReturnType<typeof assembleSet>,
    truth: Parameters<typeof difference>[1],
  ): string | undefined {
    for (const [name, machine] of this.#engines) {
      const found = difference(machine.run(generated, assembled), truth);
      if (found !== undefined) return `${name}, ${found}`;
    }
    return undefined;
  }

  /** Why a set differs from the kernel; undefined when it does not, or the kernel does not take it. */
  explain(generated: GeneratedSet): string | undefined {
    const assembled = assembleSet(generated);
    const truth = runLive(this.#kernel, generated, assembled);
    return "rejected" in truth ? undefined : this.#difference(generated, assembled, truth.runs);
  }

  /** The smallest set that differs, told; undefined when the set of this seed does not a second time. */
  #smallest(seed: number): string | undefined {
    const shrunk = fc.check(
      fc.property(generatedSet, (generated) => this.explain(generated) === undefined),
      { seed, numRuns: 1, endOnFailure: false, interruptAfterTimeLimit: 20_000 },
    );
    const [smallest] = shrunk.counterexample ?? [];
    if (smallest === undefined) return undefined;
    const { main, tails, sites } = assembleSet(smallest);
    const listing = [main, ...tails].map(({ name, instructions }) => `${name}:\n${disassemble(instructions)}`).join("\n");
    const what = sites.map(({ kind }, index) => `${index}: ${kind}`).join(", ");
    return `smallest: ${this.explain(smallest) ?? "differs now and then"}\n${fc.stringify(smallest)}\nstatements ${what}\n${listing}`;
  }

  #countRejection(text: string, seed: number): void {
    const reason =
      text
        .trimEnd()
        .split("\n")
        .filter((line) => !/^processed |^\d+: |^verification time|stack depth/.test(line))
        .at(-1) ?? "";
    const known = this.rejections.get(reason.replace(/\d+/g, "N"));
    if (known === undefined) this.rejections.set(reason.replace(/\d+/g, "N"), { count: 1, seed, log: text });
    else known.count++;
  }

  /** Figures and rejections, most frequent first. */
  summary(): string {
    const rejected = [...this.rejections].sort(([, a], [, b]) => b.count - a.count);
    return [
      `${this.sets} sets of programs, ${this.accepted} accepted (${((100 * this.accepted) / Math.max(1, this.sets)).toFixed(1)} %), ${this.runs} test runs, ${this.findings.length} differences`,
      ...rejected.map(([reason, { count, seed }]) => `  rejected ${count} (seed ${seed}): ${reason}`),
    ].join("\n");
  }
}
