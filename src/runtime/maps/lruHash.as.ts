import {
  BPF_EXIST,
  CpuBlock_id,
  EINVAL,
  ENOENT,
  ENOMEM,
  HashElement_link,
  HashElement_SIZE,
  HashHeader_value_offset,
} from "../../layout/layout.generated.as";
import { cpu } from "../cpu.as";
import { burnFuel } from "../fuel.as";
import { releaseMapLock, takeMapLock } from "../lock.as";
import { addElement, bucketLock, find4, find8, find16, findAny, findLocked, findOwing, hashOfKey, removeElement } from "./chain.as";
import { checkFlags, checkValues, copyElement, endElement, percpuValue, writeElement, writePercpu, writePercpuElement } from "./hash.as";
import { lruGive, lruTake } from "./lru.as";

/**
 * LRU_HASH and LRU_PERCPU_HASH: hash tables (chain.as.ts) whose elements come from lru.as.ts, so that an update of a full map gives up an old entry
 * instead of failing. As in kernel/bpf/hashtab.c an element is taken before the key is looked for, even to replace a value or to fail
 * with -EEXIST, so such an update may cost another entry its place.
 */
export function touch(element: u32): void {
  if (load<u32>(element, HashElement_link) == 0) store<u32>(element, 1, HashElement_link);
}

export function lruLookup4(map: u32, key: u32): u32 {
  const element = find4(map, key);
  if (element == 0) return 0;
  touch(element);
  return element + HashElement_SIZE + 8;
}

export function lruLookup8(map: u32, key: u32): u32 {
  const element = find8(map, key);
  if (element == 0) return 0;
  touch(element);
  return element + HashElement_SIZE + 8;
}

export function lruLookup16(map: u32, key: u32): u32 {
  const element = find16(map, key);
  if (element == 0) return 0;
  touch(element);
  return element + HashElement_SIZE + 16;
}

export function lruLookup(map: u32, key: u32): u32 {
  const element = findAny(map, key);
  if (element == 0) return 0;
  touch(element);
  return element + load<u32>(map, HashHeader_value_offset);
}

export function lruPercpuLookup(map: u32, key: u32): u32 {
  const element = findAny(map, key);
  if (element == 0) return 0;
  touch(element);
  return percpuValue(map, element, load<u32>(cpu, CpuBlock_id));
}

/** Ends a run that owes fuel while nothing is in its hands. */
function beginUpdate(): void {
  burnFuel(0);
}

/** 0, -EINVAL, -EEXIST, -ENOENT, or -ENOMEM when no element can be given up. From taking the element to its place in the table nothing ends the run. */
export function lruUpdate(map: u32, key: u32, value: u32, flags: u64): i32 {
  if (flags > BPF_EXIST) return -i32(EINVAL);
  const hash = hashOfKey(map, key);
  beginUpdate();
  checkValues(map, value, false);
  const element = lruTake(map, hash);
  if (element == 0) return -i32(ENOMEM);
  writeElement(map, element, key, value);
  const lock = bucketLock(map, hash);
  takeMapLock(lock);
  const old = findOwing(map, key, hash);
  const error = checkFlags(old, flags);
  if (error == 0) {
    addElement(map, element, hash);
    if (old != 0) {
      store<u32>(element, 1, HashElement_link);
      removeElement(map, old, hash);
    }
  }
  releaseMapLock(lock);
  if (error != 0) lruGive(map, element);
  else if (old != 0) {
    endElement(map, old);
    lruGive(map, old);
  }
  return error;
}

export function lruDelete(map: u32, key: u32): i32 {
  return lruTakeElem(map, key, 0);
}

/** Deletes, and copies the value to `to` before (0: nowhere). */
export function lruTakeElem(map: u32, key: u32, to: u32): i32 {
  const hash = hashOfKey(map, key);
  const lock = bucketLock(map, hash);
  takeMapLock(lock);
  const element = findLocked(map, key, hash);
  if (element != 0) {
    if (to != 0) copyElement(map, element, to);
    removeElement(map, element, hash);
  }
  releaseMapLock(lock);
  if (element == 0) return -i32(ENOENT);
  endElement(map, element);
  lruGive(map, element);
  return 0;
}

export function lruPercpuUpdate(map: u32, key: u32, value: u32, flags: u64): i32 {
  return updatePercpu(map, key, value, flags, false);
}

/** As user space updates it: `values` holds one value for each CPU, each padded to 8 bytes. */
export function lruPercpuUpdateAll(map: u32, key: u32, values: u32, flags: u64): i32 {
  return updatePercpu(map, key, values, flags, true);
}

function updatePercpu(map: u32, key: u32, values: u32, flags: u64, all: bool): i32 {
  if (flags > BPF_EXIST) return -i32(EINVAL);
  const hash = hashOfKey(map, key);
  beginUpdate();
  checkValues(map, values, all);
  let element: u32 = 0;
  if (flags != BPF_EXIST) {
    element = lruTake(map, hash);
    if (element == 0) return -i32(ENOMEM);
  }
  const lock = bucketLock(map, hash);
  takeMapLock(lock);
  const old = findOwing(map, key, hash);
  const error = checkFlags(old, flags);
  if (error == 0) {
    if (old != 0) {
      store<u32>(old, 1, HashElement_link);
      writePercpu(map, old, values, all, false);
    } else {
      writePercpuElement(map, element, key, values, all);
      addElement(map, element, hash);
      element = 0;
    }
  }
  releaseMapLock(lock);
  if (element != 0) lruGive(map, element);
  return error;
}
