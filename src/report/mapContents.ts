/** Contents of maps as JSON to be read: every map under its name, one line an entry. */
export function mapContentsText(maps: Readonly<Record<string, unknown>>): string {
  const blocks = Object.entries(maps).map(([name, contents]) => {
    if (!Array.isArray(contents) || contents.length === 0) return `  ${JSON.stringify(name)}: ${oneLine(contents)}`;
    return `  ${JSON.stringify(name)}: [\n${contents.map((entry) => `    ${oneLine(entry)}`).join(",\n")}\n  ]`;
  });
  return blocks.length === 0 ? "{}\n" : `{\n${blocks.join(",\n")}\n}\n`;
}

/** 64-bit numbers as strings: they exceed what JSON's readers keep. */
const oneLine = (value: unknown): string => JSON.stringify(value, (_key, part) => (typeof part === "bigint" ? String(part) : part));
