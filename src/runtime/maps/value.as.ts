import { MapField_SIZE, MapHeader_fields, MapHeader_value_size } from "../../layout/layout.generated.as";
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
