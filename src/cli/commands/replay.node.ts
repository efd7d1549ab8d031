import { availableParallelism, constants } from "node:os";
import { type Command, Option } from "commander";
import packageJson from "../../../package.json" with { type: "json" };
import { translateClassic } from "../../bpf/classic/index.ts";
import { Dataplane, type RunResult, type WorkerPool } from "../../dataplane/index.ts";
import { openWorkerPool } from "../../dataplane/pool.node.ts";
import { XDP_PAPER } from "../../nic/index.ts";
import { bytesFromFile } from "../../packet/file.node.ts";
import { gunzip } from "../../packet/gzip.node.ts";
import { bytesFromStream, type CaptureSource, openCapture, parseMac } from "../../packet/index.ts";
import { throughPcapParser } from "../../packet/pcapParserSource.node.ts";
import { ProblemError } from "../../problem/index.ts";
import { filterProgram, loadedLines, mapContentsText, mapLines, runJson, runNotes, summaryText } from "../../report/index.ts";
import type { LoadedProgram } from "../../runtime/index.ts";
import { formatProblem } from "../failure.node.ts";
import { DeviceOptions } from "../options/devices.ts";
import { checkDistinctFiles } from "../options/distinctFiles.node.ts";
import { readFilterOption } from "../options/filter.node.ts";
import { readMapOption } from "../options/mapContents.node.ts";
import { wholeNumber } from "../options/number.ts";
import { ObjectOpener, type ObjectOptions, objectOptions } from "../options/objects.node.ts";
import { problems } from "../options/problems.ts";
import { packetRateOption } from "../options/rate.ts";
import { readConnections, readXfrmStates } from "../options/tables.node.ts";
import { startProgress } from "../progress.node.ts";
import { EventOutput } from "../replay/events.node.ts";
import { OutcomeOutputs } from "../replay/outputs.node.ts";
import { ReplayPrograms } from "../replay/programs.node.ts";
import { attachments, dataplaneDevices, neighbours, routes, sockets } from "../replay/request.ts";

interface Options extends ObjectOptions {
  readonly cpus?: number;
  readonly workers?: number;
  readonly deterministic?: true;
  readonly strict?: true;
  readonly seed: number;
  readonly engine: "jit" | "interp";
  readonly route: readonly string[];
  readonly neigh: readonly string[];
  readonly socket: readonly string[];
  readonly conntrack: readonly string[];
  readonly dumpConntrack?: true;
  readonly xfrmState: readonly string[];
  readonly map: readonly string[];
  readonly dumpMaps?: true;
  readonly filter?: string;
  readonly repeat: number;
  readonly rate?: number;
  readonly timing?: true;
  readonly direction: "capture" | "ingress" | "egress";
  readonly asEthernet?: true;
  readonly padSnapped?: true;
  readonly json?: true;
  readonly jsonl?: string;
  readonly output?: string;
  readonly events?: string;
  readonly eventType: readonly string[];
  readonly perfPages: number;
}

/** A capture is held in memory for --repeat up to this size, unpacked. */
const RESIDENT_LIMIT = 1 << 30;

