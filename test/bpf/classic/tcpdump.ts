import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FilteredPacket } from "../../../src/bpf/classic/index.ts";

export const tcpdumpHere = spawnSync("tcpdump", ["--version"]).status === 0;

/** tcpdump on a capture of given packets, each with its number as its time, so that what it lets through can be told. */
export class Tcpdump {
  readonly #folder = mkdtempSync(join(tmpdir(), "xdplane-tcpdump-"));
  readonly #file: string;

  constructor(packets: readonly FilteredPacket[], linkType: number, bigEndian = false) {
    this.#file = join(this.#folder, "packets.pcap");
    writeFileSync(this.#file, capture(packets, linkType, bigEndian));
  }

  /** The program that it compiles, as `tcpdump -ddd` prints it; or why it does not. */
  compile(expression: string, form = "-ddd"): { readonly text: string } | { readonly error: string } {
    const { status, stdout, stderr } = spawnSync("tcpdump", ["-r", this.#file, ...form.split(" "), "--", expression], { encoding: "utf8" });
    if (status === 0) return { text: stdout };
    return { error: /^tcpdump: (.*)$/m.exec(stderr)?.[1] ?? stderr };
  }

  /** Numbers of the packets that it lets through. */
  matches(expression: string): number[] {
    const { status, stdout, stderr } = spawnSync("tcpdump", ["-r", this.#file, "-w", "-", "--", expression], { maxBuffer: 1 << 29 });
    if (status !== 0) throw new Error(String(stderr));
    const view = new DataView(stdout.buffer, stdout.byteOffset, stdout.length);
    const littleEndian = view.getUint32(0, true) === 0xa1b2c3d4;
    const found: number[] = [];
    for (let at = 24; at < stdout.length; at += 16 + view.getUint32(at + 8, littleEndian)) found.push(view.getUint32(at, littleEndian));
    return found;
  }

  close(): void {
    rmSync(this.#folder, { recursive: true });
  }
}

function capture(packets: readonly FilteredPacket[], linkType: number, bigEndian: boolean): Uint8Array {
  const size = packets.reduce((sum, { bytes }) => sum + 16 + bytes.length, 24);
  const file = new Uint8Array(size);
  const view = new DataView(file.buffer);
  const words = (at: number, ...values: number[]) => {
    for (const [index, value] of values.entries()) view.setUint32(at + index * 4, value, !bigEndian);
  };
  words(0, 0xa1b2c3d4, 0, 0, 0, 262144, linkType);
  view.setUint16(4, 2, !bigEndian);
  view.setUint16(6, 4, !bigEndian);
  let at = 24;
  for (const [number, { bytes, length }] of packets.entries()) {
    words(at, number, 0, bytes.length, length);
    file.set(bytes, at + 16);
    at += 16 + bytes.length;
  }
  return file;
}
