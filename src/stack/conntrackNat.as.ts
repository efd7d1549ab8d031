/**
 * bpf_ct_set_nat_info: address translation of a connection that is not inserted yet. net/netfilter/nf_nat_core.c, for a range of one address and at most one port.
 */
import {
  AF_INET,
  CONNECTION_NEW,
  Connection_original,
  Connection_reply,
  Connection_status,
  Connection_zone_dir,
  Connection_zone_id,
  ConntrackTuple_SIZE,
  ConntrackTuple_dir,
  ConntrackTuple_dst,
  ConntrackTuple_dst_port,
  ConntrackTuple_l3num,
  ConntrackTuple_protonum,
  ConntrackTuple_src,
  ConntrackTuple_src_port,
  ENOMEM,
  IPS_DST_NAT,
  IPS_DST_NAT_DONE,
  IPS_SRC_NAT,
  IPS_SRC_NAT_DONE,
  IP_CT_DIR_ORIGINAL,
  IP_CT_DIR_REPLY,
  NF_NAT_MANIP_SRC,
} from "../layout/layout.generated.as";
import { getPrandomU32 } from "../runtime/random.as";
import {
  conntrackTable,
  findConnection,
  heldConnection,
  lockConntrack,
  ownZone,
  sameTuple,
  unlockConntrack,
  wantedTuple,
} from "./conntrack.as";

/** Ports that are tried one after the other from a random one on; then half as many from another, while they are at least 16. */
const MOST_ATTEMPTS: u32 = 128;
const LEAST_ATTEMPTS: u32 = 16;

/** Writes the tuple of the other direction. */
function invert(at: u32, tuple: u32): void {
  memory.copy(at + ConntrackTuple_src, tuple + ConntrackTuple_dst, 16);
  memory.copy(at + ConntrackTuple_dst, tuple + ConntrackTuple_src, 16);
  store<u16>(at, load<u16>(tuple, ConntrackTuple_dst_port), ConntrackTuple_src_port);
  store<u16>(at, load<u16>(tuple, ConntrackTuple_src_port), ConntrackTuple_dst_port);
  store<u16>(at, load<u16>(tuple, ConntrackTuple_l3num), ConntrackTuple_l3num);
  store<u8>(at, load<u8>(tuple, ConntrackTuple_protonum), ConntrackTuple_protonum);
  store<u8>(at, load<u8>(tuple, ConntrackTuple_dir) ^ 1, ConntrackTuple_dir);
}

/** Whether another connection's packets look like the answers to this tuple. One of the same original tuple is this flow's own. */
function isUsed(table: u32, tuple: u32, connection: u32): bool {
  const reply = wantedTuple(table);
  invert(reply, tuple);
  const zone = u32(load<u16>(connection, Connection_zone_id));
  const directions = u32(load<u8>(connection, Connection_zone_dir));
  lockConntrack(table);
  const other = findConnection(table, reply, zone, directions, ownZone(connection, IP_CT_DIR_REPLY), 0);
  const isOwn =
    other != 0 &&
    sameTuple(other + Connection_original, connection + Connection_original) &&
    ownZone(other, IP_CT_DIR_ORIGINAL) == ownZone(connection, IP_CT_DIR_ORIGINAL);
  unlockConntrack(table);
  return other != 0 && !isOwn;
}

/** Looks for a free source port of the same kind: below 512, below 1024, or above. Leaves the last one tried when there is none. */
function findPort(table: u32, tuple: u32, connection: u32): void {
  const port = u32(bswap<u16>(load<u16>(tuple, ConntrackTuple_src_port)));
  const first: u32 = port < 512 ? 1 : port < 1024 ? 600 : 1024;
  const count: u32 = port < 512 ? 511 : port < 1024 ? 424 : 64512;
  let attempts = min(count, MOST_ATTEMPTS);
  while (true) {
    let offset = getPrandomU32() & 0xffff;
    for (let tried: u32 = 0; tried < attempts; tried++) {
      store<u16>(tuple, bswap<u16>(u16(first + (offset % count))), ConntrackTuple_src_port);
      if (!isUsed(table, tuple, connection)) return;
      offset = (offset + 1) & 0xffff;
    }
    if (attempts >= count || attempts < LEAST_ATTEMPTS) return;
    attempts >>= 1;
  }
}

/** Whether the tuple's source is what it shall become already. */
function isInRange(tuple: u32, address: u32, port: i32): bool {
  const isIpv4 = load<u16>(tuple, ConntrackTuple_l3num) == AF_INET;
  const source = tuple + ConntrackTuple_src;
  if (load<u32>(source) != load<u32>(address)) return false;
  if (!isIpv4 && (load<u32>(source, 4) != load<u32>(address, 4) || load<u64>(source, 8) != load<u64>(address, 8))) return false;
  return port <= 0 || load<u16>(tuple, ConntrackTuple_src_port) == bswap<u16>(u16(port));
}

/** Gives the flow another source or destination. `address`: union nf_inet_addr; `port`: host byte order, 0 or less to keep it. */
export function ctSetNatInfo(connection: u32, address: u32, port: i32, manipulation: u32): i32 {
  const table = conntrackTable();
  heldConnection(table, connection, CONNECTION_NEW);
  const isSource = manipulation == NF_NAT_MANIP_SRC;
  const done: u32 = isSource ? IPS_SRC_NAT_DONE : IPS_DST_NAT_DONE;
  let status = load<u32>(connection, Connection_status);
  if ((status & done) != 0) return -i32(ENOMEM);
  // In place of the reply's tuple, what it answers to.
  const tuple = connection + Connection_reply;
  invertInPlace(table, tuple);
  const keeps = isSource && isInRange(tuple, address, port) && !isUsed(table, tuple, connection);
  let changed = false;
  if (!keeps) changed = translate(table, tuple, connection, address, port, isSource);
  invertInPlace(table, tuple);
  if (changed) status |= isSource ? IPS_SRC_NAT : IPS_DST_NAT;
  store<u32>(connection, status | done, Connection_status);
  return 0;
}

function invertInPlace(table: u32, tuple: u32): void {
  const copy = wantedTuple(table);
  memory.copy(copy, tuple, ConntrackTuple_SIZE);
  invert(tuple, copy);
}

/** Writes address and port into the tuple; whether it is another one then. */
function translate(table: u32, tuple: u32, connection: u32, address: u32, port: i32, isSource: bool): bool {
  const addressAt = tuple + (isSource ? ConntrackTuple_src : ConntrackTuple_dst);
  const portAt = tuple + (isSource ? ConntrackTuple_src_port : ConntrackTuple_dst_port);
  const before = load<u16>(portAt);
  const isOther =
    load<u64>(addressAt) != load<u64>(address) || load<u64>(addressAt, 8) != load<u64>(address, 8);
  memory.copy(addressAt, address, 16);
  if (port > 0) {
    const wanted = bswap<u16>(u16(port));
    store<u16>(portAt, wanted);
    // There is but one port to take, used or not; looking for its user removes what has expired.
    if (wanted != before) isUsed(table, tuple, connection);
  } else if (isUsed(table, tuple, connection) && isSource) findPort(table, tuple, connection);
  return isOther || load<u16>(portAt) != before;
}
