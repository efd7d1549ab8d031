import {
  BPF_EXIST,
  BPF_NOEXIST,
  EEXIST,
  EINVAL,
  ENOENT,
  ENOMEM,
  ENOSPC,
  LPM_ENTRY,
  LPM_FREE,
  LPM_INTERMEDIATE,
  LpmHeader_capacity,
  LpmHeader_entries,
  LpmHeader_free,
  LpmHeader_fresh,
  LpmHeader_index,
  LpmHeader_index_bits,
  LpmHeader_lock,
  LpmHeader_max_prefix,
  LpmHeader_root,
  LpmHeader_value_offset,
  LpmHeader_version,
  LpmNode_child0,
  LpmNode_child1,
  LpmNode_kind,
  LpmNode_prefix_length,
  LpmNode_SIZE,
  LpmNode_word,
  LpmSlot_best,
  LpmSlot_node,
  MapHeader_elements,
  MapHeader_key_size,
  MapHeader_max_entries,
  MapHeader_stride,
  MapHeader_value_size,
} from "../../layout/layout.generated.as";
import { copyBytes } from "../bytes.as";
import { burnFuel } from "../fuel.as";
import { releaseMapLock, takeMapLock } from "../lock.as";
import { checkReadable } from "../zone.as";
import { copyValue } from "./value.as";

/**
 * LPM_TRIE: a binary trie with path compression (a node has the whole prefix; where two prefixes part stands an intermediate node), and in
 * front of it an index by the key's first bits that leads past the upper levels.
 *
 *   writer  1. takes the lock   2. version becomes odd   3. changes nodes and index   4. version becomes even   5. releases the lock
 *   reader  1. reads the version   2. walks   3. reads the version again, and walks anew if it was odd or has changed; after READ_TRIES
 *           attempts it takes the lock
 *
 * So a reader never answers from half a change, and nodes may be reused at once. An update of an existing prefix makes a new node, as the
 * kernel does: a pointer to the old value no longer reaches the map. A walk ends after as many steps as the longest prefix has bits.
 * Keys: prefix length (u32), then data, most significant bit first. kernel/bpf/lpm_trie.c for the answers.
 */
const READ_TRIES: u32 = 64;
const DATA: u32 = 4;

/** Bit `at` of key data. */
function bitOf(data: u32, at: u32): u32 {
  return (u32(load<u8>(data + (at >> 3))) >> (7 - (at & 7))) & 1;
}

/** The 32 bits from word `index` of key data on, first bit highest. */
function wordOf(data: u32, index: u32): u32 {
  return bswap<u32>(load<u32>(data + (index << 2)));
}

/** True if the first `bits` (1 to 32) bits of two words are equal. */
function startsAlike(a: u32, b: u32, bits: u32): bool {
  return (a ^ b) >> (32 - bits) == 0;
}

/** True if a node's prefix of `length` bits begins the key, of which the first `known` bits are known to agree. `word`: the key's first 32 bits. */
function matches(node: u32, data: u32, word: u32, length: u32, known: u32): bool {
  if (length <= 32) return length == 0 || startsAlike(load<u32>(node, LpmNode_word), word, length);
  let index = known >> 5;
  let left = length - (index << 5);
  for (; left > 32; left -= 32) {
    if (load<u32>(node + LpmNode_SIZE + (index << 2)) != load<u32>(data + (index << 2))) return false;
    index++;
  }
  return left == 0 || startsAlike(wordOf(node + LpmNode_SIZE, index), wordOf(data, index), left);
}

/** How many of the first `limit` bits of a node and key data are equal. */
function commonBits(node: u32, data: u32, limit: u32): u32 {
  let bits: u32 = 0;
  for (let index: u32 = 0; bits < limit; index++) {
    const different = wordOf(node + LpmNode_SIZE, index) ^ wordOf(data, index);
    if (different != 0) {
      bits += u32(clz<u32>(different));
      break;
    }
    bits += 32;
  }
  return bits < limit ? bits : limit;
}

/** The node of the longest prefix that begins the key (`length` bits), or 0. */
function walk(map: u32, data: u32, length: u32): u32 {
  let node = load<u32>(map, LpmHeader_root);
  let best: u32 = 0;
  const word = wordOf(data, 0);
  const indexBits = load<u32>(map, LpmHeader_index_bits);
  if (indexBits != 0 && length >= indexBits) {
    const slot = load<u32>(map, LpmHeader_index) + ((word >> (32 - indexBits)) << 3);
    node = load<u32>(slot, LpmSlot_node);
    best = load<u32>(slot, LpmSlot_best);
  }
  let known: u32 = 0;
  for (let left = load<u32>(map, LpmHeader_max_prefix) + 1; node != 0 && left > 0; left--) {
    const prefix = load<u32>(node, LpmNode_prefix_length);
    if (prefix > length || !matches(node, data, word, prefix, known)) break;
    if (load<u32>(node, LpmNode_kind) == LPM_ENTRY) best = node;
    if (prefix >= length) break;
    known = prefix;
    node = load<u32>(node + (bitOf(data, prefix) << 2), LpmNode_child0);
  }
  return best;
}

