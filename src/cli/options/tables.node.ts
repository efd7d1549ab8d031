import { readFileSync } from "node:fs";
import { fileFault } from "../../problem/fileFault.node.ts";
import { ProblemError, type Result } from "../../problem/index.ts";
import { type ConnectionSpec, parseConnection, parseXfrmState, type XfrmStateSpec } from "../../stack/index.ts";
import { problems } from "./problems.ts";

/** An entry of a table of the host's, and where it was written. */
interface Entry {
  readonly text: string;
  readonly place: { readonly file?: string; readonly line?: number };
}

/** Protocols that Linux tracks too; programs can look up TCP and UDP only. */
const OTHERS = /^(ipv[46]\s+\d+\s+)?(icmp|icmpv6|sctp|dccp|gre|udplite|unknown)\s/;

/** Reads a `--conntrack`: a connection, or `@FILE` with one a line, as `conntrack -L` and /proc/net/nf_conntrack have them. */
export function readConnections(option: string): ConnectionSpec[] {
  return entriesOf("--conntrack", option)
    .filter(({ text }) => !OTHERS.test(text))
    .map((entry) => parsed(entry, parseConnection));
}

/** Reads an `--xfrm-state`: a state, or `@FILE` with several as `ip xfrm state` prints them: lines that begin with spaces belong to the one before. */
export function readXfrmStates(option: string): XfrmStateSpec[] {
  return entriesOf("--xfrm-state", option).map((entry) => parsed(entry, parseXfrmState));
}

/** The entries that an option names; in a file, lines of comments and empty ones are none. */
function entriesOf(option: string, value: string): Entry[] {
  if (!value.startsWith("@")) return [{ text: value, place: {} }];
  const file = value.slice(1);
  const entries: Entry[] = [];
  for (const [index, line] of readText(option, file).split("\n").entries()) {
    const text = line.trim();
    if (text === "" || text.startsWith("#")) continue;
    const before = entries.at(-1);
    if (/^\s/.test(line) && before !== undefined) entries[entries.length - 1] = { ...before, text: `${before.text} ${text}` };
    else entries.push({ text, place: { file, line: index + 1 } });
  }
  return entries;
}

function parsed<T>({ text, place }: Entry, parse: (text: string) => Result<T>): T {
  const result = parse(text);
  if (!result.ok) throw new ProblemError({ ...result.problem, at: place });
  return result.value;
}

function readText(option: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new ProblemError(problems.table_unreadable({ option, reason: fileFault(error) }, { file: path }));
  }
}
