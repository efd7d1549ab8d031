import { readFileSync, writeFileSync } from "node:fs";
import { test } from "vitest";
import { openObject } from "../../src/bpf/elf/index.ts";
import { compileProgram } from "../../src/bpf/jit/index.ts";
import { helperTable } from "../../src/bpf/spec.ts";
import { verify } from "../../src/bpf/verifier/index.ts";
import { generalHelpers } from "../../src/runtime/index.ts";
import { xdpProgramType } from "../../src/xdp/index.ts";
import * as wasm from "../../src/wasm/index.ts";
test("wat", () => {
  const name = process.env.OBJ ?? "bench/protocol_counters";
  const o = openObject(readFileSync(`programs/${name}.o`), { file: name }); if (!o.ok) throw 1;
  const spec = o.value.programs.find((p) => p.name === (process.env.ENTRY ?? "bench"))!;
  const v = verify(spec, xdpProgramType); if (!v.accepted) throw new Error(JSON.stringify(v));
  const c = compileProgram(v, { slot: 1, maps: o.value.maps.map((m, i) => ({ address: 4096 * (i + 1), type: m.type, keySize: m.keySize, valueSize: m.valueSize, maxEntries: m.maxEntries, stride: 16, elements: 1 << 20, cpuStride: 8192, flags: m.flags })), helpers: helperTable(generalHelpers, xdpProgramType.helpers) });
  writeFileSync("/tmp/k.wasm", c.bytes);
  writeFileSync("/tmp/k.wat", (wasm as any).printModule ? (wasm as any).printModule(c.bytes) : JSON.stringify(Object.keys(wasm)));
});
