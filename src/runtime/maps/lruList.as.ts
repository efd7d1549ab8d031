import {
  LruNode_list,
  LruNode_next,
  LruNode_previous,
  LruState_active,
  LruState_active_count,
  LruState_cursor,
  LruState_inactive,
  LruState_inactive_count,
  LruState_nodes,
} from "../../layout/layout.generated.as";

/** Which list a node is in: `LruNode.list`. */
export const ACTIVE: u32 = 1;
export const INACTIVE: u32 = 2;
export const FREE: u32 = 3;
export const LOCAL_PENDING: u32 = 4;
export const LOCAL_FREE: u32 = 5;

/** Doubly linked circular lists of nodes by index; the head of an empty list points to itself. Whoever calls holds the lock of both lists. */
export function nodeAt(state: u32, index: u32): u32 {
  return load<u32>(state, LruState_nodes) + (index << 4);
}

export function nextOf(state: u32, index: u32): u32 {
  return load<u32>(nodeAt(state, index), LruNode_next);
}

export function previousOf(state: u32, index: u32): u32 {
  return load<u32>(nodeAt(state, index), LruNode_previous);
}

function detach(state: u32, index: u32): void {
  const previous = previousOf(state, index);
  const next = nextOf(state, index);
  store<u32>(nodeAt(state, previous), next, LruNode_next);
  store<u32>(nodeAt(state, next), previous, LruNode_previous);
}

/** Takes a node out of its list and leaves it alone, linked to itself. */
export function isolate(state: u32, index: u32): void {
  detach(state, index);
  const node = nodeAt(state, index);
  store<u32>(node, index, LruNode_previous);
  store<u32>(node, index, LruNode_next);
  store<u32>(node, LOCAL_FREE, LruNode_list);
}

/** Puts a node that is in no list at the head. */
export function attach(state: u32, index: u32, head: u32, list: u32): void {
  const first = nextOf(state, head);
  const node = nodeAt(state, index);
  store<u32>(node, head, LruNode_previous);
  store<u32>(node, first, LruNode_next);
  store<u32>(node, list, LruNode_list);
  store<u32>(nodeAt(state, head), index, LruNode_next);
  store<u32>(nodeAt(state, first), index, LruNode_previous);
}

function count(state: u32, list: u32, by: i32): void {
  if (list == ACTIVE) store<i32>(state, load<i32>(state, LruState_active_count) + by, LruState_active_count);
  else if (list == INACTIVE) store<i32>(state, load<i32>(state, LruState_inactive_count) + by, LruState_inactive_count);
}

/** Moves a node to the head of another (or its own) list, keeping the counts, and the rotation's cursor when it stood on this node. */
export function move(state: u32, index: u32, head: u32, list: u32): void {
  if (load<u32>(state, LruState_cursor) == index) store<u32>(state, previousOf(state, index), LruState_cursor);
  count(state, load<u32>(nodeAt(state, index), LruNode_list), -1);
  count(state, list, 1);
  detach(state, index);
  attach(state, index, head, list);
}

export function moveToActive(state: u32, index: u32): void {
  move(state, index, load<u32>(state, LruState_active), ACTIVE);
}

export function moveToInactive(state: u32, index: u32): void {
  move(state, index, load<u32>(state, LruState_inactive), INACTIVE);
}
