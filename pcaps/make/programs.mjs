import { arpRequest, dnsQuery, ethernet, icmp, ip, TCP, tcp, text, udp } from "./frames.mjs";
import { seededRandom } from "./random.mjs";

const SENDER = "02:00:00:00:00:01";
const OWN = "02:00:00:00:00:10";

/** A capture in the making: `add` puts a frame 10 µs, on average, behind the last. */
function scene(seed) {
  const random = seededRandom(seed);
  const packets = [];
  let at = 0;
  const addFrame = (frame) => {
    at += random.wait(10_000);
    packets.push({ at, frame });
  };
  /** An IP packet in its frame; `more`: what `ip` takes, and `vlans`. */
  const add = (from, to, protocol, body, more = {}) =>
    addFrame(
      ethernet({
        to: OWN,
        from: SENDER,
        vlans: more.vlans,
        type: from.includes(":") ? 0x86dd : 0x0800,
        body: ip({ from, to, protocol, id: random.below(65536), ...more, body }),
      }),
    );
  const addTcp = (from, to, dport, { sport = random.between(32768, 60999), flags = TCP.syn, payload, ...more } = {}) =>
    add(
      from,
      to,
      6,
      tcp({ from, to, sport, dport, flags, seq: random.below(2 ** 31), ack: flags & TCP.ack ? random.below(2 ** 31) : 0, payload }),
      more,
    );
  const addUdp = (
    from,
    to,
    dport,
    {
      sport = random.between(32768, 60999),
      payload = dport === 53 ? dnsQuery(packets.length, "example.net") : random.bytes(40),
      ...more
    } = {},
  ) => add(from, to, 17, udp({ from, to, sport, dport, payload }), more);
  const addPing = (from, to, more = {}) =>
    add(
      from,
      to,
      from.includes(":") ? 58 : 1,
      icmp({ from, to, type: from.includes(":") ? 128 : 8, rest: [0, 7, 0, 1, ...random.bytes(32)] }),
      more,
    );
  return { random, packets, addFrame, add, addTcp, addUdp, addPing };
}

/** Every zone of programs/firewall.maps.yaml at every kind of port, in turn and mixed, with fragments, extension headers and short packets. */
export function firewall() {
  const { random, packets, addFrame, add, addTcp, addUdp, addPing } = scene(25);
  const server = "198.51.100.10";
  const sources = ["10.1.2.3", "10.200.0.1", "10.9.0.5", "203.0.113.7", "203.0.113.200", "192.0.2.33", "100.64.1.1"];
  for (let round = 0; round < 12; round++) {
    for (const from of sources) {
      addTcp(from, server, random.pick([22, 23, 80, 443, 8080]), { vlans: round % 5 === 4 ? [30] : undefined });
      addUdp(from, server, random.pick([53, 123, 5060]));
      if (round % 3 === 0) addPing(from, server);
    }
    for (const from of ["2001:db8:1::5", "2001:db8:bad::5", "2001:db8:77::5"]) {
      addTcp(from, "2001:db8:100::10", random.pick([22, 80, 443]));
      const hopByHop = [0, [0, 1, 4, 0, 0, 0, 0]];
      addUdp(from, "2001:db8:100::10", 53, round % 4 === 1 ? { extensions: [hopByHop] } : {});
    }
  }
  const long = udp({ from: "192.0.2.33", to: server, sport: 4000, dport: 53, payload: random.bytes(600) });
  add("192.0.2.33", server, 17, long.slice(0, 400), { fragment: { offset: 0, more: true } });
  add("192.0.2.33", server, 17, long.slice(400), { fragment: { offset: 400, more: false } });
  add("2001:db8:1::5", "2001:db8:100::10", 17, long.slice(0, 400), { extensions: [[44, [0, 0, 1, 0, 0, 0, 9]]] });
  addFrame(ethernet({ to: OWN, from: SENDER, type: 0x0806, body: arpRequest({ mac: SENDER, from: "198.51.100.1", to: server }) }));
  addFrame(ethernet({ to: OWN, from: SENDER, type: 0x0800, body: [0x45, 0, 0, 40, 0, 0], pad: false }));
  addFrame(ethernet({ to: OWN, from: SENDER, type: 0x88cc, body: [2, 7, 4, 2, 0, 0, 0, 0, 1] }));
  return packets;
}