export function lpmLookup(map: u32, key: u32): u32 {
  const length = load<u32>(key);
  if (length > load<u32>(map, LpmHeader_max_prefix)) return 0;
  for (let tries = READ_TRIES; tries > 0; tries--) {
    const version = atomic.load<u32>(map, LpmHeader_version);
    if ((version & 1) != 0) continue;
    const node = walk(map, key + DATA, length);
    if (atomic.load<u32>(map, LpmHeader_version) == version) return node == 0 ? 0 : node + load<u32>(map, LpmHeader_value_offset);
  }
  takeMapLock(map + LpmHeader_lock);
  const node = walk(map, key + DATA, length);
  releaseMapLock(map + LpmHeader_lock);
  return node == 0 ? 0 : node + load<u32>(map, LpmHeader_value_offset);
}

function takeNode(map: u32): u32 {
  const free = load<u32>(map, LpmHeader_free);
  if (free != 0) {
    store<u32>(map, load<u32>(free, LpmNode_child0), LpmHeader_free);
    return free;
  }
  const fresh = load<u32>(map, LpmHeader_fresh);
  if (fresh >= load<u32>(map, LpmHeader_capacity)) return 0;
  store<u32>(map, fresh + 1, LpmHeader_fresh);
  return load<u32>(map, MapHeader_elements) + fresh * load<u32>(map, MapHeader_stride);
}

function giveNode(map: u32, node: u32): void {
  store<u32>(node, LPM_FREE, LpmNode_kind);
  store<u32>(node, load<u32>(map, LpmHeader_free), LpmNode_child0);
  store<u32>(map, node, LpmHeader_free);
}

function writeNode(map: u32, node: u32, data: u32, length: u32, kind: u32): void {
  store<u64>(node, 0, LpmNode_child0);
  store<u32>(node, length, LpmNode_prefix_length);
  store<u32>(node, kind, LpmNode_kind);
  copyBytes(node + LpmNode_SIZE, data, load<u32>(map, MapHeader_key_size) - DATA);
  store<u32>(node, wordOf(node + LpmNode_SIZE, 0), LpmNode_word);
}

/** Renews the index where it may lead through the link below `parent` (0: the root) on the side of the key. */
function renewIndex(map: u32, parent: u32, data: u32): void {
  const indexBits = load<u32>(map, LpmHeader_index_bits);
  if (indexBits == 0) return;
  let fixed: u32 = parent == 0 ? 0 : load<u32>(parent, LpmNode_prefix_length) + 1;
  if (fixed > indexBits) fixed = indexBits;
  const count: u32 = 1 << (indexBits - fixed);
  const first = (wordOf(data, 0) >> (32 - indexBits)) & ~(count - 1);
  for (let at = first; at < first + count; at++) renewSlot(map, at, indexBits);
  burnFuel(i64(count));
}

function renewSlot(map: u32, at: u32, indexBits: u32): void {
  const word = at << (32 - indexBits);
  let node = load<u32>(map, LpmHeader_root);
  let best: u32 = 0;
  for (let left = indexBits; node != 0 && left > 0; left--) {
    const prefix = load<u32>(node, LpmNode_prefix_length);
    if (prefix >= indexBits || (prefix > 0 && !startsAlike(load<u32>(node, LpmNode_word), word, prefix))) break;
    if (load<u32>(node, LpmNode_kind) == LPM_ENTRY) best = node;
    node = load<u32>(node + (((word >> (31 - prefix)) & 1) << 2), LpmNode_child0);
  }
  const slot = load<u32>(map, LpmHeader_index) + (at << 3);
  store<u32>(slot, node, LpmSlot_node);
  store<u32>(slot, best, LpmSlot_best);
}

/** 0, -EINVAL, -EEXIST, -ENOENT, -ENOSPC when max_entries prefixes are there, or -ENOMEM when the memory set aside is used up. */
export function lpmUpdate(map: u32, key: u32, value: u32, flags: u64): i32 {
  if (flags > BPF_EXIST) return -i32(EINVAL);
  if (load<u32>(key) > load<u32>(map, LpmHeader_max_prefix)) return -i32(EINVAL);
  takeMapLock(map + LpmHeader_lock);
  const version = atomic.load<u32>(map, LpmHeader_version) | 1;
  atomic.store<u32>(map, version, LpmHeader_version);
  const error = insert(map, key + DATA, load<u32>(key), value, u32(flags));
  atomic.store<u32>(map, version + 1, LpmHeader_version);
  releaseMapLock(map + LpmHeader_lock);
  return error;
}

