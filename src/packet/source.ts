import type { Problem } from "../problem/index.ts";

/** One interface of a source, as its section describes it. */
export interface SourceInterface {
  /** Index over all sections of the source: `PacketDescriptor.interface`. */
  readonly index: number;
  /** Number of the section it belongs to, from 0. */
  readonly section: number;
  /** LINKTYPE_* as tcpdump.org lists them. */
  readonly linkType: number;
  /** 0: no limit. */
  readonly snaplen: number;
  readonly name?: string;
  readonly description?: string;
}

/**
 * Where packets come from: a capture file, standard input, a generator. A source keeps a window of bytes in the memory and a CaptureState that `captureWalk`
 * (packet/capture.as.ts) walks; whoever drives it loops:
 *
 *   for (;;) {
 *     const count = captureWalk(source.state, first, max);   // in WebAssembly, from steering
 *     if (count > 0) use(count);
 *     else if (!(await source.advance())) break;             // then `source.problem` says whether it ended well
 *   }
 *
 * Windows are reused in turn. The bytes that descriptors point to stay as they are until `advance` reuses their window: before it does, it awaits the
 * `release` given at opening, which must not settle before every packet handed out so far has been copied or is done with.
 */
export interface PacketSource {
  /** What messages call it: the file's path, or "standard input". */
  readonly name: string;
  /** All interfaces met so far, in order. */
  readonly interfaces: readonly SourceInterface[];
  /** Address of the CaptureState. */
  readonly state: number;
  /** True when all bytes stay in the memory: windows are never reused and `rewind` works. */
  readonly resident: boolean;
  /** Deals with what stopped the walker: reads the block it met, or more bytes. False at the end, or at damage (`problem`). A promise only where it must wait. */
  advance(): boolean | Promise<boolean>;
  /** Back to the first packet; ids go on. Only for a resident source. */
  rewind(): void;
  /** Why reading ended early, or null. Packets before the fault were handed out. */
  readonly problem: Problem | null;
  /** What was odd but readable, one sentence each. */
  readonly warnings: readonly string[];
  close(): Promise<void>;
}

/** Called before a window is reused: settles when no packet handed out before is needed any more. */
export type ReleaseWindows = () => void | Promise<void>;
