import pc from "picocolors";
import type { Fate, FateCount, RunResult } from "../dataplane/index.ts";
import { byteCount, count, duration, packetRate, percent } from "./quantity.ts";
import { plainTable } from "./table.ts";
import { timingText } from "./timing.ts";

/** A program as it was loaded, for the lines above the result. */
export interface LoadedLine {
  /** balancer.o:balancer */
  readonly name: string;
  /** "xdp, native on eth0" */
  readonly where: string;
  /** As ProgramResult has them. */
  readonly program: string;
  readonly device: string;
  readonly hook: string;
  readonly instructions: number;
  readonly wasmBytes: number;
  readonly elapsedNs: number;
  readonly engine: "jit" | "interp";
  /** Calls that trap when a packet reaches them: helpers and kfuncs that are not built. */
  readonly unbuilt: readonly string[];
}

/** One line a program: name, hook, size, and how long check and compilation took; below it, what would trap. */
export function loadedLines(programs: readonly LoadedLine[]): string {
  const name = Math.max(...programs.map((program) => program.name.length));
  const where = Math.max(...programs.map((program) => program.where.length));
  return programs
    .map((program) => {
      const engine = program.engine === "jit" ? `${byteCount(program.wasmBytes)} of wasm` : "interpreted";
      const size = `${count(program.instructions)} insns, ${engine}, ${duration(program.elapsedNs)}`;
      const line = `${pc.bold(program.name.padEnd(name))}   ${program.where.padEnd(where)}   ${size}\n`;
      if (program.unbuilt.length === 0) return line;
      return `${line}   ${pc.yellow("not built yet, traps when reached")}: ${program.unbuilt.join(", ")}\n`;
    })
    .join("");
}

/** What a user may want to know beside the figures: programs that saw no packet, packets that no device could take. One sentence each. */
export function runNotes(result: RunResult, programs: readonly LoadedLine[]): string[] {
  if (result.packets === 0) return [];
  const ran = ({ program, device, hook }: LoadedLine) =>
    result.programs.some((row) => row.name === program && row.device === device && row.hook === hook);
  const idle = programs.filter((line) => !ran(line)).map(({ name, where }) => `${name} (${where}) saw no packet`);
  const refused = Object.entries(result.devices).flatMap(([device, { rx_length_errors: packets = 0 }]) =>
    packets === 0
      ? []
      : [
          `${device} refused ${count(packets)} ${plural(packets, "packet")} (rx_length_errors): longer than the MTU, which --dev ${device},mtu= sets, or shorter than a header`,
        ],
  );
  return [...idle, ...refused];
}

/** The result of a run as text: totals, fates, queues, drops, device counters. Lists are broken into lines of `width`, where words allow. */
export function summaryText(result: RunResult, width = 120): string {
  const sections = [
    headline(result),
    fateTable(result),
    queueTable(result),
    result.timing === null ? "" : timingText(result.timing),
    programTable(result),
    trapLines(result),
    deviceLines(result, width),
    traceLines(result),
  ];
  return sections.filter((section) => section !== "").join("\n");
}

function headline(result: RunResult): string {
  const parts = [`${pc.bold(count(result.packets))} ${plural(result.packets, "packet")}`, byteCount(result.bytes)];
  if (result.firstNs !== null && result.lastNs !== null) parts.push(`${duration(Number(result.lastNs - result.firstNs))} of capture`);
  const rate = result.elapsedNs > 0 ? ` (${packetRate((result.packets * 1e9) / result.elapsedNs)})` : "";
  const workers = `${result.workers} ${plural(result.workers, "worker")}`;
  parts.push(`replayed in ${duration(result.elapsedNs)} on ${workers}${rate}`);
  const notes = [];
  if (result.interrupted) notes.push("interrupted: this is what was done so far");
  if (result.filtered !== null) notes.push(`${count(result.filtered)} more ${plural(result.filtered, "packet")} left out by the filter`);
  if (result.snapped > result.padded) notes.push(cutShort(result.snapped - result.padded, false));
  if (result.padded > 0) notes.push(cutShort(result.padded, true));
  if (result.unrecordedCopies > 0)
    notes.push(`${count(result.unrecordedCopies)} copies of packets are counted here but not written one by one`);
  return ` ${parts.join("   ")}\n${notes.map((note) => ` ${pc.yellow(note)}\n`).join("")}`;
}

const cutShort = (packets: number, padded: boolean): string => {
  const one = packets === 1;
  const then = padded ? "filled up with zeros" : `ran at ${one ? "its" : "their"} captured length`;
  return `${count(packets)} ${plural(packets, "packet")} ${one ? "was" : "were"} cut short in the capture and ${then}`;
};

function fateTable(result: RunResult): string {
  const byFate = new Map<Fate, FateCount[]>();
  for (const row of result.fates) byFate.set(row.fate, [...(byFate.get(row.fate) ?? []), row]);
  const rows = [...byFate].map(([fate, parts]) => {
    const packets = sum(parts.map((part) => part.packets));
    return [fate, count(packets), percent(packets, result.packets), count(sum(parts.map((part) => part.bytes))), fateDetail(parts)];
  });
  if (rows.length === 0) return " no packets\n";
  return plainTable([{ heading: "fate" }, right("packets"), right("%"), right("bytes"), { heading: "" }], rows);
}

