import {
  CAPTURE_BAD_BLOCK_LENGTH,
  CAPTURE_BAD_CAPLEN,
  CAPTURE_BAD_INTERFACE,
  CAPTURE_BAD_TRAILER,
  CAPTURE_BLOCK,
  CAPTURE_CAPLEN_OVER_BLOCK,
  CAPTURE_FULL,
  CAPTURE_LINK_TYPE,
  CAPTURE_MORE,
  CAPTURE_PCAP,
  CaptureState,
  MAX_CAPLEN,
  MAX_RECORD,
  PACKET_FLAG_HAS_OPTIONS,
  PacketDescriptor,
} from "../layout/index.ts";
import type { Problem } from "../problem/index.ts";
import { BLOCK, leastBlockLength, readInterface, readSection, type Section, sectionByteOrder } from "./blocks.ts";
import { whenThere } from "./byteSource.ts";
import { type CaptureInterface, CaptureSections } from "./captureSections.ts";
import type { CaptureMemory, CaptureWindow } from "./captureWindow.ts";
import { type CaptureFormat, PCAP_FILE_HEADER } from "./formats.ts";
import { canBecomeEthernet, type LinkPolicy, linkTypeName } from "./linkTypes.ts";
import { type BlockOption, readOptions } from "./options.ts";
import { problems } from "./problems.ts";
import type { PacketSource } from "./source.ts";

/** Oddities are told once each; a damaged file could have millions. */
const MAX_WARNINGS = 16;

/** A pcapng block that carries no packet. */
export interface CaptureBlock {
  readonly type: number;
  /** Offset in the file, and bytes with padding. */
  readonly offset: number;
  readonly length: number;
  readonly littleEndian: boolean;
  /** Number of its section, from 0. */
  readonly section: number;
  /** The whole block, a copy; undefined for one too long to be kept. */
  readonly bytes: Uint8Array | undefined;
}

export interface CaptureSettings {
  readonly name: string;
  readonly links: LinkPolicy;
  readonly resident: boolean;
  readonly onBlock?: (block: CaptureBlock) => void;
}

/**
 * A pcap or pcapng capture as a packet source: reads what the walker leaves to TypeScript (file header, sections, interfaces), and turns the walker's reasons into
 * Problems.
 */
export class CaptureSource implements PacketSource {
  readonly state: number;
  readonly #memory: CaptureMemory;
  readonly #window: CaptureWindow;
  readonly #settings: CaptureSettings;
  readonly #contents: CaptureSections;
  readonly #warnings: string[] = [];
  #format: CaptureFormat | undefined;
  #formatName: string;
  #problem: Problem | null = null;
  #truncated = false;
  #ended = false;

  constructor(memory: CaptureMemory, state: number, links: number, window: CaptureWindow, settings: CaptureSettings, formatName: string) {
    this.#memory = memory;
    this.state = state;
    this.#window = window;
    this.#settings = settings;
    this.#formatName = formatName;
    this.#contents = new CaptureSections(memory, state, links, settings.links, (sentence) => this.#warn(sentence));
  }

  get name(): string {
    return this.#settings.name;
  }

  get resident(): boolean {
    return this.#settings.resident;
  }

  get interfaces(): readonly CaptureInterface[] {
    return this.#contents.interfaces;
  }

  /** pcapng: the sections met so far. */
  get sections(): readonly Section[] {
    return this.#contents.sections;
  }