export function registerReplay(program: Command): void {
  const devices = new DeviceOptions();
  const list = (text: string, before: readonly string[]) => [...before, text];
  objectOptions(program.command("replay"))
    .description("replay a capture through programs on simulated devices and tell what became of every packet")
    .argument("<capture>", "a pcap or pcapng file, packed with gzip or not; - for standard input")
    .option(
      "--dev <name,…>",
      "a device: NAME[,mac=,ifindex=,mtu=,addr=,queues=,ring=,mode=]; the options below that name a hook belong to the last --dev",
      (text) => devices.dev(text),
    )
    .option("--xdp <obj[:program]>", "the device's XDP program", (text) => devices.xdp(text))
    .option(
      "--tc-ingress <obj[:program]>",
      "a direct-action classifier at clsact ingress; repeatable: they run in the order given (of tc's filters the one added last runs first)",
      (text) => devices.ingress(text),
    )
    .option("--tc-egress <obj[:program]>", "the same at egress", (text) => devices.egress(text))
    .option("--mode <mode>", "where the device runs XDP: native (the default) or generic", (text) => devices.mode(text))
    .option("--queues <n>", "receive queues of the device", (text) => devices.queues(text))
    .option("--cpus <n>", "simulated CPUs; as many as the most queues of a device unless said", wholeNumber("--cpus", 1, 128))
    .option("--workers <n>", "threads that run the CPUs; 0: the main thread does", wholeNumber("--workers", 0, 128))
    .option("--deterministic", "CPUs take turns in virtual time, on one thread")
    .option("--strict", "refuse programs that use helpers, kfuncs or variables that are not built, instead of aborting packets there")
    .option("--seed <n>", "seed of the programs' random numbers", wholeNumber("--seed", 0, Number.MAX_SAFE_INTEGER), 0)
    .option("--route <route>", "a route in ip's grammar, 'DST via GW dev IF'; repeatable", list, [])
    .option("--neigh <neighbour>", "a neighbour in ip's grammar, 'IP lladdr MAC dev IF'; repeatable", list, [])
    .option("--socket <socket>", "a socket of the host, 'tcp listen IP:PORT' or 'udp IP:PORT'; repeatable, numbered from 1", list, [])
    .option(
      "--conntrack <connection>",
      "a connection that the host tracks, as conntrack -L prints it, or @FILE with several; repeatable",
      list,
      [],
    )
    .option("--dump-conntrack", "print the tracked connections in the end")
    .option(
      "--xfrm-state <state>",
      "a security association in ip's grammar, or @FILE with what 'ip xfrm state' prints; repeatable",
      list,
      [],
    )
    .option("--map <name=contents>", "contents of a map: NAME=FILE, NAME={…}, or FILE for several; repeatable", list, [])
    .option("--dump-maps", "print what the maps hold in the end")
    .option("-o, --output <file>", "write a pcapng file with every packet's final bytes, verdicts and fate")
    .option("--json", "print the summary as one JSON object")
    .option("--jsonl <file>", "write one line of JSON a packet; - for standard output")
    .option(
      "--events <file>",
      "listen to the programs' ring buffers and perf event arrays and write one line of JSON a record; - for standard output",
    )
    .option("--event-type <type>", "read the records as this type of their object too: TYPE, or MAP=TYPE; repeatable", list, [])
    .option("--perf-pages <n>", "pages of each CPU's ring of a perf event array", wholeNumber("--perf-pages", 1, 16384), 64)
    .option("--filter <expr>", "take only packets that match: an expression, or @FILE with one or with what tcpdump -ddd prints")
    .option("--repeat <n>", "replay the capture so often", wholeNumber("--repeat", 1, 1e9), 1)
    .option("--rate <rate>", "packets come at this rate, as 14.88Mpps, instead of when the capture says", packetRateOption("--rate"))
    .option("--timing", "model time (docs/timing.md): lost packets, the CPUs' load, latencies")
    .option("--as-ethernet", "give packets that are not Ethernet (raw IP, Linux cooked, null) an Ethernet header")
    .option("--pad-snapped", "fill packets that the capture cut short with zeros, up to their length on the wire")
    .addOption(new Option("--direction <way>", "which way packets enter").choices(["capture", "ingress", "egress"]).default("capture"))
    .addOption(new Option("--engine <name>", "what runs the programs").choices(["jit", "interp"]).default("jit"))
    .action((capture: string, options: Options) => replay(capture, devices, options));
}

