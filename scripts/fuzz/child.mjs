// Runs command lines inside one process, as the parent asks for them: `fork(child, [folder])`, then messages { kind, seed, index }.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { fuzzCase } from "./cases.mjs";

const [folder] = process.argv.slice(2);
const { runCommandLine } = await import(pathToFileURL("build/fuzz/run.mjs"));

/** What is different in every run: how long things took. */
const times = /"(?:elapsed_?ns|elapsedNs|packets_per_second|rate|mpps|compile_ns|load_ns|elapsed_ms)":\s*[\d.e+]+/gi;

/** One run: exit code, milliseconds, both outputs. */
async function once(argv) {
  const out = { stdout: "", stderr: "" };
  const write = { stdout: process.stdout.write, stderr: process.stderr.write };
  for (const name of ["stdout", "stderr"])
    process[name].write = (text) => {
      out[name] += text;
      return true;
    };
  const start = performance.now();
  try {
    const code = await runCommandLine(["node", "xdplane", ...argv]);
    return { ...out, code, ms: performance.now() - start };
  } finally {
    Object.assign(process.stdout, { write: write.stdout });
    Object.assign(process.stderr, { write: write.stderr });
    process.exitCode = undefined;
  }
}

const line = /\.yaml:\d+(:\d+)?$/;
const placed = { capture: /offset \d+/, object: /offset \d+|instruction \d+/, map: line };
/** Contents that fit the maps no longer, because the object was changed, are shown in their own file. */
const isPlaced = (kind, file, place) => (place.includes(file) && placed[kind].test(place)) || (kind === "object" && line.test(place));

function faultOf(kind, file, first, second) {
  if (![0, 3, 4].includes(first.code)) return `ended with ${first.code}: ${first.stderr.slice(0, 600)}`;
  if (first.code !== 0) {
    const place = /^ {3}in: (.*)$/m.exec(first.stderr)?.[1] ?? "";
    if (!isPlaced(kind, file, place)) return `no file and place: ${first.stderr}`;
    if (/undefined|NaN|\[object|\{\w+\}|\n\s+at /.test(first.stderr)) return `the text is not fit to be read: ${first.stderr}`;
  } else if (second.code !== 0 || second.stdout.replace(times, "") !== first.stdout.replace(times, ""))
    return `a second run ended with ${second.code}, and not as the first: ${difference(first.stdout.replace(times, ""), second.stdout.replace(times, ""))}`;
  return null;
}

function difference(a, b) {
  let at = 0;
  while (at < a.length && a[at] === b[at]) at++;
  return `at ${at}: ${JSON.stringify(a.slice(Math.max(0, at - 60), at + 60))} and ${JSON.stringify(b.slice(Math.max(0, at - 60), at + 60))}`;
}

async function run({ kind, seed, index }) {
  const { bytes, extension, argv: template } = fuzzCase(kind, seed, index);
  const file = join(folder, `mutated.${extension}`);
  writeFileSync(file, bytes);
  const argv = template.map((word) => word.replace(/^FILE/, file));
  // Threads cost a tenth of a second to start; a run in sixteen has them all the same.
  const [inline, threads] =
    argv[0] === "replay"
      ? [
          ["--workers", "0"],
          ["--workers", "2"],
        ]
      : [[], []];
  const first = await once([...argv, ...(index % 16 === 15 ? threads : inline)]);
  const second = first.code === 0 && index % 16 !== 15 ? await once([...argv, ...inline]) : first;
  // Memories are large in addresses, and a collection takes as long as a run: one for several runs.
  if (index % 8 === 0) globalThis.gc?.();
  return {
    code: first.code,
    ms: Math.max(first.ms, second.ms),
    fault: faultOf(kind, file, first, second),
    trapped: /"traps":\s*\[\s*\{/.test(first.stdout),
    rss: process.resourceUsage().maxRSS * 1024,
  };
}

process.on("message", async (job) => {
  let result;
  try {
    result = await run(job);
  } catch (error) {
    result = { code: "thrown", ms: 0, fault: String(error?.stack ?? error), rss: 0 };
  }
  process.send(result);
});
for (const event of ["uncaughtException", "unhandledRejection"]) {
  process.on(event, (error) => process.send({ code: event, ms: 0, fault: String(error?.stack ?? error), rss: 0 }, () => process.exit(70)));
}
// The parent is gone: nobody is left to run for.
process.on("disconnect", () => process.exit());
process.send("ready");
