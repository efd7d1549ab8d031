import { failure, ProblemError, type Result, success } from "../../../problem/index.ts";
import { type ClassicProgram, MAX_CLASSIC_INSTRUCTIONS, SCRATCH_WORDS } from "../instruction.ts";
import { emit, OutOfScratch } from "./emit.ts";
import { generate } from "./generate.ts";
import { graphOf } from "./graph.ts";
import { layersOf } from "./layers.ts";
import { parse } from "./parse.ts";
import { Expression } from "./problems.ts";
import { always, type Condition, Values } from "./value.ts";

/** What packets an expression is compiled for. */
export interface FilterTarget {
  /** LINKTYPE_* of tcpdump.org; Ethernet unless said. */
  readonly linkType?: number;
  /** NULL captures: the capture's byte order is big endian. */
  readonly bigEndian?: boolean;
  /** What the filter returns for a match: bytes to keep. */
  readonly snaplen?: number;
}

/** What tcpdump keeps of a packet unless told otherwise. */
const DEFAULT_SNAPLEN = 262144;
const ETHERNET = 1;

/**
 * Compiles an expression of pcap-filter(7): the same verdicts as libpcap's compiler, by instructions of its own. An empty expression takes every packet. Names are
 * looked up in fixed tables; problems point into the expression.
 */
export function compileFilter(
  text: string,
  { linkType = ETHERNET, bigEndian, snaplen = DEFAULT_SNAPLEN }: FilterTarget = {},
): Result<ClassicProgram> {
  const expression = new Expression(text);
  const whole = { from: 0, to: text.length };
  try {
    const layers = layersOf(linkType, bigEndian);
    if (layers === undefined)
      throw expression.problem("filter_link", whole, {
        what: "an expression",
        link: linkType,
        todo: "give the code that tcpdump -ddd prints for a capture of that type",
      });
    const tree = parse(expression);
    const values = new Values();
    const condition = tree === undefined ? always : generate(expression, tree, values, layers);
    const program = emit(graphOf(condition), snaplen, scratchUsed(condition));
    if (program.length > MAX_CLASSIC_INSTRUCTIONS)
      throw expression.problem("filter_complex", whole, { what: `it makes ${program.length} instructions` });
    return success(program);
  } catch (error) {
    if (error instanceof OutOfScratch)
      return failure(expression.problem("filter_complex", whole, { what: `more than ${SCRATCH_WORDS} intermediate results` }).problem);
    if (error instanceof ProblemError) return failure(error.problem);
    throw error;
  }
}

/** Scratch words that stores use, from 0 on. */
function scratchUsed(condition: Condition): number {
  let used = 0;
  const seen = new Set<Condition>();
  const waiting = [condition];
  for (let one = waiting.pop(); one !== undefined; one = waiting.pop()) {
    if (seen.has(one)) continue;
    seen.add(one);
    if (one.kind === "and" || one.kind === "or") waiting.push(one.left, one.right);
    else if (one.kind === "not") waiting.push(one.of);
    else if (one.kind === "choice") waiting.push(one.of, one.chosen, one.otherwise);
    else if (one.kind === "store") {
      used = Math.max(used, one.slot + 1);
      waiting.push(one.after);
    }
  }
  return used;
}
