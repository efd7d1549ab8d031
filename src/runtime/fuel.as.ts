import { CpuBlock_fuel, CpuBlock_trap, TRAP_BUDGET } from "../layout/layout.generated.as";
import { cpu } from "./cpu.as";

/** Takes `steps` from the run's fuel; ends the run when it is used up. */
export function burnFuel(steps: i64): void {
  const left = load<i64>(cpu, CpuBlock_fuel) - steps;
  store<i64>(cpu, left, CpuBlock_fuel);
  if (left < 0) {
    store<u32>(cpu, TRAP_BUDGET, CpuBlock_trap);
    unreachable();
  }
}
