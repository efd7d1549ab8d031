/** What programs do with tracked connections. net/netfilter/nf_conntrack_bpf.c, nf_conntrack_core.c. */
import {
  AF_INET,
  AF_INET6,
  CONNECTION_INSERTED,
  CONNECTION_NEW,
  CONNTRACK_OPTIONS_SHORT,
  Connection_original,
  Connection_reply,
  Connection_status,
  Connection_timeout,
  Connection_zone_dir,
  Connection_zone_id,
  ConntrackOptions_SIZE,
  ConntrackOptions_ct_zone_dir,
  ConntrackOptions_ct_zone_id,
  ConntrackOptions_dir,
  ConntrackOptions_error,
  ConntrackOptions_l4proto,
  ConntrackOptions_netns_id,
  ConntrackOptions_reserved,
  ConntrackTuple_SIZE,
  ConntrackTuple_dir,
  ConntrackTuple_dst,
  ConntrackTuple_dst_port,
  ConntrackTuple_l3num,
  ConntrackTuple_protonum,
  ConntrackTuple_src,
  ConntrackTuple_src_port,
  EAFNOSUPPORT,
  EBUSY,
  EINVAL,
  ENOENT,
  ENOMEM,
  ENONET,
  EPERM,
  EPROTO,
  ETIME,
  HZ,
  IPPROTO_TCP,
  IPPROTO_UDP,
  IPS_ASSURED,
  IPS_CONFIRMED,
  IPS_DYING,
  IPS_EXPECTED,
  IPS_FIXED_TIMEOUT,
  IPS_MAX_BIT,
  IPS_SEEN_REPLY,
  IPS_UNCHANGEABLE_MASK,
  IP_CT_DIR_ORIGINAL,
  IP_CT_DIR_REPLY,
  NF_CT_DEFAULT_ZONE_DIR,
} from "../layout/layout.generated.as";
import {
  allocateConnection,
  conntrackNow,
  conntrackTable,
  dropConnection,
  findConnection,
  foundDirection,
  heldConnection,
  holdConnection,
  insertConnection,
  lockConntrack,
  unlockConntrack,
  wantedTuple,
  zoneIdIn,
} from "./conntrack.as";

/** Sizes of struct bpf_sock_tuple for the two families. */
const TUPLE4_SIZE: u32 = 12;
const TUPLE6_SIZE: u32 = 36;
/** Jiffies of an allocated connection whose timeout the program does not set: 10 seconds. */
const DEFAULT_TIMEOUT: u32 = 10 * HZ;
const MILLISECONDS_PER_TICK: u32 = 1000 / HZ;
const INT_MAX: u32 = 0x7fffffff;

/** What is wrong with the options of a call, as an errno, or 0. */
function optionsFault(options: u32, size: u32): i32 {
  if (size != ConntrackOptions_SIZE && size != CONNTRACK_OPTIONS_SHORT) return EINVAL;
  if (size == CONNTRACK_OPTIONS_SHORT) return load<u16>(options, ConntrackOptions_ct_zone_id) != 0 ? EINVAL : 0;
  return (load<u32>(options, ConntrackOptions_ct_zone_dir) & 0xffffff00) != 0 ? EINVAL : 0;
}

/** Writes a program's tuple as the kernel keeps it, or, for the reply, the other way round. */
function writeTuple(at: u32, tuple: u32, size: u32, protocol: u32, direction: u32): void {
  const isOriginal = direction == IP_CT_DIR_ORIGINAL;
  const length: u32 = size == TUPLE4_SIZE ? 4 : 16;
  const source = at + (isOriginal ? ConntrackTuple_src : ConntrackTuple_dst);
  const target = at + (isOriginal ? ConntrackTuple_dst : ConntrackTuple_src);
  memory.fill(at, 0, ConntrackTuple_SIZE);
  memory.copy(source, tuple, length);
  memory.copy(target, tuple + length, length);
  const ports = tuple + (length << 1);
  store<u16>(at, load<u16>(isOriginal ? ports : ports + 2), ConntrackTuple_src_port);
  store<u16>(at, load<u16>(isOriginal ? ports + 2 : ports), ConntrackTuple_dst_port);
  store<u16>(at, u16(size == TUPLE4_SIZE ? AF_INET : AF_INET6), ConntrackTuple_l3num);
  store<u8>(at, u8(protocol), ConntrackTuple_protonum);
  store<u8>(at, u8(direction), ConntrackTuple_dir);
}