/** Where packets of one fate went or why they were lost; with their numbers when there is more than one place. */
function fateDetail(parts: readonly FateCount[]): string {
  const named = (part: FateCount) => part.reason ?? part.to;
  if (parts.length === 1) return parts.map((part) => named(part) ?? "").join("");
  const told = parts.slice(0, PLACES_SHOWN).map((part) => `${named(part) ?? "directly"} ${count(part.packets)}`);
  return [...told, ...(parts.length > told.length ? [`${count(parts.length - told.length)} more`] : [])].join(" · ");
}

/** Places or reasons of one fate, and verdicts of one program, that the summary shows; --json has all. */
const PLACES_SHOWN = 8;

function queueTable(result: RunResult): string {
  if (result.queues.length === 0) return "";
  const fates = [...new Set(result.queues.flatMap((queue) => Object.keys(queue.fates) as Fate[]))];
  const severalDevices = new Set(result.queues.map((queue) => queue.device)).size > 1;
  const rows = result.queues.map((queue) => [
    ...(severalDevices ? [queue.device] : []),
    String(queue.queue),
    String(queue.cpu),
    count(queue.packets),
    percent(queue.packets, result.packets),
    ...fates.map((fate) => count(queue.fates[fate] ?? 0)),
  ]);
  const columns = [right("queue"), right("cpu"), right("packets"), right("share %"), ...fates.map(right)];
  return plainTable(severalDevices ? [{ heading: "device" }, ...columns] : columns, rows);
}

function programTable(result: RunResult): string {
  if (result.programs.length === 0) return "";
  const rows = result.programs.map((program) => [
    program.name,
    program.hook === "" ? "" : `${program.hook} on ${program.device}`,
    count(program.runs),
    verdictDetail(program.verdicts),
  ]);
  return plainTable([{ heading: "program" }, { heading: "hook" }, right("runs"), { heading: "verdicts" }], rows);
}

function verdictDetail(verdicts: Readonly<Record<string, number>>): string {
  const all = Object.entries(verdicts);
  const told = all.slice(0, PLACES_SHOWN).map(([verdict, times]) => `${verdict} ${count(times)}`);
  return [...told, ...(all.length > told.length ? [`${count(all.length - told.length)} more`] : [])].join(" · ");
}

function trapLines(result: RunResult): string {
  return result.traps
    .map((trap) => {
      const source = trap.source === null ? "" : ` (${trap.source})`;
      const place = trap.instruction === null ? "" : ` at instruction ${trap.instruction}${source}`;
      return ` ${pc.red("aborted")}: ${trap.program}${place}: ${trap.reason}, ${count(trap.packets)} ${plural(trap.packets, "packet")}\n`;
    })
    .join("");
}

function deviceLines(result: RunResult, width: number): string {
  return Object.entries(result.devices)
    .filter(([, counters]) => Object.keys(counters).length > 0)
    .map(([device, counters]) => {
      const listed = Object.entries(counters).map(([name, value]) => `${name} ${count(value)}`);
      return wrap(` ${device}  `, listed, width);
    })
    .join("");
}

/** Lines of bpf_trace_printk that the summary shows; --json has more. */
const TRACE_SHOWN = 20;

/** What programs printed, as the kernel's trace_pipe shows it: CPU, seconds, text. */
function traceLines({ trace }: RunResult): string {
  const shown = trace.lines.slice(0, TRACE_SHOWN).map(({ cpu, nanoseconds, text }) => {
    const seconds = `${nanoseconds / 1_000_000_000n}.${String(nanoseconds % 1_000_000_000n)
      .padStart(9, "0")
      .slice(0, 6)}`;
    return ` [${String(cpu).padStart(3, "0")}] ${seconds}: bpf_trace_printk: ${text.trimEnd()}\n`;
  });
  const more = trace.lines.length - shown.length + trace.lost;
  return shown.join("") + (more > 0 ? ` … ${count(more)} more lines of bpf_trace_printk\n` : "");
}

/** What a map holds in the end: entries in use of those it has room for, or records that programs wrote and nobody read, or how many were read. */
export type MapFilling =
  | { readonly name: string; readonly used: number; readonly limit: number }
  | { readonly name: string; readonly records: number; readonly lost: number }
  | { readonly name: string; readonly read: number; readonly lost: number };

/** How full the maps are: backends 12/512 · events 40 records, 3 lost. Empty without maps. */
export function mapLines(maps: readonly MapFilling[], width = 120): string {
  if (maps.length === 0) return "";
  const items = maps.map((map) => {
    if ("used" in map) return `${map.name} ${count(map.used)}/${count(map.limit)}`;
    const lost = map.lost > 0 ? `, ${count(map.lost)} lost` : "";
    if ("read" in map) return `${map.name} ${count(map.read)} ${plural(map.read, "record")} read${lost}`;
    return `${map.name} ${count(map.records)} ${plural(map.records, "record")}${lost}`;
  });
  return `\n${wrap(" maps  ", items, width)}`;
}

/** `items` joined by " · " behind `lead`, broken into lines of at most `width`. */
function wrap(lead: string, items: readonly string[], width: number): string {
  const lines: string[] = [];
  let line = "";
  for (const item of items) {
    const longer = line === "" ? item : `${line} · ${item}`;
    if (lead.length + longer.length > width && line !== "") {
      lines.push(line);
      line = item;
    } else line = longer;
  }
  lines.push(line);
  return `${lines.map((text, index) => (index === 0 ? lead : " ".repeat(lead.length)) + text).join("\n")}\n`;
}

const plural = (number: number, noun: string): string => (number === 1 ? noun : `${noun}s`);
const right = (heading: string) => ({ heading, right: true });
const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
