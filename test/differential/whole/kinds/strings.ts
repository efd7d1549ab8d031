import fc from "fast-check";
import { TEXT_SIZE } from "../contents.ts";
import { BUFFER_SIZE } from "../mapCatalog.ts";
import { type AnyKind, anyOperand, defineKind } from "../statement.ts";
import { formats, WORDS } from "../texts.ts";

/** Where in the buffer of texts one begins, or its middle. */
const text = fc.oneof(
  { weight: 3, arbitrary: fc.nat({ max: BUFFER_SIZE / TEXT_SIZE - 1 }).map((index) => index * TEXT_SIZE) },
  { weight: 1, arbitrary: fc.nat({ max: BUFFER_SIZE - 2 }) },
);
const letter = fc.oneof(fc.constantFrom(..."xplane,;0".split("").map((one) => one.charCodeAt(0)), 0, 0x178, -1), fc.nat({ max: 255 }));
const count = fc.oneof(fc.nat({ max: 20 }), fc.constantFrom(-1, 4096));

/** kfuncs by what they take behind the first text: another one, a letter, a count. */
const kfuncs: readonly (readonly [name: string, ...rest: ("text" | "letter" | "count")[]])[] = [
  ["bpf_strcmp", "text"],
  ["bpf_strcasecmp", "text"],
  ["bpf_strchr", "letter"],
  ["bpf_strchrnul", "letter"],
  ["bpf_strrchr", "letter"],
  ["bpf_strnchr", "count", "letter"],
  ["bpf_strlen"],
  ["bpf_strnlen", "count"],
  ["bpf_strspn", "text"],
  ["bpf_strcspn", "text"],
  ["bpf_strstr", "text"],
  ["bpf_strnstr", "text", "count"],
];

export const stringKinds: readonly AnyKind[] = [
  ...kfuncs.map(([name, ...rest]) =>
    defineKind({
      name,
      subject: "strings",
      weight: 2,
      params: fc.record({ first: text, second: text, letter, count, invalid: fc.nat({ max: 19 }) }),
      covers: () => [name],
      write(out, { first, second, letter: wanted, count: most, invalid }) {
        const { code } = out;
        // Now and then an address where nothing is.
        if (invalid === 0) code.set(1, 0);
        else out.sharedBuffer(1, first);
        for (const [index, kind] of rest.entries()) {
          if (kind === "text") out.sharedBuffer(index + 2, second);
          else code.set(index + 2, kind === "letter" ? wanted : most);
        }
        out.kfunc(name);
        out.keep(0);
        out.fold();
      },
    }),
  ),
  ...(["bpf_strtol", "bpf_strtoul"] as const).map((name) =>
    defineKind({
      name,
      subject: "strings",
      params: fc.record({ from: text, length: fc.integer({ min: 1, max: 24 }), flags: fc.constantFrom(0, 0, 8, 10, 16, 2, 33) }),
      covers: () => [name],
      stack: 8,
      write(out, { from, length, flags }) {
        const { code } = out;
        const at = out.stack(8);
        code.put(8, 10, at, 0x55);
        out.sharedBuffer(1, Math.min(from, BUFFER_SIZE - length));
        code.set(2, length);
        code.set(3, flags);
        code.frame(4, at);
        out.call(name);
        out.keep(0);
        out.keepStack(at, 8);
      },
    }),
  ),
  defineKind({
    name: "bpf_strncmp",
    subject: "strings",
    params: fc.record({ from: text, length: fc.integer({ min: 1, max: 24 }), word: fc.nat({ max: WORDS.length - 1 }) }),
    covers: () => ["bpf_strncmp"],
    write(out, { from, length, word }) {
      const { code } = out;
      out.sharedBuffer(1, Math.min(from, BUFFER_SIZE - length));
      code.set(2, length);
      out.readOnly(3, WORDS[word]!.offset);
      out.call("bpf_strncmp");
      out.keep(0);
    },
  }),
  ...(["bpf_snprintf", "bpf_trace_vprintk"] as const).map((name) =>
    defineKind({
      name,
      subject: "strings",
      weight: name === "bpf_snprintf" ? 6 : 1,
      params: fc.record({
        format: fc.nat({ max: formats.length - 1 }),
        values: fc.tuple(anyOperand, anyOperand, anyOperand),
        texts: fc.tuple(text, text, text),
        size: fc.oneof(fc.integer({ min: 1, max: 32 }), fc.constant(32)),
      }),
      covers: () => [name],
      stack: 56,
      write(out, { format: index, values, texts, size }) {
        const { code } = out;
        const format = formats[index]!;
        const text32 = out.buffer(32, 1);
        const data = out.stack(24);
        for (const place of [0, 1, 2]) {
          if (format.texts[place]) out.sharedBuffer(0, format.texts[place] === "address" ? 0 : texts[place]!);
          else out.operand(0, values[place]!);
          code.store(8, 10, data + place * 8, 0);
        }
        if (name === "bpf_snprintf") {
          code.frame(1, text32);
          code.set(2, size);
          out.readOnly(3, format.offset);
          code.frame(4, data);
          code.set(5, format.arguments * 8);
        } else {
          out.readOnly(1, format.offset);
          code.set(2, format.length);
          code.frame(3, data);
          code.set(4, format.arguments * 8);
        }
        out.call(name);
        out.keep(0);
        if (name === "bpf_snprintf") out.keepStack(text32, 32);
      },
    }),
  ),
];
