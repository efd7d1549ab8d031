import { CpuBlock_boot_ns, CpuBlock_ktime_ns, CpuBlock_real_ns } from "../layout/layout.generated.as";
import { cpu } from "./cpu.as";

/** Ticks a second of the simulated kernel (CONFIG_HZ); jiffies start 5 minutes before they wrap in 32 bits. include/linux/jiffies.h: INITIAL_JIFFIES. */
const HZ: u64 = 250;
const INITIAL_JIFFIES: u64 = 0xffffffff - 300 * 250 + 1;
const NS_PER_TICK: u64 = 1000000000 / HZ;

/** bpf_ktime_get_ns: CLOCK_MONOTONIC, virtual. */
export function ktimeGetNs(): u64 {
  return load<u64>(cpu, CpuBlock_ktime_ns);
}

/** bpf_ktime_get_boot_ns: CLOCK_BOOTTIME; the simulated machine never sleeps. */
export function ktimeGetBootNs(): u64 {
  return load<u64>(cpu, CpuBlock_boot_ns);
}

/** bpf_ktime_get_coarse_ns: CLOCK_MONOTONIC_COARSE, the time of the last tick. */
export function ktimeGetCoarseNs(): u64 {
  return (load<u64>(cpu, CpuBlock_ktime_ns) / NS_PER_TICK) * NS_PER_TICK;
}

/** bpf_ktime_get_tai_ns: CLOCK_TAI, which is the capture's own time here (the offset between UTC and TAI is 0 until user space sets it). */
export function ktimeGetTaiNs(): u64 {
  return load<u64>(cpu, CpuBlock_real_ns);
}

/** bpf_jiffies64 */
export function jiffies64(): u64 {
  return INITIAL_JIFFIES + load<u64>(cpu, CpuBlock_boot_ns) / NS_PER_TICK;
}
