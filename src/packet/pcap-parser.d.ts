/** The parts of pcap-parser 0.2 that are used; the package brings no types. */
declare module "pcap-parser" {
  import type { EventEmitter } from "node:events";

  interface PacketHeader {
    readonly timestampSeconds: number;
    readonly timestampMicroseconds: number;
    readonly capturedLength: number;
    readonly originalLength: number;
  }

  interface Parser {
    on(event: "globalHeader", listener: () => void): this;
    on(event: "packetHeader", listener: (header: PacketHeader) => void): this;
    on(event: "packetData", listener: (data: Uint8Array) => void): this;
  }

  export function parse(input: EventEmitter): Parser;
}
