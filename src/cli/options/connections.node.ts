import { readFileSync } from "node:fs";
import { fileFault } from "../../problem/fileFault.node.ts";
import { ProblemError } from "../../problem/index.ts";
import { type ConnectionSpec, parseConnection } from "../../stack/index.ts";
import { problems } from "./problems.ts";

/** Protocols that Linux tracks too; programs can look up TCP and UDP only. */
const OTHERS = /^(ipv[46]\s+\d+\s+)?(icmp|icmpv6|sctp|dccp|gre|udplite|unknown)\s/;

/** Reads a `--conntrack`: a connection, or `@FILE` with one a line, as `conntrack -L` and /proc/net/nf_conntrack have them. */
export function readConnections(option: string): ConnectionSpec[] {
  if (!option.startsWith("@")) return [parsed(option)];
  const file = option.slice(1);
  const lines = readText(file).split("\n");
  return lines.flatMap((line, index) => {
    const text = line.trim();
    return text === "" || text.startsWith("#") || OTHERS.test(text) ? [] : [parsed(text, { file, line: index + 1 })];
  });
}

function parsed(text: string, place: { readonly file?: string; readonly line?: number } = {}): ConnectionSpec {
  const connection = parseConnection(text);
  if (!connection.ok) throw new ProblemError({ ...connection.problem, at: place });
  return connection.value;
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new ProblemError(problems.connections_unreadable({ reason: fileFault(error) }, { file: path }));
  }
}
