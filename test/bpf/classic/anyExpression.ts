import fc from "fast-check";

const word = (...words: string[]) => fc.constantFrom(...words);
/** Parts with a space between each; empty ones leave none. */
const spaced = (...parts: fc.Arbitrary<string>[]) => fc.tuple(...parts).map((words) => words.filter((one) => one !== "").join(" "));

/** Addresses and ports that the captures hold, and some that they do not. */
const ipv4 = word("10.0.0.1", "10.10.1.4", "192.168.1.1", "172.16.0.1", "198.51.100.7", "203.0.113.9", "255.255.255.255", "10.0", "10");
const networks = [
  "10.0.0.0/8",
  "192.168.0.0/16",
  "0.0.0.0/0",
  "128.0.0.0/1",
  "224.0.0.0/4",
  "10",
  "192.168",
  "2001:db8::/32",
  "fe80::/10",
  "ff00::/8",
];
const network = word(...networks);
const ipv6 = word("::1", "fe80::1", "ff02::1", "2001:db8::1", "ff02::fb");
const mac = word("ff:ff:ff:ff:ff:ff", "02:00:00:00:00:01", "01:00:5e:00:00:01", "33:33:00:00:00:01");
const port = word("53", "80", "443", "22", "6081", "4789", "67", "0", "65535", "http", "domain");
const direction = word("", "", "src", "dst", "src or dst", "src and dst");
const names = "ip ip6 arp tcp udp icmp icmp6 sctp igmp esp ah pim stp ipx llc iso atalk vrrp rarp".split(" ");
const protocols = word(...names);

const primitive = fc.oneof(
  { weight: 3, arbitrary: protocols },
  { weight: 3, arbitrary: spaced(word("", "", "ip", "arp"), direction, word("host"), ipv4) },
  spaced(word("", "ip6"), direction, word("host"), ipv6),
  { weight: 2, arbitrary: spaced(direction, word("net"), network) },
  spaced(word("ether"), word("host", "src", "dst", "src host"), mac),
  { weight: 3, arbitrary: spaced(word("", "tcp", "udp"), direction, word("port"), port) },
  spaced(
    word("", "udp"),
    direction,
    fc.tuple(fc.nat(70), fc.nat(9000)).map(([a, b]) => `portrange ${a}-${b}`),
  ),
  spaced(word("", "ip", "ip6"), word("proto"), word("6", "17", "1", "58", "\\tcp", "0", "44", "47")),
  spaced(word("ip6", "ip", ""), word("protochain"), word("6", "17", "58")),
  spaced(word("ether proto"), word("0x800", "0x86dd", "\\arp", "0x42", "0x8100")),
  spaced(word("less", "greater"), word("60", "64", "100", "1000", "1514")),
  word("broadcast", "multicast", "ip broadcast", "ip multicast", "ip6 multicast", "llc s", "llc u", "llc i"),
);

/**
 * What moves the headers; behind some of them much is refused. Not geneve: where there is no tunnel, libpcap reads memory that nothing was stored to.
 */
const entering = word("vlan", "vlan 100", "vlan 3704", "mpls", "mpls 16", "pppoes", "pppoes 5", "vlan");

const loads = fc
  .tuple(
    word("ip", "ip", "ip6", "tcp", "udp", "ether", "icmp", "arp"),
    fc.oneof(fc.nat(24).map(String), word("ip[0] & 0xf", "0 - 1", "len - 40")),
    word("", ":1", ":2", ":4"),
  )
  .map(([protocol, index, size]) => `${protocol}[${index}${size}]`);

const { arithmetic } = fc.letrec<{ arithmetic: string }>((tie) => ({
  arithmetic: fc.oneof(
    { maxDepth: 3, depthSize: "small" },
    { weight: 3, arbitrary: loads },
    { weight: 2, arbitrary: fc.oneof(fc.nat(20), fc.integer({ min: 0, max: 0xffff })).map(String) },
    word("len", "tcp-syn", "0xffffffff"),
    fc.tuple(tie("arithmetic"), word("+", "-", "*", "&", "|", "^"), tie("arithmetic")).map((parts) => parts.join(" ")),
    fc.tuple(tie("arithmetic"), word("/ 3", "% 5", "<< 2", ">> 4", "/ 256")).map((parts) => parts.join(" ")),
    tie("arithmetic").map((inside) => `(${inside})`),
    tie("arithmetic").map((inside) => `0 - ${inside}`),
  ),
}));
const relation = fc.tuple(arithmetic, word("=", "!=", "<", ">", "<=", ">="), arithmetic).map((parts) => parts.join(" "));

const { condition } = fc.letrec<{ condition: string }>((tie) => ({
  condition: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    { weight: 4, arbitrary: primitive },
    { weight: 2, arbitrary: relation },
    { weight: 1, arbitrary: entering },
    {
      weight: 3,
      arbitrary: fc.tuple(tie("condition"), word("and", "or", "and not", "or not"), tie("condition")).map((parts) => parts.join(" ")),
    },
    tie("condition").map((inside) => `(${inside})`),
    tie("condition").map((inside) => `not (${inside})`),
  ),
}));

/** Expressions of pcap-filter(7), most of which tcpdump takes. */
export const anyExpression: fc.Arbitrary<string> = condition;