async function replay(path: string, deviceOptions: DeviceOptions, options: Options): Promise<void> {
  checkStandardOutput(options);
  checkDistinctFiles([
    ["the capture", path],
    ["--output", options.output],
    ["--jsonl", options.jsonl],
    ["--events", options.events],
  ]);
  const requests = deviceOptions.finish();
  const devices = dataplaneDevices(requests, undefined);
  const deterministic = options.deterministic ?? false;
  const workers = options.workers ?? defaultWorkers();
  const dataplane = new Dataplane({
    devices,
    routes: routes(options.route),
    neighbours: neighbours(options.neigh),
    sockets: sockets(options.socket),
    xfrmStates: options.xfrmState.flatMap(readXfrmStates),
    ...(options.conntrack.length === 0 ? {} : { connections: options.conntrack.flatMap(readConnections) }),
    ...(options.cpus === undefined ? {} : { cpus: options.cpus }),
    seed: BigInt(options.seed),
    engine: options.engine,
    ...(options.timing ? { timing: XDP_PAPER } : {}),
    workers,
    deterministic,
    openPool: (count) => pool ?? openWorkerPool(count),
  });
  // Threads start while the objects and maps are read.
  const pool: WorkerPool | undefined = dataplane.workers > 0 ? openWorkerPool(dataplane.workers) : undefined;
  const idle = unusedWorkers(options, dataplane);
  if (idle !== undefined) process.stderr.write(`note: ${idle}\n`);
  const opener = new ObjectOpener(options);
  const programs = new ReplayPrograms(dataplane, { opener, strict: options.strict ?? false });
  for (const attachment of attachments(requests)) programs.attach(attachment);
  opener.checkSettings();
  const filter = options.filter === undefined ? undefined : loadFilter(dataplane, options.filter);
  for (const request of options.map.flatMap(readMapOption)) programs.fill(request);
  const events = listen(dataplane, programs, options);

  const input = path === "-" ? await throughPcapParser(bytesFromStream(process.stdin)) : bytesFromFile(path);
  const source = await openCapture(dataplane.memory, input, {
    name: path === "-" ? "standard input" : path,
    links: options.asEthernet ? "as-ethernet" : "refuse",
    ...pickMac(dataplane.devices[0]?.mac),
    gunzip,
    release: dataplane.release,
    resident: options.repeat > 1 ? RESIDENT_LIMIT : 0,
  });
  if (source.problem !== null && source.format.startsWith("other")) throw new ProblemError(inFile(source.problem, path));
  const human = options.json === undefined && options.jsonl !== "-" && options.events !== "-";
  if (human) process.stdout.write(`${loadedLines(programs.lines)}${programs.lines.length > 0 ? "\n" : ""}`);
  const outputs = new OutcomeOutputs({
    ...(options.jsonl === undefined ? {} : { jsonl: options.jsonl }),
    ...(options.output === undefined ? {} : { capture: options.output }),
    application: `xdplane ${packageJson.version}`,
  });
  const result = await run(dataplane, source, { outputs, events }, input.size ?? 0, { ...options, loaded: filter });

  const maps = options.dumpMaps ? programs.dump() : null;
  const connections = options.dumpConntrack ? dataplane.connections().map(({ text }) => text) : null;
  const heard = events?.figures ?? new Map();
  const read = events === undefined ? null : programs.figures(heard);
  if (options.json) process.stdout.write(runJson(result, programs.lines, { maps, connections, events: read }));
  // A capture of which nothing could be read has no summary, only its fault.
  else if (human && (result.packets > 0 || source.problem === null)) {
    process.stdout.write(summaryText(result, lineWidth()) + mapLines(programs.fillings(heard), lineWidth()));
    if (connections !== null) process.stdout.write(`\n${connections.map((text) => `${text}\n`).join("")}`);
    if (maps !== null) process.stdout.write(`\n${mapContentsText(maps)}`);
  }
  for (const note of runNotes(result, programs.lines)) process.stderr.write(`note: ${note}\n`);
  for (const warning of source.warnings) process.stderr.write(`note: ${path}: ${warning}\n`);
  if (source.problem !== null) {
    process.stderr.write(formatProblem(inFile(source.problem, path)));
    process.exitCode = source.problem.exit;
  }
}

/**
 * Runs the capture through. Ctrl-C (or SIGTERM) ends it with what was taken in until then, a second one at once. The exit code is then 128 and the signal's
 * number, as shells count it.
 */
