import { formatIpAddress, formatMac } from "./address.ts";
import { type BlockOption, OPTION, optionNumber, optionText } from "./options.ts";

/** Which block's options a code belongs to. */
export type OptionOwner = "section" | "interface" | "packet" | "statistics" | "names";

/** What a value shows to people; undefined when it does not have the shape that its kind asks for. */
type Show = (value: Uint8Array, littleEndian: boolean) => string | undefined;

const text: Show = (value) => optionText(value);
const unsigned: Show = (value, littleEndian) => optionNumber(value, littleEndian)?.toString();
const signed: Show = (value, littleEndian) => {
  const number = optionNumber(value, littleEndian);
  return number === undefined ? undefined : BigInt.asIntN(value.length * 8, number).toString();
};
const hex: Show = (value) => Array.from(value, (byte) => byte.toString(16).padStart(2, "0")).join("");
const mac: Show = (value) => (value.length === 6 ? formatMac(value) : undefined);
const ipv4: Show = (value) => (value.length === 4 ? formatIpAddress(value) : undefined);
const ipv4WithMask: Show = (value) => (value.length === 8 ? `${formatIpAddress(value, 0, 4)}/${formatIpAddress(value, 4, 4)}` : undefined);
const ipv6: Show = (value) => (value.length === 16 ? formatIpAddress(value) : undefined);
const ipv6WithPrefix: Show = (value) => (value.length === 17 ? `${formatIpAddress(value, 0, 16)}/${value[16]}` : undefined);
/** The first byte says which language the filter is in; 0 is libpcap's. */
const filter: Show = (value) => (value[0] === 0 ? optionText(value.subarray(1)) : undefined);
/** Two words, the higher first in either byte order, in ticks of the interface. */
const ticks: Show = (value, littleEndian) => {
  const high = optionNumber(value.subarray(0, 4), littleEndian);
  const low = optionNumber(value.subarray(4), littleEndian);
  return value.length !== 8 || high === undefined || low === undefined ? undefined : `${(high << 32n) | low} ticks`;
};
const verdict: Show = (value, littleEndian) => {
  if (value[0] === 0) return `hardware ${hex(value.subarray(1), littleEndian)}`;
  const result = value.length === 9 ? signed(value.subarray(1), littleEndian) : undefined;
  if (result === undefined || (value[0] !== 1 && value[0] !== 2)) return undefined;
  return `${value[0] === 1 ? "TC" : "XDP"} ${result}`;
};

type Rows = Readonly<Record<number, readonly [name: string, show: Show]>>;

/** draft-ietf-opsawg-pcapng, sections 4.1 to 4.7. */
const ROWS: Readonly<Record<OptionOwner, Rows>> = {
  section: { 2: ["shb_hardware", text], 3: ["shb_os", text], 4: ["shb_userappl", text] },
  interface: {
    2: ["if_name", text],
    3: ["if_description", text],
    4: ["if_IPv4addr", ipv4WithMask],
    5: ["if_IPv6addr", ipv6WithPrefix],
    6: ["if_MACaddr", mac],
    7: ["if_EUIaddr", hex],
    8: ["if_speed", unsigned],
    9: ["if_tsresol", unsigned],
    10: ["if_tzone", signed],
    11: ["if_filter", filter],
    12: ["if_os", text],
    13: ["if_fcslen", unsigned],
    14: ["if_tsoffset", signed],
    15: ["if_hardware", text],
    16: ["if_txspeed", unsigned],
    17: ["if_rxspeed", unsigned],
    18: ["if_iana_tzname", text],
  },
  packet: {
    2: ["epb_flags", unsigned],
    3: ["epb_hash", hex],
    4: ["epb_dropcount", unsigned],
    5: ["epb_packetid", unsigned],
    6: ["epb_queue", unsigned],
    7: ["epb_verdict", verdict],
    8: ["epb_processid_threadid", unsigned],
  },
  statistics: {
    2: ["isb_starttime", ticks],
    3: ["isb_endtime", ticks],
    4: ["isb_ifrecv", unsigned],
    5: ["isb_ifdrop", unsigned],
    6: ["isb_filteraccept", unsigned],
    7: ["isb_osdrop", unsigned],
    8: ["isb_usrdeliv", unsigned],
  },
  names: { 2: ["ns_dnsname", text], 3: ["ns_dnsIP4addr", ipv4], 4: ["ns_dnsIP6addr", ipv6] },
};

/** Custom options: with text or bytes, to be copied on or not. */
const CUSTOM = [2988, 2989, 19372, 19373];

/** The name as the specification spells it; `opt_comment`, `opt_custom`, or `option_4711`. */
export function optionName(owner: OptionOwner, code: number): string {
  if (code === OPTION.comment) return "opt_comment";
  if (CUSTOM.includes(code)) return "opt_custom";
  return ROWS[owner][code]?.[0] ?? `option_${code}`;
}

/** What a value says, for people; in hexadecimal where it is of no known shape. */
export function optionValueText(owner: OptionOwner, { code, value }: BlockOption, littleEndian: boolean): string {
  const show = code === OPTION.comment ? text : (ROWS[owner][code]?.[1] ?? hex);
  return show(value, littleEndian) ?? hex(value, littleEndian) ?? "";
}
