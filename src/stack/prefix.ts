import { AF_INET, AF_INET6 } from "../layout/index.ts";
import { parseIpAddress } from "../packet/index.ts";

/** 4 or 16 bytes in network order, and how many leading bits count. */
export interface IpPrefix {
  readonly address: Uint8Array;
  readonly length: number;
}

export const familyOf = (address: Uint8Array): typeof AF_INET | typeof AF_INET6 => (address.length === 4 ? AF_INET : AF_INET6);

/** Parses ADDRESS/LENGTH, or a lone address as a host's prefix; undefined when the text is neither. */
export function parsePrefix(text: string): IpPrefix | undefined {
  const slash = text.lastIndexOf("/");
  const address = parseIpAddress(slash < 0 ? text : text.slice(0, slash));
  if (!address) return undefined;
  const longest = address.length * 8;
  if (slash < 0) return { address, length: longest };
  const length = text.slice(slash + 1);
  return /^\d{1,3}$/.test(length) && Number(length) <= longest ? { address, length: Number(length) } : undefined;
}

/** The bits of byte `index` that lie within the first `length` bits. */
const maskOf = (index: number, length: number): number => (0xff00 >> Math.min(Math.max(length - index * 8, 0), 8)) & 0xff;

/** Whether `address` lies in the prefix. */
export function covers(prefix: IpPrefix, address: Uint8Array): boolean {
  if (prefix.address.length !== address.length) return false;
  return address.every((byte, index) => ((byte ^ prefix.address[index]!) & maskOf(index, prefix.length)) === 0);
}

/** A copy whose bits behind the first `length` are all `value`. */
export function withHostBits({ address, length }: IpPrefix, value: 0 | 1): Uint8Array {
  return address.map((byte, index) => {
    const mask = maskOf(index, length);
    return value === 1 ? byte | (~mask & 0xff) : byte & mask;
  });
}
