import { CpuBlock_random } from "../layout/layout.generated.as";
import { cpu } from "./cpu.as";

/** bpf_get_prandom_u32: xorshift128+ (Sebastiano Vigna), its upper half; the state is this CPU's, seeded from (seed, CPU). */
export function getPrandomU32(): u32 {
  let x = load<u64>(cpu, CpuBlock_random);
  const y = load<u64>(cpu, CpuBlock_random + 8);
  store<u64>(cpu, y, CpuBlock_random);
  x ^= x << 23;
  x ^= (x >> 17) ^ y ^ (y >> 26);
  store<u64>(cpu, x, CpuBlock_random + 8);
  return u32((x + y) >> 32);
}
