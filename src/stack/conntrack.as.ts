/**
 * The conntrack table: chains of connections by the tuples of both their directions (layout/conntrack.ts has the protocol).
 * net/netfilter/nf_conntrack_core.c says what is found, what is a duplicate, and when an expired connection goes.
 */
import {
  CONNECTION_FREE,
  CONNECTION_HOLDS,
  CONNECTION_INSERTED,
  CONNECTION_NEW,
  CONNECTION_REMOVED,
  CONNECTION_STRIDE,
  ConnectionHolds_SIZE,
  ConnectionHolds_count,
  ConnectionHolds_held,
  ConnectionHolds_tuple,
  ConnectionSlot_SIZE,
  ConnectionSlot_bucket,
  ConnectionSlot_next,
  ConnectionSlot_references,
  ConnectionSlot_state,
  Connection_SIZE,
  Connection_original,
  Connection_reply,
  Connection_status,
  Connection_timeout,
  Connection_use,
  Connection_zone_dir,
  Connection_zone_id,
  ConntrackTable_bucket_mask,
  ConntrackTable_buckets,
  ConntrackTable_capacity,
  ConntrackTable_connections,
  ConntrackTable_count,
  ConntrackTable_free,
  ConntrackTable_fresh,
  ConntrackTable_holds,
  ConntrackTable_lock,
  ConntrackTable_slots,
  ConntrackTable_swept,
  CpuBlock_network,
  CpuBlock_slot,
  HZ,
  IPS_DYING,
  IP_CT_DIR_ORIGINAL,
  IP_CT_DIR_REPLY,
  NetNamespace_conntrack,
} from "../layout/layout.generated.as";
import { jiffies64 } from "../runtime/clock.as";
import { cpu } from "../runtime/cpu.as";
import { releaseMapLock, takeMapLock } from "../runtime/lock.as";

/** All of a tuple but its direction. */
const TUPLE_WORDS: u32 = 9;
const LAST_WORD: u32 = 0x00ffffff;
/** Jiffies after which the kernel's collector has been everywhere. GC_SCAN_INTERVAL_MAX: a minute. */
const COLLECTED_AFTER: i32 = 60 * i32(HZ);
/** How often a full table looks for room: each second. */
const SWEEP_INTERVAL: u32 = HZ;

/** The table, or 0. */
export function conntrackTable(): u32 {
  return load<u32>(load<u32>(cpu, CpuBlock_network), NetNamespace_conntrack);
}

/** The kernel's 32 bits of time that timeouts are held against (nfct_time_stamp). */
export function conntrackNow(): u32 {
  return u32(jiffies64());
}

export function lockConntrack(table: u32): void {
  takeMapLock(table + ConntrackTable_lock);
}

export function unlockConntrack(table: u32): void {
  releaseMapLock(table + ConntrackTable_lock);
}

export function tupleOf(connection: u32, direction: u32): u32 {
  return connection + (direction == IP_CT_DIR_ORIGINAL ? Connection_original : Connection_reply);
}

export function sameTuple(a: u32, b: u32): bool {
  for (let word: u32 = 0; word < TUPLE_WORDS; word++) {
    if (load<u32>(a + (word << 2)) != load<u32>(b + (word << 2))) return false;
  }
  return ((load<u32>(a, 36) ^ load<u32>(b, 36)) & LAST_WORD) == 0;
}

function bucketOf(table: u32, tuple: u32): u32 {
  let hash = load<u32>(tuple, 36) & LAST_WORD;
  for (let word: u32 = 0; word < TUPLE_WORDS; word++) {
    hash = rotl<u32>(hash ^ (load<u32>(tuple + (word << 2)) * 0xcc9e2d51), 13) * 5 + 0xe6546b64;
  }
  hash ^= hash >> 16;
  hash *= 0x85ebca6b;
  hash ^= hash >> 13;
  return hash & load<u32>(table, ConntrackTable_bucket_mask);
}

function slotAt(table: u32, number: u32): u32 {
  return load<u32>(table, ConntrackTable_slots) + number * ConnectionSlot_SIZE;
}

function connectionAt(table: u32, number: u32): u32 {
  return load<u32>(table, ConntrackTable_connections) + number * CONNECTION_STRIDE;
}

function numberOf(table: u32, connection: u32): u32 {
  return (connection - load<u32>(table, ConntrackTable_connections)) / CONNECTION_STRIDE;
}

/** For what a program says is a connection in this state that it holds: ends the run if it is none, for nobody has proved that it is. */
export function heldConnection(table: u32, connection: u32, state: u32): void {
  if (table == 0) unreachable();
  const offset = connection - load<u32>(table, ConntrackTable_connections);
  if (offset >= load<u32>(table, ConntrackTable_fresh) * CONNECTION_STRIDE || offset % CONNECTION_STRIDE != 0) unreachable();
  const slot = slotAt(table, offset / CONNECTION_STRIDE);
  const actual = atomic.load<u32>(slot, ConnectionSlot_state);
  // Whoever looked a connection up may hold one that has left the table since.
  if (actual != state && !(state == CONNECTION_INSERTED && actual == CONNECTION_REMOVED)) unreachable();
}

