/**
 * The string kfuncs: kernel/bpf/helpers.c, 6.17 and later. Their pointers may be anything; a byte that cannot be read ends them with -ERANGE (no kernel address at all) or -EFAULT.
 * None looks at more than 65,536 bytes (XATTR_SIZE_MAX): -E2BIG. What is not found is -ENOENT.
 */
import { E2BIG, EFAULT, ENOENT, ERANGE } from "../layout/layout.generated.as";
import { burnFuel } from "./fuel.as";
import { kernelReadFault } from "./probe.as";

const LONGEST: u32 = 65536;

/** What no byte is: the address behind it cannot be read. */
const UNREADABLE: u32 = 256;

/** Bytes that are looked at for the fuel of one instruction. */
const BYTES_PER_STEP: u32 = 8;

/** The byte at an address; every eighth of a string burns fuel. */
function byteAt(address: u64): u32 {
  if ((address & (BYTES_PER_STEP - 1)) == 0) burnFuel(1);
  return kernelReadFault(address, 1) != 0 ? UNREADABLE : u32(load<u8>(u32(address)));
}

/** Where a string cannot begin: -ERANGE. */
function outOfRange(address: u64): bool {
  return kernelReadFault(address, 1) == -i32(ERANGE);
}

function lower(letter: u32): u32 {
  // The kernel's tolower knows Latin-1: lib/ctype.c.
  const upper = (letter >= 65 && letter <= 90) || (letter >= 0xc0 && letter <= 0xde && letter != 0xd7);
  return upper ? letter + 32 : letter;
}

function compare(a: u64, b: u64, ignoreCase: bool): i32 {
  if (outOfRange(a) || outOfRange(b)) return -i32(ERANGE);
  for (let at: u32 = 0; at < LONGEST; at++) {
    let left = byteAt(a + at);
    let right = byteAt(b + at);
    if (left == UNREADABLE || right == UNREADABLE) return -i32(EFAULT);
    if (ignoreCase) {
      left = lower(left);
      right = lower(right);
    }
    if (left != right) return left < right ? -1 : 1;
    if (left == 0) return 0;
  }
  return -i32(E2BIG);
}

/** bpf_strcmp: -1, 0 or 1. */
export function bpfStrcmp(a: u64, b: u64): i32 {
  return compare(a, b, false);
}

/** bpf_strcasecmp */
export function bpfStrcasecmp(a: u64, b: u64): i32 {
  return compare(a, b, true);
}

/** Where a letter is first, at most `count` bytes on; -ENOENT at the end, or the end itself. */
function find(text: u64, count: u64, letter: u32, orEnd: bool): i32 {
  if (outOfRange(text)) return -i32(ERANGE);
  letter &= 0xff;
  for (let at: u32 = 0; at < LONGEST; at++) {
    if (u64(at) >= count) return orEnd ? i32(at) : -i32(ENOENT);
    const byte = byteAt(text + at);
    if (byte == UNREADABLE) return -i32(EFAULT);
    if (byte == letter) return i32(at);
    if (byte == 0) return orEnd ? i32(at) : -i32(ENOENT);
  }
  return -i32(E2BIG);
}

/** bpf_strchr */
export function bpfStrchr(text: u64, letter: u32): i32 {
  return find(text, u64.MAX_VALUE, letter, false);
}

/** bpf_strchrnul: the end where the letter is not. */
export function bpfStrchrnul(text: u64, letter: u32): i32 {
  return find(text, u64.MAX_VALUE, letter, true);
}

/** bpf_strnchr */
export function bpfStrnchr(text: u64, count: u64, letter: u32): i32 {
  return find(text, count, letter, false);
}

/** bpf_strrchr: where the letter is last. The letter is an int, unlike its kin's: none is found above 255. */
export function bpfStrrchr(text: u64, letter: u32): i32 {
  if (outOfRange(text)) return -i32(ERANGE);
  let last = -i32(ENOENT);
  for (let at: u32 = 0; at < LONGEST; at++) {
    const byte = byteAt(text + at);
    if (byte == UNREADABLE) return -i32(EFAULT);
    if (byte == letter) last = i32(at);
    if (byte == 0) return last;
  }
  return -i32(E2BIG);
}

/** bpf_strnlen */
export function bpfStrnlen(text: u64, count: u64): i32 {
  return find(text, count, 0, true);
}

/** bpf_strlen */
export function bpfStrlen(text: u64): i32 {
  return find(text, u64.MAX_VALUE, 0, true);
}

/** Length of the first stretch whose letters all are in the set, or all are not. */
function span(text: u64, letters: u64, member: bool): i32 {
  if (outOfRange(text) || outOfRange(letters)) return -i32(ERANGE);
  for (let at: u32 = 0; at < LONGEST; at++) {
    const byte = byteAt(text + at);
    if (byte == UNREADABLE) return -i32(EFAULT);
    if (byte == 0) return i32(at);
    let found = false;
    let index: u32 = 0;
    for (; index < LONGEST; index++) {
      const letter = byteAt(letters + index);
      if (letter == UNREADABLE) return -i32(EFAULT);
      if (letter == byte) {
        found = true;
        break;
      }
      if (letter == 0) break;
    }
    if (index == LONGEST) return -i32(E2BIG);
    if (found != member) return i32(at);
  }
  return -i32(E2BIG);
}

/** bpf_strspn */
export function bpfStrspn(text: u64, accepted: u64): i32 {
  return span(text, accepted, true);
}

/** bpf_strcspn */
export function bpfStrcspn(text: u64, rejected: u64): i32 {
  return span(text, rejected, false);
}

/** bpf_strnstr: where the second string begins in the first `count` bytes of the first. */
export function bpfStrnstr(text: u64, wanted: u64, count: u64): i32 {
  if (outOfRange(text) || outOfRange(wanted)) return -i32(ERANGE);
  for (let at: u32 = 0; at < LONGEST; at++) {
    let index: u32 = 0;
    for (; u64(at) + u64(index) < count && index < LONGEST; index++) {
      const letter = byteAt(wanted + index);
      if (letter == UNREADABLE) return -i32(EFAULT);
      if (letter == 0) return i32(at);
      const byte = byteAt(text + at + index);
      if (byte == UNREADABLE) return -i32(EFAULT);
      if (byte == 0) return -i32(ENOENT);
      if (byte != letter) break;
    }
    if (index == LONGEST) return -i32(E2BIG);
    if (u64(at) + u64(index) == count) return byteAt(wanted + index) == 0 ? i32(at) : -i32(ENOENT);
  }
  return -i32(E2BIG);
}

/** bpf_strstr */
export function bpfStrstr(text: u64, wanted: u64): i32 {
  return bpfStrnstr(text, wanted, u64.MAX_VALUE);
}
