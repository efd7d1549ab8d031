import { arpRequest, dnsQuery, ethernet, icmp, ip, TCP, tcp, text, udp } from "./frames.mjs";
import { seededRandom } from "./random.mjs";

const ROUTER = "02:00:00:00:00:01";
const BALANCER = "02:00:00:00:00:10";
export const SHOP = "198.51.100.80";
export const SHOP6 = "2001:db8:100::80";
export const NAMESERVER = "198.51.100.53";

const MICROSECOND = 1000;
const NAMES = ["shop.example", "www.shop.example", "img.shop.example", "pay.shop.example"];

/** Client addresses: documentation prefixes and shared address space, a few of them busy. */
const client4 = (random) => `${random.pick(["203.0.113", "192.0.2", "100.64.7", "100.64.8"])}.${random.between(1, 254)}`;
const client6 = (random) => `2001:db8:${random.between(1, 0xff).toString(16)}::${random.between(1, 0xffff).toString(16)}`;

/** The client's half of one connection, as a balancer with direct server return sees it. */
function tcpConnection(random, packets, start, { from, to, dport, requests, vlans }) {
  const sport = random.between(32768, 60999);
  let seq = random.below(2 ** 31);
  let ack = 0;
  let at = start;
  const roundTrip = random.between(8, 60) * 1000 * MICROSECOND * 0.02;
  const send = (flags, payload = []) => {
    const segment = tcp({ from, to, sport, dport, seq, ack, flags, payload });
    const id = random.below(65536);
    const body = ip({ from, to, protocol: 6, ttl: random.between(50, 60), id, dontFragment: true, body: segment });
    packets.push({ at, frame: ethernet({ to: BALANCER, from: ROUTER, vlans, type: from.includes(":") ? 0x86dd : 0x0800, body }) });
    seq = (seq + payload.length + (flags & (TCP.syn | TCP.fin) ? 1 : 0)) >>> 0;
  };
  send(TCP.syn);
  ack = random.below(2 ** 31);
  at += roundTrip;
  send(TCP.ack);
  for (let request = 0; request < requests; request++) {
    at += random.wait(30 * MICROSECOND);
    const path = `/item/${random.between(1, 9999)}`;
    send(TCP.psh | TCP.ack, text(`GET ${path} HTTP/1.1\r\nHost: shop.example\r\n\r\n`));
    const replies = random.between(1, 4);
    for (let reply = 0; reply < replies; reply++) {
      at += roundTrip / 4 + random.wait(12 * MICROSECOND);
      ack = (ack + 2 * 1448) >>> 0;
      send(TCP.ack);
    }
  }
  at += roundTrip;
  send(random.unit() < 0.95 ? TCP.fin | TCP.ack : TCP.rst);
}

/** Traffic of 20 ms towards a web shop behind a load balancer: its services, their clients, and what else lies on such a link. */
export function shop() {
  const random = seededRandom(80);
  const packets = [];
  const within = () => random.unit() * 17e6;
  const single = (from, to, protocol, body, more = {}) =>
    packets.push({
      at: within(),
      frame: ethernet({
        to: BALANCER,
        from: ROUTER,
        vlans: more.vlans,
        type: from.includes(":") ? 0x86dd : 0x0800,
        body: ip({ from, to, protocol, id: random.below(65536), ttl: random.between(50, 60), ...more, body }),
      }),
    });

  for (let flow = 0; flow < 90; flow++)
    tcpConnection(random, packets, within(), {
      from: client4(random),
      to: SHOP,
      dport: random.pick([443, 443, 443, 80]),
      requests: random.between(1, 3),
    });
  for (let flow = 0; flow < 30; flow++)
    tcpConnection(random, packets, within(), { from: client6(random), to: SHOP6, dport: 443, requests: random.between(1, 3) });

  for (let query = 0; query < 180; query++) {
    const from = client4(random);
    const payload = dnsQuery(random.below(65536), random.pick(NAMES));
    single(from, NAMESERVER, 17, udp({ from, to: NAMESERVER, sport: random.between(1024, 65535), dport: 53, payload }));
  }
  // QUIC clients open with datagrams of 1,200 bytes.
  for (let flow = 0; flow < 10; flow++) {
    const from = client4(random);
    const sport = random.between(32768, 60999);
    const lengths = [1200, ...Array.from({ length: random.between(2, 6) }, () => random.between(30, 80))];
    for (const length of lengths)
      single(from, SHOP, 17, udp({ from, to: SHOP, sport, dport: 443, payload: random.bytes(length) }), { dontFragment: true });
  }

  // What is not for a service, and so passes to the stack.
  for (let echo = 0; echo < 25; echo++) {
    const from = client4(random);
    single(from, SHOP, 1, icmp({ from, to: SHOP, type: 8, rest: [0, echo, 0, 1, ...random.bytes(48)] }));
  }
  for (let echo = 0; echo < 10; echo++) {
    const from = client6(random);
    single(from, SHOP6, 58, icmp({ from, to: SHOP6, type: 128, rest: [0, echo, 0, 1, ...random.bytes(48)] }));
  }
  const scanner = "203.0.113.66";
  for (const dport of [21, 22, 23, 25, 110, 143, 445, 1433, 3306, 3389, 5432, 5900, 6379, 8080, 8443, 9200])
    single(scanner, SHOP, 6, tcp({ from: scanner, to: SHOP, sport: 40000, dport, seq: dport, flags: TCP.syn, window: 1024 }));
  for (let ask = 0; ask < 8; ask++)
    packets.push({
      at: within(),
      frame: ethernet({
        to: "ff:ff:ff:ff:ff:ff",
        from: ROUTER,
        type: 0x0806,
        body: arpRequest({ mac: ROUTER, from: "198.51.100.1", to: random.pick([SHOP, NAMESERVER]) }),
      }),
    });
  // The two halves of a datagram that was too long for somebody's link.
  const long = udp({ from: "192.0.2.9", to: NAMESERVER, sport: 5353, dport: 53, payload: random.bytes(900) });
  single("192.0.2.9", NAMESERVER, 17, long.slice(0, 584), { fragment: { offset: 0, more: true } });
  single("192.0.2.9", NAMESERVER, 17, long.slice(584), { fragment: { offset: 584, more: false } });
  // The monitoring network comes tagged: 802.1Q 20, and once in a provider's tag.
  for (let flow = 0; flow < 4; flow++)
    tcpConnection(random, packets, within(), {
      from: `10.20.0.${flow + 5}`,
      to: SHOP,
      dport: 80,
      requests: 1,
      vlans: flow === 3 ? [100, 20] : [20],
    });
  return packets;
}
