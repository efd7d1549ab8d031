import { ASYNC_TIMER, ASYNC_WORK, AsyncMap, AsyncState, BPF_MAP_TYPE_ARRAY, HashElement, MapField, MapHeader } from "../layout/index.ts";
import { type SpecialField, specialFields } from "./mapFields.ts";
import { type MapPlace, padded } from "./mapLayout.ts";

/** Writes down the special fields of a map that has been laid out, and gives its elements their timers and workqueues. */
export function layOutFields(place: MapPlace): void {
  const { memory, spec, address } = place;
  const fields = specialFields(spec);
  if (fields.length === 0) return;
  const rows = memory.allocate("engine", (fields.length + 1) * MapField.size, 8, spec.name);
  const { view } = memory;
  for (const [index, { offset, size }] of fields.entries()) {
    MapField.write(view, rows + index * MapField.size, "offset", offset);
    MapField.write(view, rows + index * MapField.size, "end", offset + size);
  }
  MapField.write(view, rows + fields.length * MapField.size, "offset", spec.valueSize);
  MapField.write(view, rows + fields.length * MapField.size, "end", spec.valueSize);
  MapHeader.write(view, address, "fields", rows);
  const lock = fields.find(({ kind }) => kind === "bpf_spin_lock");
  MapHeader.write(view, address, "spin_lock", lock === undefined ? 0 : lock.offset + 1);
  const timer = fields.find(({ kind }) => kind === "bpf_timer");
  const work = fields.find(({ kind }) => kind === "bpf_wq");
  if (timer !== undefined || work !== undefined) layOutAsyncs(place, timer, work);
}

function layOutAsyncs({ memory, spec, address, cpuCount }: MapPlace, timer?: SpecialField, work?: SpecialField): void {
  const isArray = spec.type === BPF_MAP_TYPE_ARRAY;
  const elements = MapHeader.read(memory.view, address, "elements");
  // A hash table has spare elements, at most one for each CPU and the host.
  const count = MapHeader.read(memory.view, address, "max_entries") + (isArray ? 0 : cpuCount + 1);
  const values = isArray ? elements : elements + HashElement.size + padded(spec.keySize);
  const asyncs = memory.allocate("engine", AsyncMap.size, 8, spec.name);
  AsyncMap.write(memory.view, asyncs, "values", values);
  AsyncMap.write(memory.view, asyncs, "count", count);
  const layOut = (field: SpecialField | undefined, kind: number, at: "timer_field" | "work_field", states: "timers" | "works"): void => {
    if (field === undefined) return;
    const first = memory.allocate("engine", count * AsyncState.size, 64, spec.name);
    AsyncMap.write(memory.view, asyncs, at, field.offset + 1);
    AsyncMap.write(memory.view, asyncs, states, first);
    // The rest is written by bpf_timer_init.
    if (kind !== 0)
      for (let index = 0; index < count; index++) AsyncState.write(memory.view, first + index * AsyncState.size, "kind", kind);
  };
  layOut(timer, ASYNC_TIMER, "timer_field", "timers");
  layOut(work, ASYNC_WORK, "work_field", "works");
  MapHeader.write(memory.view, address, "asyncs", asyncs);
}
