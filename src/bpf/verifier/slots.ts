import { BPF_MAP_TYPE_ARENA, BPF_MAP_TYPE_ARRAY } from "../../layout/index.ts";
import { LOAD_IMMEDIATE_64, rowsOfCode, type Slot } from "../isa/index.ts";
import type { MapSpec } from "../spec.ts";
import { Rejected } from "./rejection.ts";

/** include/linux/bpf_verifier.h: MAX_USED_MAPS, BPF_MAX_VAR_OFF. */
const MAX_USED_MAPS = 64;
const MAX_VALUE_OFFSET = 1 << 29;

const CLASS_LDX = 0x01;
const MODE_MEM = 0x60;
const MODE_MEMSX = 0x80;

/** Every slot begins an instruction that exists, and 64-bit loads are whole and refer to maps that exist. kernel/bpf/verifier.c: resolve_pseudo_ldimm64. */
export function checkSlots(slots: readonly Slot[], maps: readonly MapSpec[]): void {
  const used = new Set<number>();
  for (let index = 0; index < slots.length; index++) {
    const slot = slots[index] as Slot;
    const mode = slot.code & 0xe0;
    if ((slot.code & 0x07) === CLASS_LDX && ((mode !== MODE_MEM && mode !== MODE_MEMSX) || slot.imm !== 0)) {
      throw new Rejected("load_fields", index);
    }
    if (slot.code === LOAD_IMMEDIATE_64) {
      checkWideLoad(slot, slots[index + 1], maps, used);
      index++;
    } else if (rowsOfCode(slot.code).length === 0) {
      throw new Rejected("unknown_opcode", index, { opcode: slot.code.toString(16).padStart(2, "0") });
    }
  }
}

function checkWideLoad(slot: Slot, second: Slot | undefined, maps: readonly MapSpec[], used: Set<number>): void {
  const { index, src, imm, high } = slot;
  if (second === undefined || second.code !== 0 || second.dst !== 0 || second.src !== 0 || second.offset !== 0) {
    throw new Rejected("wide_load_incomplete", index);
  }
  if (src === 0 || src === 3 || src === 4) return;
  if (src > 6 || ((src === 1 || src === 5) && high !== 0)) throw new Rejected("wide_load_unknown", index);
  if (src === 5 || src === 6) throw new Rejected("map_index_without_array", index);
  const map = maps[imm];
  if (map === undefined) throw new Rejected("map_unknown", index, { map: imm, count: maps.length });
  used.add(imm);
  if (used.size > MAX_USED_MAPS) throw new Rejected("too_many_maps", index, { limit: MAX_USED_MAPS });
  if (src === 2) checkMapValue(index, high >>> 0, imm, map);
}

/** kernel/bpf/arraymap.c: array_map_direct_value_addr. An offset into an ARENA is a matter of its own. */
function checkMapValue(index: number, offset: number, number: number, map: MapSpec): void {
  if (offset >= MAX_VALUE_OFFSET) throw new Rejected("map_value_offset", index, { offset });
  if (map.type === BPF_MAP_TYPE_ARENA) return;
  if (map.type !== BPF_MAP_TYPE_ARRAY) throw new Rejected("map_value_access", index, { map: map.name || number });
  if (map.maxEntries !== 1) throw new Rejected("map_value_entries", index, { size: map.valueSize, offset });
  if (offset >= map.valueSize) throw new Rejected("map_value_range", index, { size: map.valueSize, offset });
}
