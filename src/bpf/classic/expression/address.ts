/** Addresses as expressions write them: network byte order, as 32-bit words without sign. */

/** The bits that the written components give, from the highest down, and how many: `10.1` gives 16 bits. Undefined when a component exceeds 255. */
export function parseDotted(text: string): { readonly bits: number; readonly value: number } | undefined {
  const parts = text.split(".").map(Number);
  if (parts.some((part) => part > 255)) return undefined;
  const value = parts.reduce((sum, part) => sum * 256 + part, 0);
  return { bits: parts.length * 8, value };
}

/** The four words of an IPv6 address; undefined when the text is none. */
export function parseIpv6(text: string): readonly [number, number, number, number] | undefined {
  const halves = text.split("::");
  if (halves.length > 2) return undefined;
  const groups = halves.map((half) => groupsOf(half));
  const [front, back] = groups;
  if (front === undefined || (halves.length === 2 && back === undefined)) return undefined;
  const missing = 8 - front.length - (back?.length ?? 0);
  if (halves.length === 2 ? missing < 1 : missing !== 0) return undefined;
  const all = [...front, ...new Array<number>(missing).fill(0), ...(back ?? [])];
  const word = (at: number) => (all[at]! * 65536 + all[at + 1]!) >>> 0;
  return [word(0), word(2), word(4), word(6)];
}

/** 16-bit groups between colons; the last two may be written as an IPv4 address. */
function groupsOf(half: string): number[] | undefined {
  if (half === "") return [];
  const groups: number[] = [];
  const parts = half.split(":");
  for (const [index, part] of parts.entries()) {
    if (/^[0-9a-f]{1,4}$/i.test(part)) groups.push(Number.parseInt(part, 16));
    else if (index === parts.length - 1 && /^\d{1,3}(\.\d{1,3}){3}$/.test(part)) {
      const address = parseDotted(part);
      if (address === undefined) return undefined;
      groups.push(Math.floor(address.value / 65536), address.value % 65536);
    } else return undefined;
  }
  return groups;
}

/** The six bytes of a MAC address as the scanner passed it: six parts of one or two digits, three of four (with dots), or twelve digits. */
export function parseEthernet(text: string): readonly number[] {
  const parts = text.split(/[:.-]/);
  const digits = parts.length === 6 ? parts.map((part) => part.padStart(2, "0")) : parts.map((part) => part.padStart(4, "0"));
  const joined = parts.length === 1 ? text : digits.join("");
  return Array.from({ length: 6 }, (_, index) => Number.parseInt(joined.slice(index * 2, index * 2 + 2), 16));
}

/** A mask of `length` leading ones, 0 to 32. */
export const maskOf = (length: number): number => (length === 0 ? 0 : (0xffffffff << (32 - length)) >>> 0);