function insert(map: u32, data: u32, length: u32, value: u32, flags: u32): i32 {
  let parent: u32 = 0;
  let link = map + LpmHeader_root;
  let node = load<u32>(link);
  let common: u32 = 0;
  for (let left = load<u32>(map, LpmHeader_max_prefix) + 1; node != 0 && left > 0; left--) {
    const prefix = load<u32>(node, LpmNode_prefix_length);
    common = commonBits(node, data, prefix < length ? prefix : length);
    if (common != prefix || prefix == length) break;
    parent = node;
    link = node + LpmNode_child0 + (bitOf(data, prefix) << 2);
    node = load<u32>(link);
  }
  const found = node != 0 && common == length && load<u32>(node, LpmNode_prefix_length) == length;
  const replaces = found && load<u32>(node, LpmNode_kind) == LPM_ENTRY;
  if (replaces) {
    if (flags == BPF_NOEXIST) return -i32(EEXIST);
  } else {
    if (flags == BPF_EXIST) return -i32(ENOENT);
    if (load<u32>(map, LpmHeader_entries) == load<u32>(map, MapHeader_max_entries)) return -i32(ENOSPC);
  }
  checkReadable(value, load<u32>(map, MapHeader_value_size));
  checkReadable(data, load<u32>(map, MapHeader_key_size) - DATA);
  const fresh = takeNode(map);
  if (fresh == 0) return -i32(ENOMEM);
  writeNode(map, fresh, data, length, LPM_ENTRY);
  copyValue(map, fresh + load<u32>(map, LpmHeader_value_offset), value);
  if (found) {
    store<u64>(fresh, load<u64>(node, LpmNode_child0), LpmNode_child0);
    store<u32>(link, fresh);
    giveNode(map, node);
  } else if (node == 0) {
    store<u32>(link, fresh);
  } else if (common == length) {
    store<u32>(fresh + (bitOf(node + LpmNode_SIZE, length) << 2), node, LpmNode_child0);
    store<u32>(link, fresh);
  } else {
    const fork = takeNode(map);
    if (fork == 0) {
      giveNode(map, fresh);
      return -i32(ENOMEM);
    }
    writeNode(map, fork, data, common, LPM_INTERMEDIATE);
    const side = bitOf(data, common);
    store<u32>(fork + (side << 2), fresh, LpmNode_child0);
    store<u32>(fork + ((side ^ 1) << 2), node, LpmNode_child0);
    store<u32>(link, fork);
  }
  if (!replaces) store<u32>(map, load<u32>(map, LpmHeader_entries) + 1, LpmHeader_entries);
  renewIndex(map, parent, data);
  return 0;
}

/** 0, -EINVAL for a prefix that is too long, or -ENOENT. */
export function lpmDelete(map: u32, key: u32): i32 {
  if (load<u32>(key) > load<u32>(map, LpmHeader_max_prefix)) return -i32(EINVAL);
  takeMapLock(map + LpmHeader_lock);
  const version = atomic.load<u32>(map, LpmHeader_version) | 1;
  atomic.store<u32>(map, version, LpmHeader_version);
  const error = remove(map, key + DATA, load<u32>(key));
  atomic.store<u32>(map, version + 1, LpmHeader_version);
  releaseMapLock(map + LpmHeader_lock);
  return error;
}

function remove(map: u32, data: u32, length: u32): i32 {
  let grandparent: u32 = 0;
  let parent: u32 = 0;
  let parentLink: u32 = 0;
  let link = map + LpmHeader_root;
  let node = load<u32>(link);
  for (let left = load<u32>(map, LpmHeader_max_prefix) + 1; node != 0 && left > 0; left--) {
    const prefix = load<u32>(node, LpmNode_prefix_length);
    if (prefix > length || commonBits(node, data, prefix) != prefix) return -i32(ENOENT);
    if (prefix == length) break;
    grandparent = parent;
    parent = node;
    parentLink = link;
    link = node + LpmNode_child0 + (bitOf(data, prefix) << 2);
    node = load<u32>(link);
  }
  if (node == 0 || load<u32>(node, LpmNode_prefix_length) != length || load<u32>(node, LpmNode_kind) != LPM_ENTRY) return -i32(ENOENT);
  store<u32>(map, load<u32>(map, LpmHeader_entries) - 1, LpmHeader_entries);
  const child0 = load<u32>(node, LpmNode_child0);
  const child1 = load<u32>(node, LpmNode_child1);
  if (child0 != 0 && child1 != 0) {
    store<u32>(node, LPM_INTERMEDIATE, LpmNode_kind);
    renewIndex(map, parent, data);
  } else if (child0 == 0 && child1 == 0 && parent != 0 && load<u32>(parent, LpmNode_kind) == LPM_INTERMEDIATE) {
    const side = bitOf(data, load<u32>(parent, LpmNode_prefix_length));
    store<u32>(parentLink, load<u32>(parent + ((side ^ 1) << 2), LpmNode_child0));
    giveNode(map, parent);
    giveNode(map, node);
    renewIndex(map, grandparent, data);
  } else {
    store<u32>(link, child0 != 0 ? child0 : child1);
    giveNode(map, node);
    renewIndex(map, parent, data);
  }
  return 0;
}
