import {
  MapField_SIZE,
  MapHeader_cpu_count,
  MapHeader_cpu_stride,
  MapHeader_fields,
  MapHeader_value_size,
} from "../../layout/layout.generated.as";
import { copyBytes } from "../bytes.as";

/** Copies a value into a map, leaving alone its special fields (locks, timers, …), as the kernel's copy_map_value does. */
export function copyValue(map: u32, to: u32, from: u32): void {
  const size = load<u32>(map, MapHeader_value_size);
  let row = load<u32>(map, MapHeader_fields);
  if (row == 0) {
    copyBytes(to, from, size);
    return;
  }
  let at: u32 = 0;
  for (;;) {
    const offset = load<u32>(row);
    copyBytes(to + at, from + at, offset - at);
    if (offset >= size) return;
    at = load<u32>(row, 4);
    row += MapField_SIZE;
  }
}

/** Zeroes the special fields of a value that begins its life. */
export function clearFields(map: u32, value: u32): void {
  const size = load<u32>(map, MapHeader_value_size);
  for (let row = load<u32>(map, MapHeader_fields); row != 0; row += MapField_SIZE) {
    const offset = load<u32>(row);
    if (offset >= size) return;
    memory.fill(value + offset, 0, load<u32>(row, 4) - offset);
  }
}

/**
 * Copies a value out as user space gets it: special fields as zeros; in per-CPU kinds those of all CPUs, each padded to 8 bytes. `from`: (CPU 0's) value.
 */
export function copyOut(map: u32, from: u32, to: u32): void {
  const size = load<u32>(map, MapHeader_value_size);
  const stride = load<u32>(map, MapHeader_cpu_stride);
  const count: u32 = stride == 0 ? 1 : load<u32>(map, MapHeader_cpu_count);
  const padded = (size + 7) & ~7;
  for (let number: u32 = 0; number < count; number++) {
    copyBytes(to + number * padded, from + number * stride, size);
    clearFields(map, to + number * padded);
  }
}
