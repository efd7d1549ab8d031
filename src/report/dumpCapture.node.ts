import {
  BLOCK,
  type BlockOption,
  type ByteSource,
  type CaptureBlock,
  type CaptureInterface,
  type CaptureSource,
  type CaptureWalk,
  type DescribedPacket,
  describePacket,
  forEachPacket,
  hexRows,
  linkTypeName,
  type OptionOwner,
  openCapture,
  optionName,
  optionValueText,
  readNames,
  readStatistics,
  resolutionText,
} from "../packet/index.ts";
import type { Problem } from "../problem/index.ts";
import { instantiateRuntime, SimulatedMemory } from "../runtime/index.ts";
import type { CaptureFilter } from "./captureFilter.ts";
import { type CaptureSummary, CaptureTally } from "./captureSummary.node.ts";
import { byteCount, count } from "./quantity.ts";

export interface DumpCaptureOptions {
  /** What messages call the capture. */
  readonly name: string;
  readonly gunzip?: (packed: ByteSource) => ByteSource;
  readonly json?: boolean;
  /** Only what it comes to. */
  readonly summary?: boolean;
  /** The bytes of each packet too. */
  readonly hex?: boolean;
  /** Only the packets that it wants. */
  readonly filter?: CaptureFilter;
  /** At most so many packets. */
  readonly count?: number;
}

/** Where the text goes, piece by piece. */
export type TextSink = (text: string) => void;

/**
 * Writes what a capture holds: interfaces with their options, packets one line each, statistics and names, as text or as one JSON object. Gives the fault that
 * ended it, or null.
 */
export async function dumpCapture(
  input: ByteSource,
  options: DumpCaptureOptions,
  out: TextSink,
  { memory, walk } = captureReader(),
): Promise<Problem | null> {
  const tally = new CaptureTally();
  const dump = dumpOf(options, out);
  const source = await openCapture(memory, input, { ...options, links: "as-is", onBlock: (block) => dump.block(block, source) });
  // Of a file that is no capture at all there is nothing to sum up; as JSON the object says so.
  if (source.problem !== null && source.format.startsWith("other") && options.json !== true) {
    await source.close();
    return source.problem;
  }
  dump.begin(source);
  const most = options.count ?? Number.POSITIVE_INFINITY;
  let seen = 0;
  await forEachPacket(source, memory, walk, (packet) => {
    if (seen >= most) return false;
    if (options.filter?.wants(packet, source.interfaces[packet.interface]!) === false) return true;
    seen++;
    tally.add(packet);
    dump.packet(packet, source);
    return true;
  });
  dump.end(source, tally.summary(source, options.filter?.leftOut));
  await source.close();
  return source.problem;
}

/** A memory of its own, with the walker in it. */
export function captureReader(): { readonly memory: SimulatedMemory; readonly walk: CaptureWalk } {
  const memory = new SimulatedMemory();
  return { memory, walk: instantiateRuntime(memory.memory, () => {}).exports.captureWalk as CaptureWalk };
}

/** The parts of a dump, in the order of the file. */
interface Dump {
  begin(source: CaptureSource): void;
  block(block: CaptureBlock, source: CaptureSource): void;
  packet(packet: DescribedPacket, source: CaptureSource): void;
  end(source: CaptureSource, summary: CaptureSummary): void;
}

function dumpOf(options: DumpCaptureOptions, out: TextSink): Dump {
  if (options.summary === true) return summaryDump(options.json === true, out);
  return options.json === true ? jsonDump(options, out) : textDump(options, out);
}

function summaryDump(json: boolean, out: TextSink): Dump {
  return {
    begin() {},
    block() {},
    packet() {},
    end: (_source, summary) => out(json ? `${JSON.stringify(summary)}\n` : totals(summary)),
  };
}

