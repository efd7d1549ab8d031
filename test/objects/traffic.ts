import { existsSync, readdirSync, readFileSync } from "node:fs";
import { ETH_HLEN } from "../../src/layout/index.ts";
import { readCapture } from "../packet/walk.ts";

/** Longest frame that a test run of either program type takes in one buffer: a page less headroom and skb_shared_info. */
const LONGEST_FRAME = 3520;
/** Frames taken of one capture, spread over it. */
const PER_CAPTURE = 8;

const folders = ["../../pcaps/", "../../../shared/pcaps/"].map((path) => new URL(path, import.meta.url));

/** Frames of every readable capture, as Ethernet: what all objects are run on. */
export async function realTraffic(perCapture = PER_CAPTURE): Promise<Uint8Array[]> {
  const frames: Uint8Array[] = [];
  for (const folder of folders.filter((one) => existsSync(one))) {
    for (const name of readdirSync(folder).sort()) {
      if (!/\.pcap(ng)?$/.test(name)) continue;
      const { packets } = await readCapture(readFileSync(new URL(name, folder)), { links: "as-ethernet" });
      const fit = packets.map(({ bytes }) => bytes).filter(({ length }) => length >= ETH_HLEN && length <= LONGEST_FRAME);
      const step = Math.max(1, Math.floor(fit.length / perCapture));
      frames.push(...fit.filter((_, index) => index % step === 0).slice(0, perCapture));
    }
  }
  return frames;
}
