import { INDIRECTION_ENTRIES } from "../../layout/index.ts";
import { DEFAULT_RSS_KEY, toeplitzHash } from "../../nic/index.ts";
import { PcapWriter, udp } from "../../packet/index.ts";

/** Flows of a queue: enough that no program sees one flow only. */
const FLOWS_PER_QUEUE = 64;
/** Payload that makes 64 bytes on the wire behind Ethernet, IPv4 and UDP, with the checksum that captures leave out. */
const PAYLOAD = 18;

/** A pcap of about `packets` smallest frames whose flows take turns, so that every receive queue gets each n-th packet. */
export function evenTraffic(queues: number, packets: number): Uint8Array {
  const flows: Uint8Array[][] = Array.from({ length: queues }, () => []);
  for (let port = 1024; flows.some((own) => own.length < FLOWS_PER_QUEUE); port++) {
    const own = flows[queueOf(port, queues)]!;
    if (own.length < FLOWS_PER_QUEUE) own.push(udp({ from: `198.18.0.1:${port}`, to: "198.18.1.1:9", payload: PAYLOAD }));
  }
  const chunks: Uint8Array[] = [];
  const writer = new PcapWriter((chunk) => chunks.push(chunk));
  const rounds = Math.ceil(packets / (queues * FLOWS_PER_QUEUE));
  for (let round = 0; round < rounds * FLOWS_PER_QUEUE; round++) {
    for (const own of flows) writer.writePacket(0n, own[round % FLOWS_PER_QUEUE]!);
  }
  writer.finish();
  const capture = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    capture.set(chunk, at);
    at += chunk.length;
  }
  return capture;
}

/** The queue of the flow from this port, by RSS as a device starts out with. */
function queueOf(port: number, queues: number): number {
  const tuple = Uint8Array.of(198, 18, 0, 1, 198, 18, 1, 1, port >> 8, port & 255, 0, 9);
  return (toeplitzHash(DEFAULT_RSS_KEY, tuple) & (INDIRECTION_ENTRIES - 1)) % queues;
}
