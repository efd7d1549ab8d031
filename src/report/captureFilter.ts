import {
  type CheckedClassic,
  type ClassicProgram,
  checkClassic,
  compileFilter,
  interpretClassic,
  refusedLoad,
} from "../bpf/classic/index.ts";
import type { CaptureInterface, DescribedPacket } from "../packet/index.ts";
import { ProblemError, type Result } from "../problem/index.ts";

/** A filter as the user gave it: an expression, compiled for each link type that it meets, or a program for all. */
export type FilterRequest =
  | { readonly kind: "expression"; readonly text: string; readonly file?: string }
  | { readonly kind: "program"; readonly program: ClassicProgram; readonly file?: string };

const ETHERNET = 1;
/** skb->pkt_type of what leaves the machine. include/uapi/linux/if_packet.h. */
const PACKET_OUTGOING = 4;

/** The filter's program for packets of this link type, checked as Linux checks it. Throws ProblemError, which points into the expression or at the instruction. */
export function filterProgram(
  request: FilterRequest,
  target: { readonly linkType?: number; readonly bigEndian?: boolean } = {},
): CheckedClassic {
  const program = request.kind === "program" ? request.program : taken(compileFilter(request.text, target), request.file);
  const checked = taken(checkClassic(program), request.file);
  const problem = refusedLoad(checked);
  if (problem !== undefined) throw placed(problem, request.file);
  return checked;
}

function taken<T>(result: Result<T>, file: string | undefined): T {
  if (result.ok) return result.value;
  throw placed(result.problem, file);
}

function placed(problem: ProblemError["problem"], file: string | undefined): ProblemError {
  const program = problem.at.instruction === undefined ? {} : { program: "filter" };
  return new ProblemError({ ...problem, at: { ...program, ...(file === undefined ? {} : { file }), ...problem.at } });
}

/** Says of each packet of a capture whether it is wanted, and counts those that are not. It runs in the interpreter: what a dump prints of a packet takes far longer. */
export class CaptureFilter {
  readonly #request: FilterRequest;
  readonly #programs = new Map<string, CheckedClassic>();
  #leftOut = 0;

  /** Throws ProblemError for an expression or program that is wrong for every capture. */
  constructor(request: FilterRequest) {
    this.#request = request;
    if (request.kind === "program") filterProgram(request);
  }

  get leftOut(): number {
    return this.#leftOut;
  }

  wants({ bytes, length, direction }: DescribedPacket, { linkType, littleEndian }: CaptureInterface): boolean {
    const proto = linkType === ETHERNET && bytes.length >= 14 ? bytes[12]! * 256 + bytes[13]! : 0;
    const metadata = { type: direction === "outbound" ? PACKET_OUTGOING : 0, proto };
    const wanted = interpretClassic(this.#program(linkType, !littleEndian), { bytes, length, metadata }) !== 0;
    if (!wanted) this.#leftOut++;
    return wanted;
  }

  #program(linkType: number, bigEndian: boolean): CheckedClassic {
    const key = `${linkType} ${bigEndian}`;
    let program = this.#programs.get(key);
    if (program === undefined) {
      program = filterProgram(this.#request, { linkType, bigEndian });
      this.#programs.set(key, program);
    }
    return program;
  }
}
