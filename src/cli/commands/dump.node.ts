import { type Command, Option } from "commander";
import { bytesFromFile } from "../../packet/file.node.ts";
import { gunzip } from "../../packet/gzip.node.ts";
import { type ByteSource, bytesAfter, bytesFromStream } from "../../packet/index.ts";
import { throughPcapParser } from "../../packet/pcapParserSource.node.ts";
import { type Problem, ProblemError } from "../../problem/index.ts";
import { dumpCapture } from "../../report/dumpCapture.node.ts";
import { CaptureFilter, type FilterForm, filterForms, filterListing, filterProgram } from "../../report/index.ts";
import { formatProblem } from "../failure.node.ts";
import { readFilterOption } from "../options/filter.node.ts";
import { wholeNumber } from "../options/number.ts";
import { objectOptions } from "../options/objects.node.ts";
import { problems } from "../options/problems.ts";
import { beginsObject, dumpObject, type ObjectDumpOptions } from "./dumpObject.node.ts";

export interface DumpOptions extends ObjectDumpOptions {
  readonly json?: boolean;
  readonly summary?: boolean;
  readonly hex?: boolean;
  readonly count?: number;
  readonly filter?: string;
  readonly code?: FilterForm;
}

type TextSink = (text: string) => void;

/** A kind of file that `dump` shows, known by how it begins. */
interface Dumper {
  readonly kind: string;
  /** The options that say something about this kind only. */
  readonly options: readonly (keyof DumpOptions)[];
  readonly begins: (magic: Uint8Array) => boolean;
  readonly dump: (input: ByteSource, name: string, options: DumpOptions, out: TextSink) => Promise<Problem | null>;
}

/** The first that fits is taken. Captures come last: what is nothing else gets their message on unknown files. */
const dumpers: readonly Dumper[] = [
  {
    kind: "an object",
    options: ["program", "insns", "maps", "types", "sections", "wasm", "set", "btf", "kconfig"],
    begins: beginsObject,
    dump: async (input, name, options, out) => {
      out(dumpObject(await allBytes(input), name, options));
      return null;
    },
  },
  {
    kind: "a capture",
    options: ["summary", "hex", "count", "filter"],
    begins: () => true,
    dump: (input, name, { filter, ...options }, out) => {
      const wanted = filter === undefined ? {} : { filter: new CaptureFilter(readFilterOption(filter)) };
      return dumpCapture(input, { ...options, ...wanted, name, gunzip }, out);
    },
  },
];

/** `dump FILE`: what a file holds. `dump --filter EXPR` alone: the filter's code. */
export function registerDump(program: Command): void {
  objectOptions(program.command("dump"))
    .description("show what is in a BPF object (programs, maps, types, instructions) or a capture (interfaces, packets, options)")
    .argument("[file]", "an ELF object, or a pcap or pcapng file, packed with gzip or not; - for standard input")
    .option("--json", "as one JSON object")
    .option("--program <name>", "object: the instructions of this program only")
    .option("--insns", "object: instructions, with functions and source lines")
    .option("--maps", "object: maps, with the first values of global data")
    .option("--types", "object: types, as C")
    .option("--sections", "object: all sections of the ELF file")
    .option("--wasm", "object: the WebAssembly that programs become, as text")
    .option("--summary", "capture: only what it comes to: packets, bytes, times, digest")
    .option("-x, --hex", "capture: the bytes of each packet too")
    .option("-c, --count <n>", "capture: stop after so many packets", wholeNumber("--count", 1, Number.MAX_SAFE_INTEGER))
    .option("--filter <expr>", "capture: only packets that match (see docs/filter.md); without a file, the filter's code")
    .addOption(new Option("--code <form>", "filter without a file: as tcpdump -d (the default), -dd or -ddd, or eBPF").choices(filterForms))
    .action(dump);
}

async function dump(file: string | undefined, options: DumpOptions): Promise<void> {
  if (file === undefined) {
    if (options.filter === undefined) throw new ProblemError(problems.dump_nothing());
    process.stdout.write(filterListing(filterProgram(readFilterOption(options.filter)), options.code ?? "d"));
    return;
  }
  if (options.code !== undefined)
    throw new ProblemError(problems.dump_option({ option: "--code", wanted: "a filter without a file", given: "a file" }, { file }));
  const input = file === "-" ? await throughPcapParser(bytesFromStream(process.stdin)) : bytesFromFile(file);
  const magic = new Uint8Array(4);
  const count = await input.read(magic);
  const whole = bytesAfter(magic.subarray(0, count), input);
  const dumper = dumpers.find(({ begins }) => begins(magic));
  for (const other of dumpers) {
    const stray = other === dumper ? undefined : other.options.find((name) => options[name] !== undefined);
    if (stray !== undefined)
      throw new ProblemError(problems.dump_option({ option: `--${stray}`, wanted: other.kind, given: dumper?.kind ?? "" }, { file }));
  }
  const text = new BlockedText((block) => process.stdout.write(block));
  const found = (await dumper?.dump(whole, file === "-" ? "standard input" : file, options, (piece) => text.write(piece))) ?? null;
  text.flush();
  const begins = Buffer.from(magic.subarray(0, count)).toString("hex");
  const problem = found?.code === "capture_unknown" ? problems.dump_unknown({ bytes: begins }, found.at) : found;
  if (problem === null) return;
  process.stderr.write(formatProblem(problem));
  process.exitCode = problem.exit;
}

/** All of an input that is small: an object. */
async function allBytes(input: ByteSource): Promise<Uint8Array> {
  let bytes = new Uint8Array(1 << 16);
  let length = 0;
  for (;;) {
    const count = await input.read(bytes.subarray(length));
    if (count === 0) return bytes.subarray(0, length);
    length += count;
    if (length === bytes.length) {
      const larger = new Uint8Array(bytes.length * 2);
      larger.set(bytes);
      bytes = larger;
    }
  }
}

/** Collects lines into blocks: a write for each line of a long capture would be most of the work. */
class BlockedText {
  readonly #out: TextSink;
  #pieces: string[] = [];
  #length = 0;

  constructor(out: TextSink) {
    this.#out = out;
  }

  write(piece: string): void {
    this.#pieces.push(piece);
    this.#length += piece.length;
    if (this.#length > 65536) this.flush();
  }

  flush(): void {
    if (this.#length > 0) this.#out(this.#pieces.join(""));
    this.#pieces = [];
    this.#length = 0;
  }
}
