/** Texts that the kernel wants in a frozen map that programs cannot write: formats, and what bpf_strncmp compares with. */

const encoder = new TextEncoder();

interface Placed {
  readonly offset: number;
  /** Without its zero. */
  readonly length: number;
}

/** A format and its arguments: how many, and which are addresses of a text or of bytes. */
interface Format extends Placed {
  readonly arguments: number;
  readonly texts: readonly ("text" | "address" | undefined)[];
}

const words = ["xdplane", "XDPlane", "", "-42 rest", "plane"];
const lines: readonly (readonly [format: string, ...kinds: ("number" | "text" | "address")[]])[] = [
  ["plain"],
  ["%d", "number"],
  ["%i %u", "number", "number"],
  ["%x|%X|%lx", "number", "number", "number"],
  ["%lld,%llu", "number", "number"],
  ["%ld %lu %llx", "number", "number", "number"],
  ["%08x", "number"],
  ["%5d|%-5d|", "number", "number"],
  ["%c%c", "number", "number"],
  ["%s", "text"],
  ["%s:%d", "text", "number"],
  ["100%% %u", "number"],
  ["%pI4", "address"],
  ["%pi4", "address"],
  ["%pI6", "address"],
  ["%pi6", "address"],
  ["%s %s", "text", "text"],
  ["%10s|", "text"],
  ["%llX %x", "number", "number"],
  ["%-8x|%3c", "number", "number"],
];

let top = 0;
const place = (text: string): Placed => {
  const { length } = encoder.encode(text);
  const offset = top;
  top += length + 1;
  return { offset, length };
};

export const WORDS: readonly Placed[] = words.map(place);
export const formats: readonly Format[] = lines.map(([format, ...kinds]) => ({
  ...place(format),
  arguments: kinds.length,
  texts: kinds.map((kind) => (kind === "number" ? undefined : kind)),
}));

/** All of them, each ended by a zero: the contents of the map. */
export const readOnlyBytes: Uint8Array = (() => {
  const bytes = new Uint8Array((top + 7) & ~7);
  for (const [index, text] of words.entries()) bytes.set(encoder.encode(text), WORDS[index]!.offset);
  for (const [index, [format]] of lines.entries()) bytes.set(encoder.encode(format), formats[index]!.offset);
  return bytes;
})();
