import { defineProblems, type Problem, ProblemError } from "../../../problem/index.ts";

export const problems = defineProblems({
  filter_syntax: { message: "{what}\n{shown}", hint: "{todo}" },
  filter_host_name: {
    message: "host names are not looked up: {name}\n{shown}",
    hint: "write the address; a result must not depend on what a name server says today",
  },
  filter_name: {
    message: "no {kind} is called {name}\n{shown}",
    hint: "write its number; the names known are those of the IANA lists that Debian ships",
  },
  filter_number: { message: "{what} {value} is out of range: {least} to {most}\n{shown}" },
  filter_qualifier: { message: "{qualifier} does not go with {what}\n{shown}", hint: "{todo}" },
  filter_network_bits: {
    message: "{address} has bits outside of the mask\n{shown}",
    hint: "write the network's own address, or a longer mask",
  },
  filter_link: { message: "{what} is not known for packets of link type {link}\n{shown}", hint: "{todo}" },
  filter_division: { message: "division by the constant 0\n{shown}" },
  filter_complex: {
    message: "the expression is too long or too deep: {what}\n{shown}",
    hint: "split it; Linux takes filters of at most 4,096 instructions with 16 words of memory",
  },
});

/** Where something stands in the expression: offsets of its first character and of the one behind its last. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

type ProblemName = keyof typeof problems;
type Details = Readonly<Record<string, string | number>>;

/** The expression that is compiled: it makes the errors that point into it. */
export class Expression {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }

  problem(name: ProblemName, span: Span, details: Details = {}): ProblemError {
    const problem: Problem = problems[name]({ todo: "see the primitives in docs/filter.md", ...details, shown: this.#shown(span) });
    const before = this.text.slice(0, span.from);
    const line = before.split("\n").length;
    return new ProblemError({ ...problem, at: { line, column: span.from - before.lastIndexOf("\n") } });
  }

  syntax(what: string, span: Span, todo?: string): ProblemError {
    return this.problem("filter_syntax", span, todo === undefined ? { what } : { what, todo });
  }

  /** The line of the expression with a caret below; of a long one, what surrounds the place. */
  #shown({ from, to }: Span): string {
    const start = this.text.lastIndexOf("\n", from - 1) + 1;
    const lineEnd = this.text.indexOf("\n", from);
    const line = this.text.slice(start, lineEnd < 0 ? undefined : lineEnd).replace(/\p{Cc}/gu, " ");
    const column = from - start;
    const cutFront = column > SHOWN_BEFORE ? column - SHOWN_BEFORE : 0;
    const cutBack = cutFront + SHOWN < line.length;
    const text = `${cutFront > 0 ? "…" : ""}${line.slice(cutFront, cutFront + SHOWN)}${cutBack ? "…" : ""}`;
    const width = Math.max(1, Math.min(to, start + line.length) - from);
    const indent = " ".repeat(column - cutFront + (cutFront > 0 ? 1 : 0));
    return `   ${text}\n   ${indent}${"^".repeat(Math.min(width, SHOWN))}`;
  }
}

const SHOWN = 90;
const SHOWN_BEFORE = 50;
