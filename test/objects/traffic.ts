import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { ETH_HLEN } from "../../src/layout/index.ts";
import { readCapture } from "../packet/walk.ts";

/** Longest frame that a test run of either program type takes in one buffer: a page less headroom and skb_shared_info. */
const LONGEST_FRAME = 3520;
/** Frames taken of one capture, spread over it. */
const PER_CAPTURE = 8;

const ownFolders = ["../../pcaps", "../../../shared/pcaps"].map((path) => fileURLToPath(new URL(path, import.meta.url)));

/** Frames of every readable capture, here and in one more folder, as Ethernet: what all objects are run on. */
export async function realTraffic(more: string, perCapture = PER_CAPTURE): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = [];
  for (const folder of [...ownFolders, more].filter((one) => existsSync(one))) {
    for (const name of readdirSync(folder).sort()) {
      if (!/\.pcap(ng)?$/.test(name)) continue;
      const { packets } = await readCapture(readFileSync(join(folder, name)), { links: "as-ethernet" });
      const fit = packets.map(({ bytes }) => bytes).filter(({ length }) => length >= ETH_HLEN && length <= LONGEST_FRAME);
      const step = Math.max(1, Math.floor(fit.length / perCapture));
      frames.push(...fit.filter((_, index) => index % step === 0).slice(0, perCapture));
    }
  }
  return frames;
}
