import { type Problem, ProblemError } from "../../problem/index.ts";
import { type CheckedClassic, targetOfJump } from "./check.ts";
import {
  type Ancillary,
  ARPHRD_ETHER,
  ancillaryAt,
  type ClassicOperation,
  type ClassicRelation,
  type LoadSize,
  SCRATCH_WORDS,
  SKF_LL_OFF,
  SKF_NET_OFF,
} from "./instruction.ts";
import { problems } from "./problems.ts";

/** A packet as a filter sees it. */
export interface FilteredPacket {
  /** The captured bytes, from the link-layer header on. */
  readonly bytes: Uint8Array;
  /** Bytes on the wire: what `len` is. */
  readonly length: number;
  /** Offset of the network header, for loads relative to it; 14 unless said. */
  readonly networkOffset?: number;
  /** What the kernel knows of the packet; 0 unless said. `proto` and `vlan_tpid` in host order. */
  readonly metadata?: Readonly<Partial<Record<Exclude<Ancillary, "xor_x">, number>>>;
}

/** Steps of a program that loops before it is given up, with 0: more than any chain of headers in a packet needs. */
const LOOP_LIMIT = 1_000_000;
/** What the loads that are not built lack: a flow dissector and attributes of netlink messages. */
const UNBUILT: ReadonlySet<Ancillary> = new Set(["poff", "nla", "nlan"]);

/** Why a program cannot run here although it is right: an ancillary load that is not built. */
export function refusedLoad({ instructions, rows }: CheckedClassic): Problem | undefined {
  for (const [index, row] of rows.entries()) {
    const name = row.kind === "packet_load" && row.mode === "abs" ? ancillaryAt(instructions[index]?.k ?? 0) : undefined;
    if (name !== undefined && UNBUILT.has(name)) return problems.classic_unbuilt({ name }, { instruction: index });
  }
  return undefined;
}

/**
 * Runs a filter on a packet and gives what it returns: 0 for no match, else the bytes to keep. 32 bits, without sign. A load outside of the captured bytes and a
 * division by zero end it with 0. Register shifts take their low five bits, and an indexed load wraps at 32 bits, as Linux has both; libpcap's own interpreter
 * gives 0 for shifts of 32 and more, and ends at a load that wraps. Throws ProblemError for ancillary loads that are not built.
 */
export function interpretClassic(program: CheckedClassic, packet: FilteredPacket): number {
  const { instructions, rows, loops } = program;
  const scratch = new Uint32Array(SCRATCH_WORDS);
  let steps = loops ? LOOP_LIMIT : instructions.length;
  let a = 0;
  let x = 0;
  for (let index = 0; steps-- > 0; index++) {
    const instruction = instructions[index]!;
    const row = rows[index]!;
    const { k } = instruction;
    switch (row.kind) {
      case "packet_load": {
        const name = row.mode === "abs" ? ancillaryAt(k) : undefined;
        const value =
          name === undefined ? loadPacket(packet, row.mode === "abs" ? k : (x + k) >>> 0, row.size) : ancillary(name, packet, a, x);
        if (value === undefined) return 0;
        a = value;
        break;
      }
      case "header_length": {
        const value = loadPacket(packet, k, 1);
        if (value === undefined) return 0;
        x = (value & 15) << 2;
        break;
      }
      case "load_length":
      case "load_immediate":
      case "load_scratch": {
        const value = row.kind === "load_length" ? packet.length >>> 0 : row.kind === "load_immediate" ? k : scratch[k]!;
        if (row.register === "a") a = value;
        else x = value;
        break;
      }
      case "store":
        scratch[k] = row.register === "a" ? a : x;
        break;
      case "operation": {
        const operand = row.operand === "k" ? k : x;
        if (operand === 0 && (row.operation === "div" || row.operation === "mod")) return 0;
        a = operate(row.operation, a, operand);
        break;
      }
      case "negate":
        a = -a >>> 0;
        break;
      case "jump":
        index = targetOfJump(instruction, index) - 1;
        break;
      case "branch":
        index += holds(row.relation, a, row.operand === "k" ? k : x) ? instruction.jt : instruction.jf;
        break;
      case "return":
        return row.value === "k" ? k : a;
      case "move":
        if (row.to === "x") x = a;
        else a = x;
        break;
    }
  }
  return 0;
}

/** Bytes of the packet in network order; undefined where there are none. net/core/filter.c: bpf_skb_load_helper_8 and its kin. */
function loadPacket({ bytes, networkOffset = 14 }: FilteredPacket, offset: number, size: LoadSize): number | undefined {
  let at = offset;
  if (offset >= SKF_NET_OFF) at = offset - SKF_NET_OFF + networkOffset;
  else if (offset >= SKF_LL_OFF) at = offset - SKF_LL_OFF;
  if (at + size > bytes.length) return undefined;
  let value = bytes[at]!;
  for (let next = at + 1; next < at + size; next++) value = value * 256 + bytes[next]!;
  return value;
}

/** What the kernel knows of the packet. `xor_x` loads nothing: it is A ^= X, from before there was an instruction for it. */
function ancillary(name: Ancillary, { metadata }: FilteredPacket, a: number, x: number): number {
  if (name === "xor_x") return (a ^ x) >>> 0;
  if (UNBUILT.has(name)) throw new ProblemError(problems.classic_unbuilt({ name }));
  return (metadata?.[name] ?? (name === "hatype" ? ARPHRD_ETHER : 0)) >>> 0;
}

export function operate(operation: ClassicOperation, a: number, operand: number): number {
  switch (operation) {
    case "add":
      return (a + operand) >>> 0;
    case "sub":
      return (a - operand) >>> 0;
    case "mul":
      return Math.imul(a, operand) >>> 0;
    case "div":
      return Math.floor(a / operand);
    case "mod":
      return a % operand;
    case "or":
      return (a | operand) >>> 0;
    case "and":
      return (a & operand) >>> 0;
    case "xor":
      return (a ^ operand) >>> 0;
    case "lsh":
      return (a << operand) >>> 0;
    case "rsh":
      return a >>> operand;
  }
}

export function holds(relation: ClassicRelation, a: number, operand: number): boolean {
  switch (relation) {
    case "jeq":
      return a === operand;
    case "jgt":
      return a > operand;
    case "jge":
      return a >= operand;
    case "jset":
      return (a & operand) !== 0;
  }
}
