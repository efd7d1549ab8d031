/** Addresses as people write them, as the bytes of a packet. */

/** "10.0.0.1" as 4 bytes; null for anything else. */
export function ipv4Bytes(text: string): Uint8Array | null {
  if (!/^\d{1,3}(?:\.\d{1,3}){3}$/.test(text)) return null;
  const parts = text.split(".").map(Number);
  return parts.every((part) => part <= 255) ? Uint8Array.from(parts) : null;
}

/** "02:00:00:00:00:01" as 6 bytes; null for anything else. */
export function macBytes(text: string): Uint8Array | null {
  if (!/^[0-9a-fA-F]{1,2}(?:[:-][0-9a-fA-F]{1,2}){5}$/.test(text)) return null;
  return Uint8Array.from(text.split(/[:-]/), (part) => Number.parseInt(part, 16));
}

/** "2001:db8::1", also with an IPv4 end ("::ffff:10.0.0.1"), as 16 bytes; null for anything else. RFC 4291, section 2.2. */
export function ipv6Bytes(text: string): Uint8Array | null {
  if (!/^[0-9a-fA-F:.]+$/.test(text) || !text.includes(":")) return null;
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const [head, tail] = halves.map(groupBytes);
  if (head === undefined || head === null || tail === null) return null;
  if (tail === undefined) return head.length === 16 ? Uint8Array.from(head) : null;
  if (head.length + tail.length > 14) return null;
  return Uint8Array.from([...head, ...new Array<number>(16 - head.length - tail.length).fill(0), ...tail]);
}

/** The bytes of groups between colons; the last may be an IPv4 address. */
function groupBytes(text: string): number[] | null {
  if (text === "") return [];
  const bytes: number[] = [];
  const groups = text.split(":");
  for (const [index, group] of groups.entries()) {
    const ipv4 = index === groups.length - 1 ? ipv4Bytes(group) : null;
    if (ipv4 !== null) {
      bytes.push(...ipv4);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(group)) return null;
      const value = Number.parseInt(group, 16);
      bytes.push(value >> 8, value & 0xff);
    }
  }
  return bytes;
}
