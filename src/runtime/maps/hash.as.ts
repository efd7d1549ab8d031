import {
  BPF_EXIST,
  BPF_F_LOCK,
  BPF_NOEXIST,
  CpuBlock_id,
  CpuBlock_slot,
  E2BIG,
  EEXIST,
  EINVAL,
  ENOENT,
  HashElement_SIZE,
  HashHeader_spares,
  HashHeader_value_offset,
  MapHeader_cpu_count,
  MapHeader_cpu_stride,
  MapHeader_key_size,
  MapHeader_spin_lock,
  MapHeader_value_size,
} from "../../layout/layout.generated.as";
import { copyBytes } from "../bytes.as";
import { cpu } from "../cpu.as";
import { releaseMapLock, spinLock, spinUnlock, takeMapLock } from "../lock.as";
import { addElement, beginElement, bucketLock, find4, find8, find16, findAny, findLocked, hashOfKey, removeElement } from "./chain.as";
import { freeAsyncs } from "../timers.as";
import { checkReadable } from "../zone.as";
import { giveElement, takeElement } from "./pool.as";
import { clearFields, copyOut, copyValue } from "./value.as";

/**
 * HASH and PERCPU_HASH (chain.as.ts says what readers see, pool.as.ts where elements come from). Facts from kernel/bpf/hashtab.c:
 * an update of an existing key in a HASH gives it another element, the CPU's spare one, and the old element becomes the spare; so a pointer to the
 * old value no longer reaches the map. In a PERCPU_HASH the value is overwritten in place; a new key gets zeros on the other CPUs.
 */
export function hashLookup4(map: u32, key: u32): u32 {
  const element = find4(map, key);
  return element == 0 ? 0 : element + HashElement_SIZE + 8;
}

export function hashLookup8(map: u32, key: u32): u32 {
  const element = find8(map, key);
  return element == 0 ? 0 : element + HashElement_SIZE + 8;
}

export function hashLookup16(map: u32, key: u32): u32 {
  const element = find16(map, key);
  return element == 0 ? 0 : element + HashElement_SIZE + 16;
}

export function hashLookup(map: u32, key: u32): u32 {
  const element = findAny(map, key);
  return element == 0 ? 0 : element + load<u32>(map, HashHeader_value_offset);
}

/** Address of the value that CPU `number` has in an element. */
export function percpuValue(map: u32, element: u32, number: u32): u32 {
  return load<u32>(element + load<u32>(map, HashHeader_value_offset)) + number * load<u32>(map, MapHeader_cpu_stride);
}

export function percpuHashLookup4(map: u32, key: u32): u32 {
  const element = find4(map, key);
  return element == 0 ? 0 : percpuValue(map, element, load<u32>(cpu, CpuBlock_id));
}

export function percpuHashLookup(map: u32, key: u32): u32 {
  const element = findAny(map, key);
  return element == 0 ? 0 : percpuValue(map, element, load<u32>(cpu, CpuBlock_id));
}

/** Copies the value of an element out, in per-CPU kinds those of all CPUs. */
export function copyElement(map: u32, element: u32, to: u32): void {
  const perCpu = load<u32>(map, MapHeader_cpu_stride) != 0;
  copyOut(map, perCpu ? percpuValue(map, element, 0) : element + load<u32>(map, HashHeader_value_offset), to);
}

/** 0 when flags and what was found agree. */
export function checkFlags(found: u32, flags: u64): i32 {
  const mode = flags & ~u64(BPF_F_LOCK);
  if (found != 0 && mode == BPF_NOEXIST) return -i32(EEXIST);
  if (found == 0 && mode == BPF_EXIST) return -i32(ENOENT);
  return 0;
}

/** Writes key and value into an element that nobody else may find yet. Special fields of the value begin as zeros. */
export function writeElement(map: u32, element: u32, key: u32, value: u32): void {
  beginElement(element);
  copyBytes(element + HashElement_SIZE, key, load<u32>(map, MapHeader_key_size));
  const to = element + load<u32>(map, HashHeader_value_offset);
  copyValue(map, to, value);
  clearFields(map, to);
}

/** An element left the table: its timer and work are gone with it. */
export function endElement(map: u32, element: u32): void {
  freeAsyncs(map, element + load<u32>(map, HashHeader_value_offset));
}

/** Copies into an element that is in use, under the value's own lock. */
function updateInPlace(map: u32, element: u32, value: u32): void {
  const to = element + load<u32>(map, HashHeader_value_offset);
  const lock = to + load<u32>(map, MapHeader_spin_lock) - 1;
  spinLock(lock);
  copyValue(map, to, value);
  spinUnlock(lock);
}

