import fc from "fast-check";
import type { MapName } from "../mapCatalog.ts";
import { type AnyKind, anyOperand, defineKind, flagsOf, upTo } from "../statement.ts";
import { writeKey } from "./maps.ts";

const nested = { array_of_maps: "ARRAY_OF_MAPS", hash_of_maps: "HASH_OF_MAPS" } as const satisfies Partial<Record<MapName, string>>;
type Nested = keyof typeof nested;

export const nestedMapKinds: readonly AnyKind[] = [
  defineKind({
    name: "map in a map",
    subject: "maps",
    weight: 8,
    params: fc.record({
      map: fc.constantFrom(...(Object.keys(nested) as Nested[])),
      key: upTo(3),
      inner: upTo(7),
      operation: fc.constantFrom("lookup", "update", "delete"),
      value: anyOperand,
      flags: flagsOf([1, 2], [3]),
    }),
    covers: ({ map, operation }) => ["bpf_map_lookup_elem", `${nested[map]} lookup`, `${nested[map]} inner ${operation}`],
    stack: 24,
    write(out, { map, key: wanted, inner, operation, value, flags }) {
      const { code } = out;
      const missing = code.label();
      const [at, innerAt, valueAt] = [out.stack(8), out.stack(8), out.stack(8)];
      writeKey(out, map, at, wanted);
      writeKey(out, map, innerAt, inner);
      out.storeOperand(8, valueAt, value);
      out.map(1, map);
      code.frame(2, at);
      out.call("bpf_map_lookup_elem");
      code.when(0, "==", 0, missing);
      code.copy(1, 0);
      code.frame(2, innerAt);
      if (operation === "update") {
        code.frame(3, valueAt);
        code.set(4, flags);
      }
      out.call(`bpf_map_${operation}_elem`);
      if (operation === "lookup") {
        code.when(0, "==", 0, missing);
        code.load(8, 8, 0, 0);
        code.change(8, "+=", 5);
        code.store(8, 0, 0, 8);
        code.copy(0, 8);
      }
      out.keep(0);
      code.place(missing);
    },
  }),
];
