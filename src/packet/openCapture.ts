import { CaptureLink, CaptureState } from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";
import { type ByteSource, bytesAfter, bytesInOrder } from "./byteSource.ts";
import { MAX_LINKS } from "./captureSections.ts";
import { type CaptureBlock, CaptureSource } from "./captureSource.ts";
import { type CaptureMemory, CaptureWindow, residentRegion, streamRegions } from "./captureWindow.ts";
import { captureFormat, isGzip, PCAP_FILE_HEADER } from "./formats.ts";
import type { LinkPolicy } from "./linkTypes.ts";
import { problems } from "./problems.ts";
import type { ReleaseWindows } from "./source.ts";

export interface CaptureOptions {
  /** What messages call it. */
  readonly name: string;
  /** What to do with packets that are not Ethernet; "refuse" unless said. */
  readonly links?: LinkPolicy;
  /** MAC addresses for made Ethernet headers: 02:00:00:00:00:01 for the machine that captured, 02:00:00:00:00:02 for all others, unless said. */
  readonly ownMac?: Uint8Array;
  readonly peerMac?: Uint8Array;
  /** Unpacks gzip (gzip.node.ts). Without it a packed capture is refused. */
  readonly gunzip?: (packed: ByteSource) => ByteSource;
  /** See PacketSource. */
  readonly release?: ReleaseWindows;
  /** A capture of at most so many bytes, unpacked, is held in the memory as a whole, so that it can be rewound. 0, never, unless said. */
  readonly resident?: number;
  /** How a longer one is read: bytes of a window (262,144), and how many windows (4). */
  readonly windowBytes?: number;
  readonly windows?: number;
  /** Is given every pcapng block that carries no packet. */
  readonly onBlock?: (block: CaptureBlock) => void;
}

/**
 * Opens a pcap or pcapng capture, packed with gzip or not. The source begins before its first packet; where not even that can be reached (no capture at all, a
 * cut file header), `problem` says so at once.
 */
export async function openCapture(memory: CaptureMemory, input: ByteSource, options: CaptureOptions): Promise<CaptureSource> {
  const { bytes, problem } = await unpacked(input, options.gunzip);
  const convert = options.links === "as-ethernet";
  const state = memory.allocate("engine", CaptureState.size, 64, "the state of the capture");
  const links = memory.allocate("engine", MAX_LINKS * CaptureLink.size, 64, "the capture's interfaces");
  writeDefaults(memory, state, options);

  const held = await hold(bytes, options.resident ?? 0);
  const window = held.whole
    ? new CaptureWindow(memory, state, [residentRegion(memory, Math.max(held.size, 1), convert)], held.bytes)
    : new CaptureWindow(
        memory,
        state,
        streamRegions(memory, options.windows ?? 4, options.windowBytes ?? 262144, convert),
        held.bytes,
        options.release,
      );
  if (held.whole) await window.fillWhole();
  else while (window.available < PCAP_FILE_HEADER && (await window.fill())) {}

  const beginning = window.copy(Math.min(window.available, PCAP_FILE_HEADER));
  const format = captureFormat(beginning);
  const settings = { name: options.name, links: options.links ?? "refuse", resident: held.whole, ...pick(options.onBlock) };
  const source = new CaptureSource(memory, state, links, window, settings, format?.name ?? unknownName(beginning));
  if (format !== undefined && problem === undefined) source.begin(format);
  else source.refuse(problem ?? window.problem ?? unknownProblem(beginning));
  return source;
}

const pick = (onBlock: CaptureOptions["onBlock"]) => (onBlock === undefined ? {} : { onBlock });

/** How a file that is no capture is called in a summary. */
function unknownName(beginning: Uint8Array): string {
  return beginning.length < 4 ? "short" : `other:${hex(beginning.subarray(0, 4))}`;
}

function unknownProblem(beginning: Uint8Array) {
  if (beginning.length === 0) return problems.capture_empty({}, { offset: 0 });
  return problems.capture_unknown({ bytes: hex(beginning.subarray(0, 4)) }, { offset: 0 });
}

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

async function unpacked(input: ByteSource, gunzip: CaptureOptions["gunzip"]) {
  const magic = new Uint8Array(2);
  let count = 0;
  while (count < 2) {
    const came = await input.read(magic.subarray(count));
    if (came === 0) break;
    count += came;
  }
  const bytes = bytesAfter(magic.subarray(0, count), input);
  if (!isGzip(magic)) return { bytes, problem: undefined };
  if (gunzip === undefined) return { bytes, problem: problems.capture_is_gzip({}, { offset: 0 }) };
  return { bytes: gunzip(bytes), problem: undefined };
}

/** Finds out whether the input fits into `limit` bytes. Where its size is not known, it is read until it ends or is too long. */
async function hold(input: ByteSource, limit: number): Promise<{ whole: boolean; size: number; bytes: ByteSource }> {
  if (limit === 0) return { whole: false, size: 0, bytes: input };
  if (input.size !== undefined) return { whole: input.size <= limit, size: input.size, bytes: input };
  const chunks: Uint8Array[] = [];
  let size = 0;
  for (;;) {
    const chunk = new Uint8Array(1 << 20);
    const came = await readOrFault(input, chunk);
    if (came instanceof ProblemError) return { whole: true, size, bytes: bytesInOrder(chunks, failing(came, input)) };
    if (came > 0) chunks.push(chunk.subarray(0, came));
    size += came;
    if (came === 0 || size > limit) return { whole: came === 0, size, bytes: bytesInOrder(chunks, input) };
  }
}

async function readOrFault(input: ByteSource, into: Uint8Array): Promise<number | ProblemError> {
  try {
    return await input.read(into);
  } catch (error) {
    if (error instanceof ProblemError) return error;
    throw error;
  }
}

/** A source that has nothing left but its fault. */
function failing(fault: ProblemError, input: ByteSource): ByteSource {
  return {
    read() {
      throw fault;
    },
    close: () => input.close(),
  };
}

function writeDefaults({ view, bytes }: CaptureMemory, state: number, options: CaptureOptions): void {
  bytes.set(options.ownMac ?? Uint8Array.of(2, 0, 0, 0, 0, 1), state + CaptureState.at.own_mac);
  bytes.set(options.peerMac ?? Uint8Array.of(2, 0, 0, 0, 0, 2), state + CaptureState.at.peer_mac);
  CaptureState.writeBig(view, state, "next_id", 1n);
}
