import type { Command } from "commander";
import { bytesFromFile } from "../../packet/file.node.ts";
import { gunzip } from "../../packet/gzip.node.ts";
import { type ByteSource, bytesAfter, bytesFromStream } from "../../packet/index.ts";
import type { Problem } from "../../problem/index.ts";
import { dumpCapture } from "../../report/dumpCapture.node.ts";
import { formatProblem } from "../failure.node.ts";
import { wholeNumber } from "../options/number.ts";

export interface DumpOptions {
  readonly json?: boolean;
  readonly summary?: boolean;
  readonly hex?: boolean;
  readonly count?: number;
}

type TextSink = (text: string) => void;

/** A kind of file that `dump` shows, known by how it begins. */
interface Dumper {
  readonly begins: (magic: Uint8Array) => boolean;
  readonly dump: (input: ByteSource, name: string, options: DumpOptions, out: TextSink) => Promise<Problem | null>;
}

/** The first that fits is taken. Captures come last: what is nothing else gets their message on unknown files. */
const dumpers: readonly Dumper[] = [
  { begins: () => true, dump: (input, name, options, out) => dumpCapture(input, { ...options, name, gunzip }, out) },
];

/** `dump FILE`: what a file holds. */
export function registerDump(program: Command): void {
  program
    .command("dump")
    .description("show what a capture holds: interfaces, packets and their options")
    .argument("<file>", "a pcap or pcapng file, packed with gzip or not; - for standard input")
    .option("--json", "as one JSON object")
    .option("--summary", "only what it comes to: packets, bytes, times, digest")
    .option("-x, --hex", "the bytes of each packet too")
    .option("-c, --count <n>", "stop after so many packets", wholeNumber("--count", 1, Number.MAX_SAFE_INTEGER))
    .action(dump);
}

async function dump(file: string, options: DumpOptions): Promise<void> {
  const input = file === "-" ? bytesFromStream(process.stdin) : bytesFromFile(file);
  const magic = new Uint8Array(4);
  const count = await input.read(magic);
  const whole = bytesAfter(magic.subarray(0, count), input);
  const dumper = dumpers.find(({ begins }) => begins(magic));
  const text = new BlockedText((block) => process.stdout.write(block));
  const problem = (await dumper?.dump(whole, file === "-" ? "standard input" : file, options, (piece) => text.write(piece))) ?? null;
  text.flush();
  if (problem === null) return;
  process.stderr.write(formatProblem(problem));
  process.exitCode = problem.exit;
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
