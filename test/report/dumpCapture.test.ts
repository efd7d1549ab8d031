import { createHash } from "node:crypto";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { bytesFromFile } from "../../src/packet/file.node.ts";
import { gunzip } from "../../src/packet/gzip.node.ts";
import { bytesFromMemory, PcapngWriter, udp } from "../../src/packet/index.ts";
import { captureReader, type DumpCaptureOptions, dumpCapture } from "../../src/report/dumpCapture.node.ts";
import { examples } from "../packet/examples.ts";

const reader = captureReader();

async function dumped(bytes: Uint8Array, options: Partial<DumpCaptureOptions> = {}) {
  reader.memory.reset();
  const pieces: string[] = [];
  const problem = await dumpCapture(
    bytesFromMemory(bytes),
    { name: "a.pcapng", gunzip, ...options },
    (piece) => void pieces.push(piece),
    reader,
  );
  return { text: pieces.join(""), problem };
}

const cutFrame = udp({ from: "10.0.0.1:53", to: "10.0.0.2:4000", payload: 12 }).subarray(0, 50);

function capture(comment: string): Uint8Array {
  const chunks: Uint8Array[] = [];
  const writer = new PcapngWriter((chunk) => chunks.push(chunk), { application: "xdplane" });
  writer.addInterface({ name: "eth0" });
  writer.writePacket({
    interface: 0,
    ts_ns: 1_700_000_000_000_000_001n,
    bytes: cutFrame,
    length: 54,
    direction: "outbound",
    queue: 3,
    verdicts: [{ hook: "tc", code: -1 }],
    comments: [comment],
  });
  writer.finish();
  return Uint8Array.from(Buffer.concat(chunks));
}

test("a capture is shown with its interfaces, packets and options", async () => {
  const { text, problem } = await dumped(capture("looked at"));
  expect(problem).toBeNull();
  expect(text).toBe(
    `section 0: pcapng 1.0, little endian
  shb_userappl: xdplane
interface 0 eth0: EN10MB (1), no snap length, 10^-9 s
  if_name: eth0
  if_tsresol: 9
     1  1700000000.000000001 Out IP 10.0.0.1.53 > 10.0.0.2.4000: UDP, length 12 [50 of 54 bytes captured]
          epb_flags: 2
          epb_queue: 3
          epb_verdict: TC -1
          opt_comment: looked at

 format     pcapng-le, EN10MB
 packets    1, 1 of them snapped
 bytes      50 captured of 54
 times      1700000000.000000001 to 1700000000.000000001
 sha256     ${createHash("sha256").update(cutFrame).digest("hex")}
`,
  );
});

test("a comment does not steer the terminal", async () => {
  const { text } = await dumped(capture("\u001b[2Jgone\nand more"));
  expect(text).toContain("opt_comment: \\x1b[2Jgone and more\n");
});

test("as JSON it is one object", async () => {
  const { text } = await dumped(capture("x"), { json: true, hex: true });
  expect(JSON.parse(text)).toMatchObject({
    format: "pcapng-le",
    error: null,
    interfaces: [{ index: 0, linktype: 1, name: "eth0", resolution: "10^-9 s" }],
    packets: [
      {
        id: 1,
        ts: "1700000000.000000001",
        ts_ns: "1700000000000000001",
        len: 54,
        caplen: 50,
        direction: "outbound",
        text: "IP 10.0.0.1.53 > 10.0.0.2.4000: UDP, length 12",
        options: [
          { name: "epb_flags", value: "2" },
          { name: "epb_queue", value: "3" },
          { name: "epb_verdict", value: "TC -1" },
          { name: "opt_comment", value: "x" },
        ],
        bytes: expect.stringMatching(/^0200000000010200000000020800.{72}$/),
      },
    ],
  });
});

test("the summary is one line of JSON, with the fault in a sentence of its own", async () => {
  const { text, problem } = await dumped(examples["pcap, µs"]!.subarray(0, 150), { json: true, summary: true });
  expect(problem).toMatchObject({ code: "capture_truncated", exit: 3 });
  expect(JSON.parse(text)).toEqual({
    format: "pcap-us-le",
    linktypes: [1],
    packets: 1,
    truncated: true,
    snapped: 0,
    first_ts_ns: "1700000000123456000",
    last_ts_ns: "1700000000123456000",
    caplen_sum: 52,
    origlen_sum: 52,
    sha256_of_concatenated_packet_bytes: expect.stringMatching(/^[0-9a-f]{64}$/),
    error: expect.stringMatching(/^the capture ends inside a packet record: \d+ bytes are announced, 58 are left \(offset 92\)$/),
  });
});

test("--count stops early and keeps quiet about the rest", async () => {
  const { text, problem } = await dumped(examples["pcapng, all blocks"]!, { json: true, count: 3 });
  expect(problem).toBeNull();
  expect((JSON.parse(text) as { packets: object[] }).packets.length).toBe(3);
});

const folder = join(import.meta.dirname, "../../../shared/pcaps");

describe.skipIf(!existsSync(folder))("captures of other projects", () => {
  const files = existsSync(folder) ? readdirSync(folder).filter((name) => /\.pcap(ng)?$/.test(name)) : [];
  test.each(files)("%s is shown as text and as JSON", async (file) => {
    for (const json of [false, true]) {
      reader.memory.reset();
      const pieces: string[] = [];
      const options = { name: file, gunzip, json, hex: true };
      await dumpCapture(bytesFromFile(join(folder, file)), options, (piece) => void pieces.push(piece), reader);
      const text = pieces.join("");
      if (json) expect(Object.keys(JSON.parse(text) as object)).toContain("summary");
      else expect(text.replaceAll("\n", "")).not.toMatch(/\p{Cc}|undefined|NaN/u);
    }
  });
});
