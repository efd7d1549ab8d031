import { AsyncMap, AsyncState, MapHeader } from "../layout/index.ts";
import type { SimulatedMemory } from "./memory.ts";

/**
 * Table slots of the callbacks that timers and workqueues in a map's values have: as in Linux they hold their programs, whether they are started or not, until they are cancelled, get
 * another callback, or their element goes. kernel/bpf/helpers.c: __bpf_async_set_callback.
 */
export function callbackSlots({ view }: SimulatedMemory, map: { readonly address: number }): ReadonlySet<number> {
  const asyncs = MapHeader.read(view, map.address, "asyncs");
  const slots = new Set<number>();
  if (asyncs === 0) return slots;
  const count = AsyncMap.read(view, asyncs, "count");
  for (const kind of ["timers", "works"] as const) {
    const first = AsyncMap.read(view, asyncs, kind);
    for (let index = 0; first !== 0 && index < count; index++) {
      const state = first + index * AsyncState.size;
      const callback = AsyncState.read(view, state, "callback");
      if (callback !== 0 && AsyncState.read(view, state, "ready") === 1) slots.add(callback);
    }
  }
  return slots;
}
