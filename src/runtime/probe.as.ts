/**
 * Reads of addresses that nobody vouched for: kernel/trace/bpf_trace.c and mm/maccess.c. A simulated machine has one address space, which is the kernel's and as long as the memory; its
 * first page is not there, and no user process is.
 */
import { EFAULT, ERANGE } from "../layout/layout.generated.as";
import { burnFuel } from "./fuel.as";

/** Addresses below are no kernel addresses: the page that NULL points into. */
const LOWEST: u64 = 4096;
/** The upper half of the addresses that an x86-64 has: the kernel's, in Linux. */
const UPPER_HALF: u64 = 0xffff800000000000;
/** Bytes that are looked at for the fuel of one instruction. */
const BYTES_PER_STEP: u32 = 8;

/** Why `size` bytes at an address cannot be read, or 0: -ERANGE where no kernel address begins, -EFAULT where nothing is. */
export function kernelReadFault(address: u64, size: u32): i32 {
  const end = u64(memory.size()) << 16;
  if (address < LOWEST || (address >= end && address < UPPER_HALF)) return -i32(ERANGE);
  return address >= end || u64(size) > end - address ? -i32(EFAULT) : 0;
}

/** bpf_probe_read_kernel: a copy, or zeros and an errno. */
export function probeReadKernel(to: u32, size: u32, from: u64): i32 {
  const fault = kernelReadFault(from, size);
  if (fault != 0) memory.fill(to, 0, size);
  else memory.copy(to, u32(from), size);
  return fault;
}

/** bpf_probe_read_kernel_str: bytes copied with the NUL, which is always there; what lies behind it is left alone. Zeros and an errno where nothing can be read. */
export function probeReadKernelStr(to: u32, size: u32, from: u64): i32 {
  if (size == 0) return 0;
  burnFuel(size / BYTES_PER_STEP);
  let fault = kernelReadFault(from, 1);
  if (fault == 0) {
    const readable = (u64(memory.size()) << 16) - from;
    for (let at: u32 = 0; u64(at) < readable; at++) {
      const letter = at == size - 1 ? <u8>0 : load<u8>(u32(from) + at);
      store<u8>(to + at, letter);
      if (letter == 0) return i32(at) + 1;
    }
    fault = -i32(EFAULT);
  }
  memory.fill(to, 0, size);
  return fault;
}

/** bpf_probe_read_user and bpf_probe_read_user_str: no process runs, so none of its memory can be read. */
export function probeReadUser(to: u32, size: u32): i32 {
  memory.fill(to, 0, size);
  return -i32(EFAULT);
}