/** 0, -EINVAL, -EEXIST, -ENOENT, or -E2BIG when all elements are in use. */
export function hashUpdate(map: u32, key: u32, value: u32, flags: u64): i32 {
  if ((flags & ~u64(BPF_F_LOCK)) > BPF_EXIST) return -i32(EINVAL);
  if ((flags & BPF_F_LOCK) != 0 && load<u32>(map, MapHeader_spin_lock) == 0) return -i32(EINVAL);
  const hash = hashOfKey(map, key);
  const lock = bucketLock(map, hash);
  takeMapLock(lock);
  const error = hashUpdateLocked(map, key, value, flags, hash);
  releaseMapLock(lock);
  return error;
}

function hashUpdateLocked(map: u32, key: u32, value: u32, flags: u64, hash: u32): i32 {
  const old = findLocked(map, key, hash);
  const error = checkFlags(old, flags);
  if (error != 0) return error;
  checkReadable(value, load<u32>(map, MapHeader_value_size));
  if (old != 0 && (flags & BPF_F_LOCK) != 0) {
    updateInPlace(map, old, value);
    return 0;
  }
  let element: u32 = 0;
  const spare = load<u32>(map, HashHeader_spares) + (load<u32>(cpu, CpuBlock_slot) << 2);
  if (old != 0) {
    element = load<u32>(spare);
    store<u32>(spare, 0);
  }
  if (element == 0) element = takeElement(map);
  if (element == 0) return -i32(E2BIG);
  writeElement(map, element, key, value);
  addElement(map, element, hash);
  if (old != 0) {
    removeElement(map, old, hash);
    endElement(map, old);
    store<u32>(spare, old);
  }
  return 0;
}

/** 0 or -ENOENT. */
export function hashDelete(map: u32, key: u32): i32 {
  return hashTake(map, key, 0);
}

/** Deletes, and copies the value to `to` before (0: nowhere). */
export function hashTake(map: u32, key: u32, to: u32): i32 {
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
  giveElement(map, element);
  return 0;
}

export function percpuHashUpdate(map: u32, key: u32, value: u32, flags: u64): i32 {
  return percpuUpdate(map, key, value, flags, false);
}

/** As user space updates it: `values` holds one value for each CPU, each padded to 8 bytes. */
export function percpuHashUpdateAll(map: u32, key: u32, values: u32, flags: u64): i32 {
  return percpuUpdate(map, key, values, flags, true);
}

function percpuUpdate(map: u32, key: u32, values: u32, flags: u64, all: bool): i32 {
  if (flags > BPF_EXIST) return -i32(EINVAL);
  checkValues(map, values, all);
  const hash = hashOfKey(map, key);
  const lock = bucketLock(map, hash);
  takeMapLock(lock);
  const old = findLocked(map, key, hash);
  let error = checkFlags(old, flags);
  if (error == 0) {
    if (old != 0) {
      writePercpu(map, old, values, all, false);
    } else {
      const element = takeElement(map);
      if (element == 0) error = -i32(E2BIG);
      else {
        writePercpuElement(map, element, key, values, all);
        addElement(map, element, hash);
      }
    }
  }
  releaseMapLock(lock);
  return error;
}

/** Ends the run if the values are not in the memory, before an element is taken for them. `all`: one for each CPU, each padded to 8 bytes. */
export function checkValues(map: u32, values: u32, all: bool): void {
  const size = load<u32>(map, MapHeader_value_size);
  checkReadable(values, all ? ((size + 7) & ~7) * load<u32>(map, MapHeader_cpu_count) : size);
}

/** Writes key and values into an element that nobody else may find yet. */
export function writePercpuElement(map: u32, element: u32, key: u32, values: u32, all: bool): void {
  beginElement(element);
  copyBytes(element + HashElement_SIZE, key, load<u32>(map, MapHeader_key_size));
  writePercpu(map, element, values, all, true);
}

/** `all`: one value for each CPU from `values` on. Otherwise the value of the current CPU; `fresh`: zeros on the others. */
export function writePercpu(map: u32, element: u32, values: u32, all: bool, fresh: bool): void {
  const size = load<u32>(map, MapHeader_value_size);
  const stride = (size + 7) & ~7;
  const count = load<u32>(map, MapHeader_cpu_count);
  if (!all && !fresh) {
    copyBytes(percpuValue(map, element, load<u32>(cpu, CpuBlock_id)), values, size);
    return;
  }
  const own = load<u32>(cpu, CpuBlock_id);
  for (let number: u32 = 0; number < count; number++) {
    const to = percpuValue(map, element, number);
    if (all) copyBytes(to, values + number * stride, size);
    else if (number == own) copyBytes(to, values, size);
    else memory.fill(to, 0, size);
  }
}
