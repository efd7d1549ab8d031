import { PcapWriter, tcp, udp } from "../../packet/index.ts";

/** What a generated capture holds. */
export interface TrafficOptions {
  readonly packets: number;
  readonly flows: number;
}

/** Payload that makes frames of 64 bytes: behind Ethernet, IPv4 and UDP, and behind Ethernet, IPv4 and TCP. */
const UDP_PAYLOAD = 22;
const TCP_PAYLOAD = 10;
/** Nanoseconds between packets: about the line rate of 64-byte frames on 10 Gbit/s. */
const GAP = 67n;

/**
 * A pcap of 64-byte frames: so many flows from clients in 100.64.0.0/10 to the services of pcaps/shop.pcapng, three in four of them TCP, that take turns in
 * an order that neither repeats soon nor sorts them.
 */
export function minimumFrames({ packets, flows }: TrafficOptions): Uint8Array {
  const frames = Array.from({ length: flows }, (_, flow) => frameOf(flow));
  const chunks: Uint8Array[] = [];
  const writer = new PcapWriter((chunk) => chunks.push(chunk));
  let random = 1;
  for (let packet = 0; packet < packets; packet++) {
    // A linear congruential generator (Numerical Recipes); its upper bits choose the flow.
    random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
    writer.writePacket(BigInt(packet) * GAP, frames[Math.floor((random / 2 ** 32) * flows)]!);
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

function frameOf(flow: number): Uint8Array {
  const from = `100.${64 + ((flow >> 16) & 63)}.${(flow >> 8) & 255}.${flow & 255}:${1024 + ((flow * 7919) % 64000)}`;
  if (flow % 4 === 0) return udp({ from, to: "198.51.100.53:53", payload: UDP_PAYLOAD });
  return tcp({ from, to: flow % 4 === 1 ? "198.51.100.80:80" : "198.51.100.80:443", flags: ".", payload: TCP_PAYLOAD });
}