  /** `pcap-us-le`, `pcapng-be`, `pcapng-mixed` (sections of both byte orders), … */
  get format(): string {
    if (this.#formatName !== "pcapng") return this.#formatName;
    const orders = new Set(this.#contents.sections.map((section) => section.littleEndian));
    if (orders.size > 1) return "pcapng-mixed";
    return orders.has(false) ? "pcapng-be" : "pcapng-le";
  }

  get problem(): Problem | null {
    return this.#problem;
  }

  /** The input ended inside a record, block or file header. */
  get truncated(): boolean {
    return this.#truncated;
  }

  get warnings(): readonly string[] {
    return this.#warnings;
  }

  /** Takes the format that the first bytes told, and reads the header of a pcap file. Called once, before anything else. */
  begin(format: CaptureFormat): void {
    this.#format = format;
    this.#formatName = format.name;
    this.#set("format", format.walk);
    this.#set("swapped", format.littleEndian ? 0 : 1);
    this.#set("record_header", format.recordHeader);
    this.#set("fraction_ns", format.fractionNs);
    if (format.walk !== CAPTURE_PCAP) return;
    if (this.#window.available < PCAP_FILE_HEADER) this.#cutShort("the file header", PCAP_FILE_HEADER);
    else this.#readFileHeader(format);
  }

  /** Ends the source before its first packet. */
  refuse(problem: Problem): void {
    this.#truncated = problem.code === "gzip_truncated";
    this.#fail({ ...problem, at: { offset: 0, ...problem.at } });
  }

  advance(): boolean | Promise<boolean> {
    if (this.#problem !== null || this.#ended) return false;
    switch (this.#get("reason")) {
      case CAPTURE_FULL:
        return true;
      case CAPTURE_MORE:
        return this.#more(this.#format?.walk === CAPTURE_PCAP ? "a packet record" : "a block", this.#get("detail"));
      case CAPTURE_BLOCK:
        return this.#block();
      default:
        return this.#fail(this.#problemOf(this.#get("reason"), this.#get("detail")));
    }
  }

  rewind(): void {
    if (!this.resident) throw new TypeError("only a resident capture can be rewound");
    this.#window.rewind();
    this.#ended = false;
    this.#contents.rewind();
    // A capture with a damaged end is repeated up to the damage, which then is met anew.
    this.#problem = null;
    this.#set("reason", CAPTURE_FULL);
    if (this.#format !== undefined) this.begin(this.#format);
  }

  /** Offset in the file of a record, by `PacketDescriptor.record`. Only until the next `advance`. */
  recordOffset(record: number): number {
    return this.#window.offsetOf(record);
  }

  /** The options of a packet that was just handed out, copied: before the next `advance`. None for pcap files and simple packet blocks. */
  packetOptions(descriptor: number): { readonly options: readonly BlockOption[]; readonly littleEndian: boolean } {
    const { view, bytes } = this.#memory;
    const littleEndian = this.#get("swapped") === 0;
    if ((PacketDescriptor.read(view, descriptor, "flags") & PACKET_FLAG_HAS_OPTIONS) === 0) return { options: [], littleEndian };
    const record = PacketDescriptor.read(view, descriptor, "record");
    const length = Math.ceil(view.getUint32(record + 4, littleEndian) / 4) * 4;
    const captured = Math.ceil(view.getUint32(record + 20, littleEndian) / 4) * 4;
    const block = bytes.slice(record, record + length);
    return { options: readOptions(block, 28 + captured, length - 4, littleEndian), littleEndian };
  }

  /** Packets lost before this one, which obsolete packet blocks count; undefined where the record does not tell. Before the next `advance`. */
  droppedBefore(descriptor: number): number | undefined {
    const { view } = this.#memory;
    if (this.#format?.walk === CAPTURE_PCAP) return undefined;
    const littleEndian = this.#get("swapped") === 0;
    const record = PacketDescriptor.read(view, descriptor, "record");
    if (view.getUint32(record, littleEndian) !== BLOCK.obsoletePacket) return undefined;
    const drops = view.getUint16(record + 10, littleEndian);
    return drops === 0xffff ? undefined : drops;
  }

  async close(): Promise<void> {
    this.#ended = true;
    await this.#window.close();
  }

  #get(field: keyof typeof CaptureState.at): number {
    return CaptureState.read(this.#memory.view, this.state, field);
  }

  #set(field: keyof typeof CaptureState.at, value: number): void {
    CaptureState.write(this.#memory.view, this.state, field, value);
  }

  #fail(problem: Problem): false {
    this.#problem = { ...problem, at: { file: this.name, ...problem.at } };
    this.#window.stop();
    return false;
  }

  #warn(sentence: string): void {
    if (this.#warnings.length < MAX_WARNINGS && !this.#warnings.includes(sentence)) this.#warnings.push(sentence);
  }

  get #here() {
    return { offset: this.#window.offsetOf(this.#window.cursor) };
  }

  /** Asks for more bytes; at the end of the input, nothing left is a good end, and anything else is a record cut short. */
  #more(what: string, wanted: number): boolean | Promise<boolean> {
    return whenThere(this.#window.fill(), (came) => {
      if (came) return true;
      if (this.#window.available === 0 && this.#window.problem === null) this.#ended = true;
      else this.#cutShort(what, wanted);
      return false;
    });
  }

  #cutShort(what: string, wanted: number): false {
    const { problem, available } = this.#window;
    this.#truncated = problem === null || problem.code === "gzip_truncated";
    return this.#fail(
      problem === null
        ? problems.capture_truncated({ what, wanted, left: available }, this.#here)
        : { ...problem, at: { ...problem.at, ...this.#here } },
    );
  }

  #readFileHeader({ littleEndian }: CaptureFormat): void {
    const header = this.#window.copy(PCAP_FILE_HEADER);
    const view = new DataView(header.buffer);
    const major = view.getUint16(4, littleEndian);
    const minor = view.getUint16(6, littleEndian);
    if (major !== 2) this.#warn(`the file header says version ${major}.${minor}; it was read as 2.4`);
    const word = view.getUint32(20, littleEndian);
    this.#window.skip(PCAP_FILE_HEADER);
    const problem = this.#contents.beginFile(
      {
        linkType: word & 0xffff,
        snaplen: view.getUint32(16, littleEndian),
        timeResolution: this.#format?.fractionNs === 1 ? 9 : 6,
        timeOffset: 0n,
        // Bits 28 to 31 count 16-bit words of frame check sequence, if bit 26 is set. draft-ietf-opsawg-pcap, section 4.
        fcsLength: (word & 0x04000000) === 0 ? 0 : (word >>> 28) * 2,
        options: [],
      },
      littleEndian,
    );
    if (problem !== undefined) this.#fail({ ...problem, at: this.#here });
  }

  /** The block at the cursor carries no packet: takes in what it says, and goes behind it. */
  #block(): boolean | Promise<boolean> {
    const window = this.#window;
    if (window.available < 12) return this.#more("a block header", 12);
    const head = window.copy(12);
    const type = this.#get("detail");
    let littleEndian = this.#get("swapped") === 0;
    if (type === BLOCK.sectionHeader) {
      const order = sectionByteOrder(head.subarray(8));
      if (order === undefined) {
        const magic = Array.from(head.subarray(8), (byte) => byte.toString(16).padStart(2, "0")).join("");
        return this.#fail(problems.capture_byte_order({ magic }, this.#here));
      }
      littleEndian = order === "little";
    }
    const total = new DataView(head.buffer).getUint32(4, littleEndian);
    const least = leastBlockLength(type);
    const mustRead = type === BLOCK.sectionHeader || type === BLOCK.interfaceDescription;
    if (total < least || (mustRead && total > MAX_RECORD)) {
      const most = mustRead ? MAX_RECORD : 2 ** 32 - 1;
      return this.#fail(problems.capture_block_length({ type, length: total, least, most }, this.#here));
    }
    const length = Math.ceil(total / 4) * 4;
    if (length !== total) this.#warn(`a block has length ${total}, no multiple of 4; it was read as ${length}`);
    const about = { type, offset: this.#here.offset, length, littleEndian, section: this.#contents.section };
    if (total > MAX_RECORD) {
      this.#settings.onBlock?.({ ...about, bytes: undefined });
      return this.#skipBlock(length - 4, total, littleEndian);
    }
    if (window.available < length) return this.#more("a block", length);
    const bytes = window.copy(length);
    const trailer = new DataView(bytes.buffer).getUint32(length - 4, littleEndian);
    if (trailer !== total) return this.#fail(problems.capture_block_trailer({ length: total, trailer }, this.#here));
    const problem = this.#takeIn(type, bytes, littleEndian);
    if (problem !== undefined) return this.#fail({ ...problem, at: this.#here });
    this.#settings.onBlock?.({ ...about, section: this.#contents.section, bytes });
    window.skip(length);
    return true;
  }

  /** What a block says of the packets behind it. */
  #takeIn(type: number, bytes: Uint8Array, littleEndian: boolean): Problem | undefined {
    if (type === BLOCK.sectionHeader) return this.#contents.beginSection(readSection(bytes, littleEndian));
    if (type === BLOCK.interfaceDescription) return this.#contents.addInterface(readInterface(bytes, littleEndian), littleEndian);
    return undefined;
  }

  /** Goes over a block too long for a window, and compares the length at its end. `left`: bytes before that length. */
  #skipBlock(left: number, total: number, littleEndian: boolean): boolean | Promise<boolean> {
    const window = this.#window;
    for (;;) {
      const taken = Math.min(left, window.available);
      window.skip(taken);
      left -= taken;
      if (left === 0 && window.available >= 4) {
        const trailer = new DataView(window.copy(4).buffer).getUint32(0, littleEndian);
        if (trailer !== total) return this.#fail(problems.capture_block_trailer({ length: total, trailer }, this.#here));
        window.skip(4);
        return true;
      }
      const came = window.fill();
      const rest = left;
      if (came instanceof Promise)
        return came.then((more) => (more ? this.#skipBlock(rest, total, littleEndian) : this.#cutShort("a block", rest + 4)));
      if (!came) return this.#cutShort("a block", left + 4);
    }
  }

  #problemOf(reason: number, detail: number): Problem {
    const at = this.#here;
    const word = (offset: number) => this.#memory.view.getUint32(this.#window.cursor + offset, this.#get("swapped") === 0);
    switch (reason) {
      case CAPTURE_BAD_CAPLEN:
        return problems.capture_caplen({ caplen: detail, most: MAX_CAPLEN }, at);
      case CAPTURE_BAD_BLOCK_LENGTH:
        return problems.capture_block_length(
          { type: word(0), length: detail, least: word(0) === BLOCK.simplePacket ? 16 : 32, most: MAX_RECORD },
          at,
        );
      case CAPTURE_BAD_TRAILER:
        return problems.capture_block_trailer({ length: word(4), trailer: detail }, at);
      case CAPTURE_BAD_INTERFACE:
        return problems.capture_interface_id({ interface: detail, count: this.#get("link_count") }, at);
      case CAPTURE_CAPLEN_OVER_BLOCK:
        return problems.capture_caplen_over_block({ caplen: detail }, at);
      case CAPTURE_LINK_TYPE:
        return this.#linkProblem(this.#get("first_interface") + detail);
      default:
        throw new RangeError(`the capture walker stopped for reason ${reason}`);
    }
  }

  #linkProblem(index: number): Problem {
    const linkType = this.#contents.interfaces[index]?.linkType ?? 0;
    const hint =
      canBecomeEthernet(linkType) && this.#settings.links === "refuse"
        ? "give its packets Ethernet headers with --as-ethernet"
        : "xdplane cannot make Ethernet frames of it; `dump` shows the packets";
    return problems.capture_link_type({ interface: index, name: linkTypeName(linkType), hint }, this.#here);
  }
}
