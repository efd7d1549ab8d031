import type { ObjectFile } from "../../bpf/elf/index.ts";
import { type MapContents, readContents } from "./contents.ts";

/** Microseconds and nanoseconds. */
const PCAP_MAGICS: ReadonlySet<number> = new Set([0xa1b2c3d4, 0xa1b23c4d]);
const PCAP_HEADER = 24;
const RECORD_HEADER = 16;
const ETHERNET = 14;
const TCP = 6;
const UDP = 17;
/** Backend pools that programs/balancer.maps.yaml fills. */
const POOLS = 5;

/**
 * Makes every server that a capture's clients speak to a service of the balancer (a server is the side with the lower port), so that its traffic is balanced
 * rather than passed. `capture`: a little-endian pcap of Ethernet frames; of another none are made. As many as the map has room for, in order of their first
 * packets.
 */
export function balancedServices(object: ObjectFile, capture: Uint8Array): MapContents[] {
  const room = object.maps.find(({ name }) => name === "services")?.maxEntries ?? 0;
  const services = new Map<string, { readonly key: Service; readonly value: { readonly pool: number } }>();
  const view = new DataView(capture.buffer, capture.byteOffset, capture.byteLength);
  if (capture.length < PCAP_HEADER || !PCAP_MAGICS.has(view.getUint32(0, true))) return [];
  for (let at = PCAP_HEADER; at + RECORD_HEADER <= capture.length && services.size < room; ) {
    const length = Math.min(view.getUint32(at + 8, true), capture.length - at - RECORD_HEADER);
    const service = serviceOf(new DataView(view.buffer, view.byteOffset + at + RECORD_HEADER, length));
    if (service !== undefined) {
      const name = JSON.stringify(service);
      if (!services.has(name)) services.set(name, { key: service, value: { pool: services.size % POOLS } });
    }
    at += RECORD_HEADER + length;
  }
  return readContents({ services: [...services.values()] }, object.maps);
}

/** A key of the map `services`. */
interface Service {
  readonly address: readonly number[];
  readonly port: number;
  readonly protocol: number;
  readonly family: 4 | 6;
}

function serviceOf(frame: DataView): Service | undefined {
  if (frame.byteLength < ETHERNET) return undefined;
  const type = frame.getUint16(12);
  const family = type === 0x0800 ? 4 : type === 0x86dd ? 6 : undefined;
  if (family === undefined) return undefined;
  const ports = ETHERNET + (family === 4 ? 20 : 40);
  if (frame.byteLength < ports + 4) return undefined;
  const protocol = frame.getUint8(ETHERNET + (family === 4 ? 9 : 6));
  if (protocol !== TCP && protocol !== UDP) return undefined;
  const port = frame.getUint16(ports + 2);
  if (port > frame.getUint16(ports)) return undefined;
  const size = family === 4 ? 4 : 16;
  const address = Array.from({ length: size }, (_, index) => frame.getUint8(ports - size + index));
  return { address, port, protocol, family };
}