/** Directions in which the zone of the options counts; a program that says none is told that both do. */
function zoneDirections(options: u32, size: u32): u32 {
  if (size == CONNTRACK_OPTIONS_SHORT) return NF_CT_DEFAULT_ZONE_DIR;
  if (load<u8>(options, ConntrackOptions_ct_zone_dir) == 0) store<u8>(options, u8(NF_CT_DEFAULT_ZONE_DIR), ConntrackOptions_ct_zone_dir);
  return u32(load<u8>(options, ConntrackOptions_ct_zone_dir));
}

function refuse(options: u32, errno: i32): u32 {
  store<i32>(options, -errno, ConntrackOptions_error);
  return 0;
}

/** Why a call with these arguments fails whatever the table holds, as an errno, or 0. Of two faults a lookup names the protocol, an allocation the namespace. */
function argumentFault(tuple: u32, tupleSize: u32, options: u32, size: u32, isLookup: bool): i32 {
  if (tuple == 0) return EINVAL;
  const fault = optionsFault(options, size);
  if (fault != 0) return fault;
  const protocol = u32(load<u8>(options, ConntrackOptions_l4proto));
  const namespace = load<i32>(options, ConntrackOptions_netns_id);
  const isOther = protocol != IPPROTO_TCP && protocol != IPPROTO_UDP;
  if (isLookup && isOther) return EPROTO;
  if (namespace < -1) return EINVAL;
  if (isOther) return EPROTO;
  if (tupleSize != TUPLE4_SIZE && tupleSize != TUPLE6_SIZE) return EAFNOSUPPORT;
  // No other namespace has an id here.
  return namespace >= 0 ? ENONET : 0;
}

function zoneOf(options: u32, size: u32): u32 {
  return size == CONNTRACK_OPTIONS_SHORT ? 0 : u32(load<u16>(options, ConntrackOptions_ct_zone_id));
}

/** bpf_xdp_ct_lookup and bpf_skb_ct_lookup: the address of a Connection, or 0 with the errno in the options. */
export function ctLookup(context: u32, tuple: u32, tupleSize: u32, options: u32, size: u32): u32 {
  if (options == 0) return 0;
  const fault = argumentFault(tuple, tupleSize, options, size, true);
  if (fault != 0) return refuse(options, fault);
  const directions = zoneDirections(options, size);
  const table = conntrackTable();
  if (table == 0) return refuse(options, ENOENT);
  const wanted = wantedTuple(table);
  writeTuple(wanted, tuple, tupleSize, load<u8>(options, ConntrackOptions_l4proto), IP_CT_DIR_ORIGINAL);
  lockConntrack(table);
  const zone = zoneOf(options, size);
  const forward = zoneIdIn(zone, directions, IP_CT_DIR_ORIGINAL);
  const backward = zoneIdIn(zone, directions, IP_CT_DIR_REPLY);
  let connection = findConnection(table, wanted, zone, directions, forward, 0);
  if (connection == 0 && backward != forward) connection = findConnection(table, wanted, zone, directions, backward, 0);
  const direction = foundDirection;
  if (connection != 0) holdConnection(table, connection);
  unlockConntrack(table);
  if (connection == 0) return refuse(options, ENOENT);
  store<u8>(options, u8(direction), ConntrackOptions_dir);
  return connection;
}