async function run(
  dataplane: Dataplane,
  source: CaptureSource,
  { outputs, events }: { readonly outputs: OutcomeOutputs; readonly events: EventOutput | undefined },
  size: number,
  { repeat, rate, direction, padSnapped, loaded }: Options & { readonly loaded: LoadedProgram | undefined },
): Promise<RunResult> {
  const stop = new AbortController();
  const progress = startProgress(size * repeat);
  const interrupt = (signal: "SIGINT" | "SIGTERM") => {
    process.exitCode = 128 + constants.signals[signal];
    if (!stop.signal.aborted) return stop.abort();
    // The bar has hidden the cursor, and would leave the terminal so.
    progress.stop();
    process.exit();
  };
  process.on("SIGINT", interrupt);
  process.on("SIGTERM", interrupt);
  try {
    return await dataplane.run(source, {
      repeat,
      ...(rate === undefined ? {} : { rate }),
      direction,
      padSnapped: padSnapped ?? false,
      ...(loaded === undefined ? {} : { filter: loaded }),
      signal: stop.signal,
      keepBytes: outputs.wantsBytes,
      onProgress: (packets, bytes) => progress.update(bytes, packets),
      ...(outputs.wanted ? { onOutcome: (expanded) => outputs.write(expanded) } : {}),
      ...(events === undefined ? {} : { onWindow: (window) => events.finished(window) }),
    });
  } finally {
    progress.stop();
    try {
      outputs.close();
    } finally {
      events?.close();
    }
    process.off("SIGINT", interrupt);
    process.off("SIGTERM", interrupt);
    // Closing waits for the bytes that were asked for, which may never come.
    if (stop.signal.aborted) process.stdin.destroy();
    await source.close();
  }
}

/** At most one of what is asked for goes to standard output, where the summary of a run that asks for none goes. */
function checkStandardOutput({ json, jsonl, events }: Options): void {
  const asked = { "--json": json === true, "--jsonl -": jsonl === "-", "--events -": events === "-" };
  const [first, second] = Object.entries(asked).flatMap(([option, given]) => (given ? [option] : []));
  if (second !== undefined) throw new ProblemError(problems.option_both_standard_output({ first: first!, second }));
}

function listen(dataplane: Dataplane, programs: ReplayPrograms, { events, eventType, perfPages }: Options): EventOutput | undefined {
  if (events === undefined) return undefined;
  return new EventOutput(dataplane, programs.maps(), { file: events, types: eventType, pages: perfPages });
}

/** The filter as eBPF, ready to run. Packets have an Ethernet header by then, whatever the capture's link type. */
function loadFilter(dataplane: Dataplane, option: string): LoadedProgram {
  const spec = translateClassic(filterProgram(readFilterOption(option)));
  if (!spec.ok) throw new ProblemError(spec.problem);
  return dataplane.loadFilter(spec.value);
}

/** Made Ethernet headers bear the device's address, so that what came in is taken for what the device would accept. */
const pickMac = (mac: string | undefined) => {
  const ownMac = parseMac(mac ?? "");
  return ownMac === undefined ? {} : { ownMac };
};

/** One thread steers and reads; the others run CPUs. */
const defaultWorkers = (): number => Math.max(1, Math.min(availableParallelism(), 64) - 1);

/** What becomes of --workers where fewer threads run than it asks for; undefined where it is heeded. */
function unusedWorkers({ workers = 0, deterministic }: Options, dataplane: Dataplane): string | undefined {
  if (workers <= Math.max(dataplane.workers, 1)) return undefined;
  if (deterministic) return `--deterministic runs all CPUs on one thread: --workers ${workers} is not used`;
  return `${dataplane.workers} of the ${workers} workers run, one for each simulated CPU: --queues or --cpus make more`;
}

/** Columns for the summary: a terminal's, but no more than reads well; where there is none, all that reads well. */
const lineWidth = (): number => Math.min(process.stdout.columns ?? 120, 120);

const inFile = (problem: NonNullable<CaptureSource["problem"]>, file: string) =>
  problem.at.file === undefined ? { ...problem, at: { ...problem.at, file } } : problem;
