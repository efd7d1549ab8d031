/**
 * Reads of addresses that nobody vouched for. A simulated machine has one address space, which is the kernel's: its first page and what lies behind the memory are not
 * there, and no user process is.
 */
import { EFAULT, ERANGE } from "../layout/layout.generated.as";

/** Addresses below are no kernel addresses: the page that NULL points into. */
export const LOWEST_KERNEL_ADDRESS: u64 = 4096;

/** Why `size` bytes at an address cannot be read, or 0. mm/maccess.c: copy_from_kernel_nofault. */
export function kernelReadFault(address: u64, size: u32): i32 {
  if (address < LOWEST_KERNEL_ADDRESS) return -i32(ERANGE);
  const end = u64(memory.size()) << 16;
  return address > end || u64(size) > end - address ? -i32(EFAULT) : 0;
}