function textDump({ hex }: DumpCaptureOptions, out: TextSink): Dump {
  let shown = 0;
  const showInterfaces = (source: CaptureSource) => {
    for (; shown < source.interfaces.length; shown++) out(interfaceText(source.interfaces[shown]!));
  };
  return {
    begin: showInterfaces,
    block(block, source) {
      showInterfaces(source);
      const text = blockText(block, source);
      if (text !== "") out(text);
    },
    packet(packet, source) {
      const described = source.interfaces[packet.interface];
      const direction = packet.direction === null ? "" : packet.direction === "outbound" ? " Out" : " In ";
      const where = source.interfaces.length > 1 ? ` ${printable(described?.name ?? `interface ${packet.interface}`)}` : "";
      const line = describePacket(packet.bytes, described?.linkType ?? 0, packet.length);
      const snapped = packet.bytes.length < packet.length ? ` [${packet.bytes.length} of ${packet.length} bytes captured]` : "";
      out(`${String(packet.id).padStart(6)}  ${timeText(packet.ts_ns)}${where}${direction} ${line}${snapped}\n`);
      if (packet.hasOptions) {
        const { options, littleEndian } = source.packetOptions(packet.descriptor);
        out(optionLines("packet", options, littleEndian, "          "));
      }
      const dropped = source.droppedBefore(packet.descriptor);
      if (dropped !== undefined && dropped > 0) out(`          dropped before: ${dropped}\n`);
      if (hex === true)
        out(
          hexRows(packet.bytes)
            .map((row) => `          ${row}\n`)
            .join(""),
        );
    },
    end(source, summary) {
      showInterfaces(source);
      out(`\n${totals(summary)}`);
      for (const warning of source.warnings) out(` note       ${warning}\n`);
    },
  };
}

/** Characters of JSON on blocks without packets that are held back until the packets are written. */
const BLOCKS_ROOM = 16 << 20;

/** One object: packets first, since formats and interfaces are known for certain only at the end. */
function jsonDump({ hex }: DumpCaptureOptions, out: TextSink): Dump {
  let packets = 0;
  const blocks: string[] = [];
  let room = BLOCKS_ROOM;
  let leftOut = 0;
  return {
    begin: () => out('{"packets":['),
    block(block, source) {
      const described = blockJson(block, source);
      if (described === undefined) return;
      const text = JSON.stringify(described);
      room -= text.length;
      if (room >= 0) blocks.push(text);
      else leftOut++;
    },
    packet(packet, source) {
      const described = source.interfaces[packet.interface];
      const { options, littleEndian } = source.packetOptions(packet.descriptor);
      const row = {
        id: Number(packet.id),
        ts: packet.ts_ns === null ? null : timeText(packet.ts_ns),
        ts_ns: packet.ts_ns?.toString() ?? null,
        interface: packet.interface,
        offset: source.recordOffset(packet.record),
        len: packet.length,
        caplen: packet.bytes.length,
        direction: packet.direction,
        text: describePacket(packet.bytes, described?.linkType ?? 0, packet.length),
        options: optionsJson("packet", options, littleEndian),
        ...(hex === true ? { bytes: Buffer.from(packet.bytes).toString("hex") } : {}),
      };
      out(`${packets++ === 0 ? "" : ","}\n${JSON.stringify(row)}`);
    },
    end(source, { format, error, ...summary }) {
      const interfaces = source.interfaces.map((one) => ({
        index: one.index,
        section: one.section,
        linktype: one.linkType,
        linktype_name: linkTypeName(one.linkType),
        snaplen: one.snaplen,
        name: one.name ?? null,
        description: one.description ?? null,
        resolution: resolutionText(one.timeResolution),
        offset_seconds: one.timeOffset.toString(),
        fcs_length: one.fcsLength,
        options: optionsJson("interface", one.options, one.littleEndian),
      }));
      const rest = { format, error, interfaces, blocks_left_out: leftOut, warnings: source.warnings, summary };
      out(`\n],"blocks":[${blocks.join(",")}],${JSON.stringify(rest).slice(1)}\n`);
    },
  };
}

function interfaceText(one: CaptureInterface): string {
  const name = one.name === undefined ? "" : ` ${printable(one.name)}`;
  const snaplen = one.snaplen === 0 ? "no snap length" : `snap length ${one.snaplen}`;
  const offset = one.timeOffset === 0n ? "" : `, times offset by ${one.timeOffset} s`;
  const fcs = one.fcsLength === 0 ? "" : `, ${one.fcsLength} bytes of frame check sequence`;
  const head = `interface ${one.index}${name}: ${linkTypeName(one.linkType)} (${one.linkType}), ${snaplen}, ${resolutionText(one.timeResolution)}${offset}${fcs}\n`;
  return head + optionLines("interface", one.options, one.littleEndian, "  ");
}

