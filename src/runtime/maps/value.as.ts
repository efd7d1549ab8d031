import { MapHeader_spin_lock, MapHeader_value_size } from "../../layout/layout.generated.as";
import { copyBytes } from "../bytes.as";

/** Copies a value into a map, leaving alone the bpf_spin_lock in it, as the kernel's copy_map_value does. */
export function copyValue(map: u32, to: u32, from: u32): void {
  const size = load<u32>(map, MapHeader_value_size);
  const lock = load<u32>(map, MapHeader_spin_lock);
  if (lock == 0) {
    copyBytes(to, from, size);
    return;
  }
  const before = lock - 1;
  copyBytes(to, from, before);
  copyBytes(to + before + 4, from + before + 4, size - before - 4);
}
