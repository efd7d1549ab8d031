/** Capture files from lists of `{ at, frame }`: `at` in nanoseconds since 1970 as a BigInt. Little endian, nanosecond timestamps. */

/** Times are set by scenes as nanoseconds from the start of the capture. */
const START = 1_767_225_600_000_000_000n; // 2026-01-01 00:00:00 UTC
const inOrder = (packets) =>
  packets.toSorted((a, b) => a.at - b.at).map(({ at, frame }) => ({ at: START + BigInt(Math.round(at)), frame }));

/** pcap with the magic number of nanosecond timestamps; Ethernet. */
export function pcap(packets) {
  const ordered = inOrder(packets);
  const bytes = new Uint8Array(24 + ordered.reduce((sum, { frame }) => sum + 16 + frame.length, 0));
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 0xa1b23c4d, true);
  view.setUint16(4, 2, true);
  view.setUint16(6, 4, true);
  view.setUint32(16, 262144, true);
  view.setUint32(20, 1, true);
  let offset = 24;
  for (const { at, frame } of ordered) {
    view.setUint32(offset, Number(at / 1_000_000_000n), true);
    view.setUint32(offset + 4, Number(at % 1_000_000_000n), true);
    view.setUint32(offset + 8, frame.length, true);
    view.setUint32(offset + 12, frame.length, true);
    bytes.set(frame, offset + 16);
    offset += 16 + frame.length;
  }
  return bytes;
}

const padded = (length) => (length + 3) & ~3;

/** A pcapng block: type, body length (a multiple of 4), and a writer of the body. */
function block(type, length, write) {
  const bytes = new Uint8Array(length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  view.setUint32(4, length + 12, true);
  write(view, bytes);
  view.setUint32(length + 8, length + 12, true);
  return bytes;
}

/** Options as [code, bytes], with the end-of-options mark. */
function options(list) {
  const parts = list.flatMap(([code, value]) => [
    code & 0xff,
    code >> 8,
    value.length & 0xff,
    value.length >> 8,
    ...value,
    ...Array(padded(value.length) - value.length).fill(0),
  ]);
  return [...parts, 0, 0, 0, 0];
}

const ascii = (string) => [...string].map((letter) => letter.charCodeAt(0));

/** pcapng with one Ethernet interface of this name. */
export function pcapng(packets, { interfaceName, comment }) {
  const sectionOptions = options([
    [1, ascii(comment)],
    [4, ascii("pcaps/make.mjs")],
  ]);
  const interfaceOptions = options([
    [2, ascii(interfaceName)],
    [9, [9]],
  ]);
  const blocks = [
    block(0x0a0d0d0a, 16 + sectionOptions.length, (view, bytes) => {
      view.setUint32(8, 0x1a2b3c4d, true);
      view.setUint16(12, 1, true);
      view.setBigInt64(16, -1n, true);
      bytes.set(sectionOptions, 24);
    }),
    block(1, 8 + interfaceOptions.length, (view, bytes) => {
      view.setUint16(8, 1, true);
      view.setUint32(12, 262144, true);
      bytes.set(interfaceOptions, 16);
    }),
    ...inOrder(packets).map(({ at, frame }) =>
      block(6, 20 + padded(frame.length), (view, bytes) => {
        view.setUint32(12, Number(at >> 32n), true);
        view.setUint32(16, Number(at & 0xffffffffn), true);
        view.setUint32(20, frame.length, true);
        view.setUint32(24, frame.length, true);
        bytes.set(frame, 28);
      }),
    ),
  ];
  return Uint8Array.from(blocks.flatMap((bytes) => [...bytes]));
}