/** Destinations behind each route of programs/router.maps.yaml and behind none, with lifetimes down to 1, and IPv4 options. */
export function router() {
  const { random, packets, addFrame, add, addTcp, addUdp, addPing } = scene(1812);
  const from = "10.0.0.2";
  for (let round = 0; round < 40; round++) {
    addTcp(from, `192.0.2.${random.between(1, 254)}`, 443, {
      flags: TCP.ack,
      ttl: random.between(2, 64),
      payload: text("x".repeat(random.between(0, 400))),
    });
    addUdp(from, `198.51.100.${random.between(1, 254)}`, 53, { ttl: 64 });
    addUdp("2001:db8:9::1", `2001:db8:2:${random.between(0, 255).toString(16)}::1`, 443, {
      ttl: random.between(2, 64),
      tos: random.pick([0, 0x28, 0xb8]),
    });
    if (round % 4 === 0) addPing(from, "203.0.113.5");
    if (round % 8 === 1) addPing(from, "192.0.2.7", { ttl: 1 });
    if (round % 8 === 2) addPing("2001:db8:9::1", "2001:db8:2::7", { ttl: 1 });
    if (round % 8 === 3) addPing("2001:db8:9::1", "2001:db8:ffff::7");
  }
  const ping = icmp({ from, to: "192.0.2.9", type: 8, rest: [0, 1, 0, 1] });
  const plain = ip({ from, to: "192.0.2.9", protocol: 1, body: [] });
  const routerAlert = [0x94, 4, 0, 0];
  const header = [0x46, 0, 0, 24 + ping.length, ...plain.slice(4, 10), 0, 0, ...plain.slice(12), ...routerAlert];
  const words = header.reduce((sum, byte, at) => sum + (at % 2 ? byte : byte << 8), 0);
  const sum = ~((words & 0xffff) + (words >>> 16)) & 0xffff;
  addFrame(ethernet({ to: OWN, from: SENDER, type: 0x0800, body: [...header.with(10, sum >> 8).with(11, sum & 0xff), ...ping] }));
  addFrame(ethernet({ to: OWN, from: SENDER, type: 0x0806, body: arpRequest({ mac: SENDER, from, to: "10.0.0.1" }) }));
  add(from, "192.0.2.20", 47, random.bytes(60));
  return packets;
}

/** Good flows for spreading, and what programs/scrubber.c drops: bad sources, impossible TCP flags, amplified answers, ICMP fragments, a blocked host. */
export function scrubber() {
  const { random, packets, add, addFrame, addTcp, addUdp } = scene(911);
  const to = "198.51.100.10";
  for (let flow = 0; flow < 60; flow++) {
    const from = `100.64.${random.below(4)}.${random.between(1, 254)}`;
    const sport = random.between(32768, 60999);
    for (const flags of [TCP.syn, TCP.ack, TCP.psh | TCP.ack, TCP.fin | TCP.ack])
      addTcp(from, to, 443, { sport, flags, payload: flags & TCP.psh ? text("GET / HTTP/1.1\r\n\r\n") : [] });
    if (flow % 3 === 0) addUdp(`2001:db8:5::${flow.toString(16)}`, "2001:db8:100::10", 443);
    if (flow % 10 === 0) addTcp("203.0.113.66", to, 443);
    if (flow % 6 === 0)
      addUdp(from, to, 40000 + flow, { sport: random.pick([19, 123, 161, 389, 1900, 11211]), payload: random.bytes(400) });
  }
  for (const flags of [0, TCP.syn | TCP.fin, TCP.syn | TCP.rst, TCP.fin, TCP.fin | TCP.psh | TCP.urg])
    addTcp("192.0.2.50", to, 80, { flags });
  for (const from of ["127.0.0.1", "0.0.0.0", "224.0.0.5", "255.255.255.255", to]) addUdp(from, to, 7);
  addUdp("ff02::1", "2001:db8:100::10", 7);
  addUdp("192.0.2.51", to, 0);
  add("192.0.2.52", to, 1, random.bytes(512), { fragment: { offset: 1480, more: true } });
  add("192.0.2.53", to, 17, random.bytes(512), { fragment: { offset: 1480, more: false } });
  addFrame(ethernet({ to: OWN, from: SENDER, type: 0x0800, body: [0x65, 0, 0, 20, ...Array(16).fill(0)] }));
  addFrame(ethernet({ to: OWN, from: SENDER, type: 0x0806, body: arpRequest({ mac: SENDER, from: "198.51.100.1", to }) }));
  return packets;
}

/** Traffic both ways through programs/policy.c: what `OWN` sends leaves by egress. */
export function policy() {
  const { random, packets, addFrame, addTcp, addUdp, addPing } = scene(2474);
  const own = "198.51.100.10";
  const reply = (from, to, protocol, body) =>
    addFrame(ethernet({ to: SENDER, from: OWN, type: 0x0800, body: ip({ from, to, protocol, id: random.below(65536), body }) }));
  for (let round = 0; round < 30; round++) {
    const client = `192.0.2.${random.between(1, 254)}`;
    const sport = random.between(32768, 60999);
    addTcp(client, own, random.pick([23, 25, 443, 443, 8080]), { sport, tos: random.pick([0, 0, 0x28]) });
    addUdp(client, own, 5004, { sport, payload: random.bytes(160), vlans: round % 10 === 9 ? [40] : undefined });
    addUdp(client, own, 53, { sport, payload: dnsQuery(round, "shop.example") });
    for (const port of [23, 443])
      reply(
        own,
        client,
        6,
        tcp({ from: own, to: client, sport: port, dport: sport, flags: TCP.ack | TCP.psh, seq: round, ack: round, payload: text("hello") }),
      );
    reply(own, client, 17, udp({ from: own, to: client, sport: 5004, dport: sport, payload: random.bytes(160) }));
    if (round % 5 === 0) addPing(client, own);
    if (round % 5 === 1) addTcp("2001:db8:9::1", "2001:db8:100::10", 443);
  }
  return packets;
}
