import { CpuBlock_boot_ns, CpuBlock_ktime_ns, CpuBlock_real_ns, HZ, INITIAL_JIFFIES } from "../layout/layout.generated.as";
import { cpu } from "./cpu.as";

const NS_PER_TICK: u64 = 1000000000 / u64(HZ);

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
  return u64(INITIAL_JIFFIES) + load<u64>(cpu, CpuBlock_boot_ns) / NS_PER_TICK;
}