/** Id of a zone in a direction: where the direction does not count, the default one. */
export function zoneIdIn(id: u32, directions: u32, direction: u32): u32 {
  return ((directions >> direction) & 1) != 0 ? id : 0;
}

/** Id of a connection's zone in a direction. */
export function ownZone(connection: u32, direction: u32): u32 {
  return zoneIdIn(load<u16>(connection, Connection_zone_id), load<u8>(connection, Connection_zone_dir), direction);
}

/** Jiffies since it expired: negative while it has not. */
function overdue(connection: u32, now: u32): i32 {
  return i32(now - atomic.load<u32>(connection, Connection_timeout));
}

function setReferences(slot: u32, connection: u32, count: u32): void {
  store<u32>(slot, count, ConnectionSlot_references);
  store<u32>(connection, count, Connection_use);
}

function unlink(table: u32, slot: u32, number: u32, direction: u32): void {
  const node = ((number << 1) | direction) + 1;
  let link = load<u32>(table, ConntrackTable_buckets) + (load<u32>(slot + (direction << 2), ConnectionSlot_bucket) << 2);
  for (let at = load<u32>(link); at != 0; at = load<u32>(link)) {
    if (at == node) {
      store<u32>(link, load<u32>(slot + (direction << 2), ConnectionSlot_next));
      return;
    }
    link = slotAt(table, (at - 1) >> 1) + ConnectionSlot_next + (((at - 1) & 1) << 2);
  }
}

function free(table: u32, slot: u32, number: u32): void {
  atomic.store<u32>(slot, CONNECTION_FREE, ConnectionSlot_state);
  store<u32>(slot, load<u32>(table, ConntrackTable_free), ConnectionSlot_next);
  store<u32>(table, number + 1, ConntrackTable_free);
  store<u32>(table, load<u32>(table, ConntrackTable_count) - 1, ConntrackTable_count);
}

/** Gives one reference back; the last one frees. The lock is held. */
function putReference(table: u32, slot: u32, number: u32): void {
  const left = load<u32>(slot, ConnectionSlot_references) - 1;
  setReferences(slot, connectionAt(table, number), left);
  if (left == 0) free(table, slot, number);
}

/** Takes a connection out of the table. The lock is held. */
function remove(table: u32, number: u32): void {
  const slot = slotAt(table, number);
  const connection = connectionAt(table, number);
  unlink(table, slot, number, IP_CT_DIR_ORIGINAL);
  unlink(table, slot, number, IP_CT_DIR_REPLY);
  atomic.or<u64>(connection, IPS_DYING, Connection_status);
  atomic.store<u32>(slot, CONNECTION_REMOVED, ConnectionSlot_state);
  putReference(table, slot, number);
}

/**
 * The connection with this tuple in either direction, which is left in `foundDirection`; 0 for none. Linux hashes tuples with a zone's id, and looks into one bucket: with what
 * has another id than `hashed` in its direction it does not meet. What it meets, and is overdue by `patience` jiffies, goes. The lock is held.
 */
export function findConnection(table: u32, tuple: u32, zone: u32, directions: u32, hashed: u32, patience: i32): u32 {
  const now = conntrackNow();
  let at = load<u32>(load<u32>(table, ConntrackTable_buckets) + (bucketOf(table, tuple) << 2));
  while (at != 0) {
    const number = (at - 1) >> 1;
    const direction = (at - 1) & 1;
    const connection = connectionAt(table, number);
    at = load<u32>(slotAt(table, number) + (direction << 2), ConnectionSlot_next);
    if (!sameTuple(tuple, tupleOf(connection, direction)) || ownZone(connection, direction) != hashed) continue;
    if (overdue(connection, now) >= patience) {
      // Both directions may hang in this chain: what follows a removed one is read anew.
      const isOther = at != 0 && (at - 1) >> 1 == number;
      const next = isOther ? load<u32>(slotAt(table, number) + ((1 - direction) << 2), ConnectionSlot_next) : at;
      remove(table, number);
      at = next;
    } else if (hashed == zoneIdIn(zone, directions, direction)) {
      foundDirection = direction;
      return connection;
    }
  }
  return 0;
}

/** Direction of the connection that `findConnection` found last. */
export let foundDirection: u32 = 0;

/** A reference for a program of this CPU. The lock is held. */
export function holdConnection(table: u32, connection: u32): void {
  const slot = slotAt(table, numberOf(table, connection));
  setReferences(slot, connection, load<u32>(slot, ConnectionSlot_references) + 1);
  noteHeld(table, connection);
}

function holdsOf(table: u32): u32 {
  return load<u32>(table, ConntrackTable_holds) + load<u32>(cpu, CpuBlock_slot) * ConnectionHolds_SIZE;
}

/** Room for the tuple that this CPU looks up. */
export function wantedTuple(table: u32): u32 {
  return holdsOf(table) + ConnectionHolds_tuple;
}

