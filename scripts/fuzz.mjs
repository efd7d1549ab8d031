// Puts mutated captures, objects and map files through the command line: `npm run fuzz -- [--mutations N] [--seed S] [--kind capture|object|map] [--first I] [--index I] [--seconds T]`.
// The seed is random unless given, and printed; mutations are numbered from --first; after T seconds no more of a kind are begun.
// Every run must end within five seconds with 0, 3 or 4, its memory bounded; a 3 or 4 names file and place; a 0 gives the same result twice. Exits with 1 if not.
import { fork } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { build as bundle } from "tsdown";
import { fuzzCase, kindNames } from "./fuzz/cases.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
process.chdir(root);
const { values } = parseArgs({
  options: {
    mutations: { type: "string", default: "300" },
    seed: { type: "string", default: String(Date.now() % 1_000_000) },
    kind: { type: "string", multiple: true, default: kindNames },
    first: { type: "string", default: "0" },
    index: { type: "string" },
    seconds: { type: "string", default: "Infinity" },
  },
});
const [count, seed, seconds] = [Number(values.mutations), Number(values.seed), Number(values.seconds)];
const first = Number(values.index ?? values.first);
const unknown = values.kind.find((kind) => !kindNames.includes(kind));
if (![count, seed, first].every(Number.isInteger) || Number.isNaN(seconds) || unknown !== undefined) {
  console.error(`usage: npm run fuzz -- [--mutations N] [--seed S] [--kind ${kindNames.join("|")}] [--first I] [--index I] [--seconds T]`);
  process.exit(2);
}

/** One run may take so long. */
const LIMIT_MS = 5000;
/** A process may come to hold so much: the simulated memory ends at 4 GiB, and what files only claim is not touched. */
const LIMIT_RSS = 2 * 2 ** 30;
/** A process is replaced after so many mutations, so that its memory tells of few. */
const RUNS_PER_PROCESS = 200;

class Runner {
  #folder = mkdtempSync(join(tmpdir(), "xdplane-fuzz-"));
  #child;
  #left = 0;

  /** The result of one mutation, or how the process ended over it. */
  async run(job) {
    if (this.#left-- <= 0) await this.#start();
    const child = this.#child;
    return new Promise((resolve) => {
      const done = (result, gone) => {
        clearTimeout(timer);
        child.removeAllListeners();
        if (gone) this.#left = 0;
        resolve(result);
      };
      // Two runs, and the process's own time around them.
      const timer = setTimeout(
        () => {
          done({ code: "hang", ms: 2 * LIMIT_MS, fault: "did not end", rss: 0 }, true);
          child.kill("SIGKILL");
        },
        2 * LIMIT_MS + 2000,
      );
      child.once("message", (result) => done(result, !Number.isInteger(result.code)));
      child.once("exit", (code, signal) =>
        done({ code: signal ?? code, ms: 0, fault: `the process ended with ${signal ?? code}`, rss: 0 }, true),
      );
      child.send(job);
    });
  }

  async #start() {
    this.#child?.kill();
    this.#left = RUNS_PER_PROCESS - 1;
    this.#child = fork("scripts/fuzz/child.mjs", [this.#folder], {
      execArgv: ["--expose-gc"],
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    await new Promise((resolve, reject) => {
      this.#child.once("message", resolve);
      this.#child.once("exit", (code) => reject(new Error(`the process that runs mutations ended with ${code} before the first`)));
    });
    this.#child.removeAllListeners();
  }

  end() {
    this.#child?.kill();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

await bundle({
  ...{
    config: false,
    cwd: root,
    entry: { run: "src/cli/run.node.ts" },
    outDir: "build/fuzz",
    format: "esm",
    platform: "node",
    target: "node20",
  },
  ...{ dts: false, clean: false, logLevel: "error" },
});

const violations = [];
const runners = Array.from({ length: Math.min(availableParallelism(), 4) }, () => new Runner());
console.log(`seed ${seed}, ${count} mutations of each kind\n`);
console.log("kind       runs   exit 0   exit 3   exit 4   trapped   faults   slowest      most memory   time");
for (const kind of values.kind) {
  const start = performance.now();
  const codes = new Map();
  let [slowest, memory, faults, trapped, next] = [0, 0, 0, 0, first];
  const end = values.index === undefined ? first + count : first + 1;
  await Promise.all(
    runners.map(async (runner) => {
      while (next < end && performance.now() - start < seconds * 1000) {
        const index = next++;
        const { code, ms, fault, rss, trapped: traps } = await runner.run({ kind, seed, index });
        codes.set(code, (codes.get(code) ?? 0) + 1);
        slowest = Math.max(slowest, ms);
        memory = Math.max(memory, rss);
        trapped += traps ? 1 : 0;
        const found =
          fault ?? (ms > LIMIT_MS ? `took ${Math.round(ms)} ms` : rss > LIMIT_RSS ? `held ${Math.round(rss / 2 ** 20)} MiB` : null);
        if (found === null) continue;
        faults++;
        violations.push({ kind, index, found });
      }
    }),
  );
  const runs = next - first;
  const share = (code) => `${(((codes.get(code) ?? 0) * 100) / runs).toFixed(1)} %`.padStart(7);
  const took = `${Math.round((performance.now() - start) / 1000)} s`;
  console.log(
    `${kind.padEnd(8)} ${String(runs).padStart(6)}  ${share(0)}  ${share(3)}  ${share(4)}  ${String(trapped).padStart(7)}  ${String(faults).padStart(7)}  ${`${Math.round(slowest)} ms`.padStart(8)}  ${`${Math.round(memory / 2 ** 20)} MiB`.padStart(14)}  ${took.padStart(5)}`,
  );
}
for (const runner of runners) runner.end();

for (const { kind, index, found } of violations.slice(0, 20)) {
  const { from, bytes, extension, argv } = fuzzCase(kind, seed, index);
  mkdirSync("build/fuzz", { recursive: true });
  const file = `build/fuzz/${kind}-${seed}-${index}.${extension}`;
  writeFileSync(file, bytes);
  console.error(
    `\n${file}, made from ${from} (--kind ${kind} --seed ${seed} --index ${index})\n  ${found.trimEnd().replaceAll("\n", "\n  ")}`,
  );
  console.error(`  again: node dist/cli.js ${argv.map((word) => JSON.stringify(word.replace(/^FILE/, file))).join(" ")}`);
}
if (violations.length > 20) console.error(`\nand ${violations.length - 20} more`);
process.exitCode = violations.length === 0 ? 0 : 1;
