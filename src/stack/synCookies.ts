import { NetNamespace } from "../layout/index.ts";
import { ProblemError } from "../problem/index.ts";
import type { SimulatedMemory } from "../runtime/index.ts";
import { problems } from "./problems.ts";

/** How a host makes SYN cookies. */
export interface SynCookieSettings {
  /** SipHash keys, 64 bytes: two of 16 for IPv4, two for IPv6. Zeros unless said; Linux draws them at random when it makes its first cookie. */
  readonly keys?: Uint8Array;
  /** net.ipv4.tcp_syncookies: what bpf_tcp_gen_syncookie and bpf_tcp_check_syncookie go by. 1 unless said. */
  readonly mode?: 0 | 1 | 2;
}

const KEYS_SIZE = 64;
/** What Linux starts with: cookies when a listener's queue is full. */
const DEFAULT_MODE = 1;

/** Enters keys and mode in the namespace. Throws a Problem for keys of another length. */
export function layOutSynCookies(memory: SimulatedMemory, namespace: number, { keys, mode }: SynCookieSettings): void {
  if (keys !== undefined && keys.length !== KEYS_SIZE)
    throw new ProblemError(problems.syncookie_keys_size({ size: keys.length, expected: KEYS_SIZE }));
  if (keys !== undefined) memory.bytes.set(keys, namespace + NetNamespace.at.syncookie_keys);
  NetNamespace.write(memory.view, namespace, "tcp_syncookies", mode ?? DEFAULT_MODE);
}
