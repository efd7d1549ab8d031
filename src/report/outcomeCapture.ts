import type { Outcome, OutcomeStep } from "../dataplane/index.ts";
import * as layout from "../layout/index.ts";
import { type ChunkSink, PcapngWriter, type Verdict } from "../packet/index.ts";

/** A packet for the capture: its outcome, its time, and its bytes when all programs were done with it. */
export interface PacketWithOutcome {
  readonly outcome: Outcome;
  /** Nanoseconds since 1970. */
  readonly timeNs: bigint;
  readonly bytes: Uint8Array;
}

/**
 * Writes outcomes as pcapng that Wireshark shows with their verdicts, in the manner of xdpdump: the interface of a packet is `eth0:balancer()@fexit` (device
 * and last program, or the bare device where none ran), epb_verdict holds each program's return code, a comment says what became of it.
 */
export class OutcomeCapture {
  readonly #writer: PcapngWriter;
  readonly #interfaces = new Map<string, number>();

  constructor(sink: ChunkSink, application: string) {
    this.#writer = new PcapngWriter(sink, { application });
  }

  write({ outcome, timeNs, bytes }: PacketWithOutcome): void {
    const [, number = "0"] = /^(\d+)/.exec(String(outcome.id)) ?? [];
    this.#writer.writePacket({
      interface: this.#interface(outcome),
      ts_ns: timeNs,
      bytes,
      length: outcome.out_len ?? bytes.length,
      packetId: BigInt(number),
      queue: outcome.queue,
      verdicts: outcome.steps.map(verdictOf),
      comments: [describeOutcome(outcome)],
    });
  }

  finish(): void {
    this.#writer.finish();
  }

  #interface(outcome: Outcome): number {
    const last = outcome.steps.at(-1);
    const name = last === undefined ? outcome.dev : `${outcome.dev}:${last.program}()@fexit`;
    const known = this.#interfaces.get(name);
    if (known !== undefined) return known;
    const number = this.#writer.addInterface({ name });
    this.#interfaces.set(name, number);
    return number;
  }
}

/** One sentence: `xdp balancer XDP_TX: tx to eth0`, `clsact/ingress policy TC_ACT_SHOT: drop, tc_shot`. */
export function describeOutcome(outcome: Outcome): string {
  const steps = outcome.steps.map((step) => `${step.hook} ${step.program} ${step.verdict}`).join(", ");
  const to = outcome.to === null ? "" : ` to ${outcome.to}`;
  const reason = outcome.reason === null ? "" : `, ${outcome.reason}`;
  return `${steps === "" ? "no program" : steps}: ${outcome.fate}${to}${reason}`;
}

const codes = layout as unknown as Readonly<Record<string, unknown>>;

/** The return code behind a verdict's name; a verdict without a name is its number. */
function verdictOf({ hook, verdict }: OutcomeStep): Verdict {
  const named = codes[verdict];
  const code = typeof named === "number" ? named : Number.parseInt(verdict, 10);
  return { hook: hook.startsWith("clsact") || hook.startsWith("tcx") ? "tc" : "xdp", code: Number.isNaN(code) ? 0 : code };
}