/** Notes that this CPU holds a connection. What the list has no room for is not given back after a trap. */
function noteHeld(table: u32, connection: u32): void {
  const holds = holdsOf(table);
  const count = load<u32>(holds, ConnectionHolds_count);
  if (count >= CONNECTION_HOLDS) return;
  store<u32>(holds + (count << 2), connection, ConnectionHolds_held);
  store<u32>(holds, count + 1, ConnectionHolds_count);
}

function forgetHeld(table: u32, connection: u32): void {
  const holds = holdsOf(table);
  const last = load<u32>(holds, ConnectionHolds_count) - 1;
  for (let place = i32(last); place >= 0; place--) {
    if (load<u32>(holds + (u32(place) << 2), ConnectionHolds_held) != connection) continue;
    store<u32>(holds + (u32(place) << 2), load<u32>(holds + (last << 2), ConnectionHolds_held), ConnectionHolds_held);
    store<u32>(holds, last, ConnectionHolds_count);
    return;
  }
}

/** Gives a program's reference back. */
export function dropConnection(table: u32, connection: u32): void {
  lockConntrack(table);
  const number = numberOf(table, connection);
  putReference(table, slotAt(table, number), number);
  forgetHeld(table, connection);
  unlockConntrack(table);
}

/** After a trap: what the programs of this CPU held is given back. */
export function releaseConnections(): void {
  const table = conntrackTable();
  if (table == 0) return;
  const holds = holdsOf(table);
  while (load<u32>(holds, ConnectionHolds_count) != 0) dropConnection(table, load<u32>(holds, ConnectionHolds_held));
}

/** What the kernel's collector would have removed by now. The lock is held. */
function sweep(table: u32): void {
  const now = conntrackNow();
  if (now - load<u32>(table, ConntrackTable_swept) < SWEEP_INTERVAL) return;
  store<u32>(table, now, ConntrackTable_swept);
  const fresh = load<u32>(table, ConntrackTable_fresh);
  for (let number: u32 = 0; number < fresh; number++) {
    const inserted = load<u32>(slotAt(table, number), ConnectionSlot_state) == CONNECTION_INSERTED;
    if (inserted && overdue(connectionAt(table, number), now) >= 0) remove(table, number);
  }
}

/** A new connection, all zeros, with one reference that this CPU holds; 0 when the table is full. */
export function allocateConnection(table: u32): u32 {
  lockConntrack(table);
  if (load<u32>(table, ConntrackTable_count) >= load<u32>(table, ConntrackTable_capacity)) sweep(table);
  let number = load<u32>(table, ConntrackTable_free);
  if (number != 0) {
    number--;
    store<u32>(table, load<u32>(slotAt(table, number), ConnectionSlot_next), ConntrackTable_free);
  } else {
    number = load<u32>(table, ConntrackTable_fresh);
    if (number >= load<u32>(table, ConntrackTable_capacity)) {
      unlockConntrack(table);
      return 0;
    }
    store<u32>(table, number + 1, ConntrackTable_fresh);
  }
  store<u32>(table, load<u32>(table, ConntrackTable_count) + 1, ConntrackTable_count);
  const connection = connectionAt(table, number);
  memory.fill(connection, 0, Connection_SIZE);
  const slot = slotAt(table, number);
  atomic.store<u32>(slot, CONNECTION_NEW, ConnectionSlot_state);
  // Programs see no reference before it is inserted.
  store<u32>(slot, 1, ConnectionSlot_references);
  noteHeld(table, connection);
  unlockConntrack(table);
  return connection;
}

function link(table: u32, slot: u32, number: u32, connection: u32, direction: u32): void {
  const bucket = bucketOf(table, tupleOf(connection, direction));
  const head = load<u32>(table, ConntrackTable_buckets) + (bucket << 2);
  store<u32>(slot + (direction << 2), bucket, ConnectionSlot_bucket);
  store<u32>(slot + (direction << 2), load<u32>(head), ConnectionSlot_next);
  store<u32>(head, ((number << 1) | direction) + 1);
}

/** Whether packets of one of a new connection's directions belong to another one already. The lock is held. */
function isTupleTaken(table: u32, connection: u32, direction: u32): bool {
  const zone = u32(load<u16>(connection, Connection_zone_id));
  const directions = u32(load<u8>(connection, Connection_zone_dir));
  const tuple = tupleOf(connection, direction);
  return findConnection(table, tuple, zone, directions, ownZone(connection, direction), COLLECTED_AFTER) != 0;
}

/** Puts a new connection into the table, which then has a reference beside the program's. False if one of its tuples is there already. */
export function insertConnection(table: u32, connection: u32): bool {
  lockConntrack(table);
  const isTaken = isTupleTaken(table, connection, IP_CT_DIR_ORIGINAL) || isTupleTaken(table, connection, IP_CT_DIR_REPLY);
  if (!isTaken) {
    const number = numberOf(table, connection);
    const slot = slotAt(table, number);
    setReferences(slot, connection, 2);
    link(table, slot, number, connection, IP_CT_DIR_ORIGINAL);
    link(table, slot, number, connection, IP_CT_DIR_REPLY);
    atomic.store<u32>(slot, CONNECTION_INSERTED, ConnectionSlot_state);
  }
  unlockConntrack(table);
  return !isTaken;
}