function blockText(block: CaptureBlock, source: CaptureSource): string {
  const { type, bytes, littleEndian } = block;
  if (bytes === undefined) return `block of type 0x${type.toString(16)}, ${byteCount(block.length)}, too long to be shown\n`;
  switch (type) {
    case BLOCK.interfaceDescription:
      return "";
    case BLOCK.sectionHeader: {
      const section = source.sections[block.section];
      if (section === undefined) return "";
      const order = littleEndian ? "little" : "big";
      return `section ${block.section}: pcapng ${section.major}.${section.minor}, ${order} endian\n${optionLines("section", section.options, littleEndian, "  ")}`;
    }
    case BLOCK.interfaceStatistics: {
      const { interfaceId, options } = readStatistics(bytes, littleEndian);
      return `statistics of interface ${interfaceId} of section ${block.section}\n${optionLines("statistics", options, littleEndian, "  ")}`;
    }
    case BLOCK.nameResolution: {
      const { names, options } = readNames(bytes, littleEndian);
      const lines = names.map((row) => `  ${row.address} ${printable(row.names.join(" "))}\n`);
      return `names\n${lines.join("")}${optionLines("names", options, littleEndian, "  ")}`;
    }
    default:
      return `block of type 0x${type.toString(16)}, ${block.length} bytes at offset ${block.offset}\n`;
  }
}

function blockJson(block: CaptureBlock, source: CaptureSource): object | undefined {
  const { type, bytes, littleEndian, section, offset, length } = block;
  const place = { section, offset, length };
  if (bytes === undefined) return { type: "unread", number: type, ...place };
  switch (type) {
    case BLOCK.interfaceDescription:
      return undefined;
    case BLOCK.sectionHeader: {
      const found = source.sections[section];
      const version = found === undefined ? null : `${found.major}.${found.minor}`;
      const options = optionsJson("section", found?.options ?? [], littleEndian);
      return { type: "section", ...place, version, little_endian: littleEndian, options };
    }
    case BLOCK.interfaceStatistics: {
      const { interfaceId, ticks, options } = readStatistics(bytes, littleEndian);
      const shown = optionsJson("statistics", options, littleEndian);
      return { type: "statistics", ...place, interface_in_section: interfaceId, ticks: ticks.toString(), options: shown };
    }
    case BLOCK.nameResolution: {
      const { names, options } = readNames(bytes, littleEndian);
      return { type: "names", ...place, names, options: optionsJson("names", options, littleEndian) };
    }
    default:
      return { type: "other", number: type, ...place };
  }
}

function optionLines(owner: OptionOwner, options: readonly BlockOption[], littleEndian: boolean, indent: string): string {
  return options
    .map((option) => `${indent}${optionName(owner, option.code)}: ${printable(optionValueText(owner, option, littleEndian))}\n`)
    .join("");
}

/** Options in order; one may occur more than once. */
function optionsJson(owner: OptionOwner, options: readonly BlockOption[], littleEndian: boolean) {
  return options.map((option) => ({ name: optionName(owner, option.code), value: optionValueText(owner, option, littleEndian) }));
}

/** Text of a capture must not steer the terminal: control characters become spaces or are written as escapes. */
function printable(text: string): string {
  return text.replace(/[\n\r\t]+/g, " ").replace(/\p{Cc}/gu, (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`);
}

/** Seconds since 1970 with nine decimals, as the outcome records have them. */
function timeText(ts_ns: bigint | null): string {
  if (ts_ns === null) return "(no time)";
  const sign = ts_ns < 0n ? "-" : "";
  const size = ts_ns < 0n ? -ts_ns : ts_ns;
  return `${sign}${size / 1_000_000_000n}.${String(size % 1_000_000_000n).padStart(9, "0")}`;
}

function totals(summary: CaptureSummary): string {
  const rows: [string, string][] = [
    ["format", `${summary.format}, ${summary.linktypes.map(linkTypeName).join(", ") || "no interface"}`],
    ["packets", `${count(summary.packets)}${summary.snapped === 0 ? "" : `, ${count(summary.snapped)} of them snapped`}`],
    ["bytes", `${count(summary.caplen_sum)} captured of ${count(summary.origlen_sum)}`],
  ];
  if (summary.filtered !== undefined) rows.push(["filter", `left out ${count(summary.filtered)} more`]);
  if (summary.packets > 0) {
    const time = (text: string | null) => timeText(text === null ? null : BigInt(text));
    rows.push(["times", `${time(summary.first_ts_ns)} to ${time(summary.last_ts_ns)}`]);
  }
  rows.push(["sha256", summary.sha256_of_concatenated_packet_bytes]);
  if (summary.error !== null) rows.push(["error", summary.error]);
  return rows.map(([name, value]) => ` ${name.padEnd(10)} ${value}\n`).join("");
}
