// Seeded damage to files: what bad disks, cut downloads and hostile authors do to them.

/** Numbers from a seed, the same every time (mulberry32): `below(n)` is 0 to n - 1. */
export function randomFrom(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (mixed ^ (mixed >>> 14)) >>> 0;
  };
  const below = (limit) => Math.floor((next() / 2 ** 32) * limit);
  return { next, below, of: (list) => list[below(list.length)] };
}

/** Numbers that lengths, counts and offsets go wrong with. */
const edges = [0, 1, 3, 4, 7, 8, 15, 16, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 0x40000, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff];

const binary = {
  bit(bytes, random) {
    bytes[random.below(bytes.length)] ^= 1 << random.below(8);
    return bytes;
  },
  byte(bytes, random) {
    bytes[random.below(bytes.length)] = random.of([0, 1, 0x7f, 0x80, 0xff, random.below(256)]);
    return bytes;
  },
  number(bytes, random) {
    const width = random.of([2, 4, 4, 8]);
    if (bytes.length < width) return bytes;
    const at = random.below(bytes.length - width + 1) & -width;
    const value = random.of([...edges, bytes.length, bytes.length + 1]);
    if (width === 2) bytes.writeUInt16LE(value & 0xffff, at);
    else if (width === 4) bytes.writeUInt32LE(value, at);
    else bytes.writeBigUInt64LE(random.below(2) === 0 ? BigInt(value) : BigInt.asUintN(64, -BigInt(value)), at);
    return bytes;
  },
  /** A number that is there becomes a little more or less: lengths, indices and jumps that nearly fit. */
  nudge(bytes, random) {
    if (bytes.length < 4) return bytes;
    const at = random.below(bytes.length - 3) & ~3;
    bytes.writeUInt32LE((bytes.readUInt32LE(at) + random.of([-8, -4, -1, 1, 4, 8])) >>> 0, at);
    return bytes;
  },
  cut: (bytes, random) => bytes.subarray(0, random.below(bytes.length)),
  splice(bytes, random) {
    const from = random.below(bytes.length);
    bytes.copyWithin(random.below(bytes.length), from, from + random.below(512));
    return bytes;
  },
  insert(bytes, random) {
    const from = random.below(bytes.length) & ~3;
    const at = random.below(bytes.length) & ~3;
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(from, from + 4 + random.below(256)), bytes.subarray(at)]);
  },
  remove(bytes, random) {
    const at = random.below(bytes.length);
    return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(64))]);
  },
};

/** One to six changes to a binary file. `within`: a stretch (start, end) that all changes of one kind keep to, for damage that stays inside code. */
export function mutateBytes(original, random, within) {
  let bytes = Buffer.from(original);
  for (let left = 1 + random.below(6); left > 0 && bytes.length > 0; left--) {
    if (within === undefined) bytes = binary[random.of(Object.keys(binary))](bytes, random);
    else {
      const part = Buffer.from(bytes.subarray(...within));
      binary[random.of(["bit", "byte", "number", "nudge", "splice"])](part, random).copy(bytes, within[0]);
    }
  }
  return bytes;
}

const words = [
  "-1",
  "0",
  "4294967296",
  "18446744073709551616",
  "1e400",
  ".nan",
  "null",
  "~",
  "true",
  '""',
  "[]",
  "{}",
  "&a [*a]",
  "0x",
  "1.5",
  '"\\u0000"',
  "__proto__",
  "key",
  "!!binary x",
  "- - -",
  "? ",
  "...",
  "---",
  "\t",
  "99999999999999999999",
];

/** One to four changes to a text: words and numbers replaced, lines doubled, moved or taken out, single characters changed. */
export function mutateText(original, random) {
  let text = original;
  for (let left = 1 + random.below(4); left > 0 && text.length > 0; left--) {
    const lines = text.split("\n");
    const line = random.below(lines.length);
    switch (random.below(7)) {
      case 0:
        lines.splice(line, 1);
        break;
      case 1:
        lines.splice(random.below(lines.length), 0, lines[line]);
        break;
      case 2:
      case 3: {
        const found = [...lines[line].matchAll(/[\w.:"]+/g)];
        if (found.length === 0) break;
        const { 0: word, index } = random.of(found);
        lines[line] = lines[line].slice(0, index) + random.of(words) + lines[line].slice(index + word.length);
        break;
      }
      case 4:
        lines[line] = `${" ".repeat(random.below(5))}${lines[line].trimStart()}`;
        break;
      case 5: {
        const at = random.below(lines[line].length + 1);
        lines[line] = lines[line].slice(0, at) + random.of([..."[]{},:-#\"'&*!|>%@`x9"]) + lines[line].slice(at + random.below(2));
        break;
      }
      default:
        lines.length = line;
    }
    text = lines.join("\n");
  }
  return text;
}