/** bpf_xdp_ct_alloc and bpf_skb_ct_alloc: the address of a Connection that is in no table yet, or 0 with the errno in the options. */
export function ctAlloc(context: u32, tuple: u32, tupleSize: u32, options: u32, size: u32): u32 {
  if (options == 0) return 0;
  const fault = argumentFault(tuple, tupleSize, options, size, false);
  if (fault != 0) return refuse(options, fault);
  const directions = zoneDirections(options, size);
  const table = conntrackTable();
  const connection = table == 0 ? 0 : allocateConnection(table);
  if (connection == 0) return refuse(options, ENOMEM);
  const protocol = u32(load<u8>(options, ConntrackOptions_l4proto));
  writeTuple(connection + Connection_original, tuple, tupleSize, protocol, IP_CT_DIR_ORIGINAL);
  writeTuple(connection + Connection_reply, tuple, tupleSize, protocol, IP_CT_DIR_REPLY);
  store<u16>(connection, u16(zoneOf(options, size)), Connection_zone_id);
  store<u8>(connection, u8(directions), Connection_zone_dir);
  store<u32>(connection, DEFAULT_TIMEOUT, Connection_timeout);
  return connection;
}

/** bpf_ct_insert_entry: the connection, or 0 when one of its tuples is taken; then it is gone. */
export function ctInsertEntry(connection: u32): u32 {
  const table = conntrackTable();
  heldConnection(table, connection, CONNECTION_NEW);
  const isConfirmed = (load<u32>(connection, Connection_status) & IPS_CONFIRMED) != 0;
  if (!isConfirmed) store<u32>(connection, load<u32>(connection, Connection_timeout) + conntrackNow(), Connection_timeout);
  store<u32>(connection, load<u32>(connection, Connection_status) | IPS_CONFIRMED, Connection_status);
  if (insertConnection(table, connection)) return connection;
  dropConnection(table, connection);
  return 0;
}

/** bpf_ct_release */
export function ctRelease(connection: u32): void {
  if (connection == 0) return;
  const table = conntrackTable();
  heldConnection(table, connection, CONNECTION_INSERTED);
  dropConnection(table, connection);
}

function setTimeout(connection: u32, milliseconds: u32): void {
  // What is negative as an int counts as for ever.
  const jiffies = i32(milliseconds) < 0 ? INT_MAX : (milliseconds + MILLISECONDS_PER_TICK - 1) / MILLISECONDS_PER_TICK;
  const isConfirmed = (load<u32>(connection, Connection_status) & IPS_CONFIRMED) != 0;
  atomic.store<u32>(connection, isConfirmed ? conntrackNow() + jiffies : jiffies, Connection_timeout);
}

/** bpf_ct_set_timeout, of a connection that is not inserted yet. */
export function ctSetTimeout(connection: u32, milliseconds: u32): void {
  heldConnection(conntrackTable(), connection, CONNECTION_NEW);
  setTimeout(connection, milliseconds);
}

/** bpf_ct_change_timeout */
export function ctChangeTimeout(connection: u32, milliseconds: u32): i32 {
  heldConnection(conntrackTable(), connection, CONNECTION_INSERTED);
  if ((load<u32>(connection, Connection_status) & IPS_FIXED_TIMEOUT) != 0) return -i32(EPERM);
  setTimeout(connection, milliseconds);
  return (load<u32>(connection, Connection_status) & IPS_DYING) != 0 ? -i32(ETIME) : 0;
}

/** Sets bits of the status. Some cannot be changed; the answer of the peer and assurance can only come. */
function changeStatus(connection: u32, status: u32): i32 {
  const changed = load<u32>(connection, Connection_status) ^ status;
  if ((changed & (IPS_EXPECTED | IPS_CONFIRMED | IPS_DYING)) != 0) return -i32(EBUSY);
  if ((changed & ~status & (IPS_SEEN_REPLY | IPS_ASSURED)) != 0) return -i32(EBUSY);
  const settable: u32 = ((<u32>1 << IPS_MAX_BIT) - 1) & ~IPS_UNCHANGEABLE_MASK;
  atomic.or<u32>(connection, status & settable, Connection_status);
  return 0;
}

/** bpf_ct_set_status */
export function ctSetStatus(connection: u32, status: u32): i32 {
  heldConnection(conntrackTable(), connection, CONNECTION_NEW);
  return changeStatus(connection, status);
}

/** bpf_ct_change_status */
export function ctChangeStatus(connection: u32, status: u32): i32 {
  heldConnection(conntrackTable(), connection, CONNECTION_INSERTED);
  return changeStatus(connection, status);
}
