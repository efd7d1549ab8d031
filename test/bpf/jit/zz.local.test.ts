import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { test } from "vitest";
import { compileProgram } from "../../../src/bpf/jit/index.ts";
import { verify } from "../../../src/bpf/verifier/index.ts";
import { generalHelpers } from "../../../src/runtime/index.ts";
import { xdpProgramType } from "../../../src/xdp/index.ts";
import { tcProgramType } from "../../../src/tc/index.ts";
import { helperTable } from "../../../src/bpf/spec.ts";
import * as uapi from "../../../src/layout/index.ts";

test("all", () => {
  for (const kind of ["xdp", "tc"]) {
    const rows = gunzipSync(readFileSync(`/work/shared/kernel/cases/${kind}.jsonl.gz`)).toString().trim().split("\n").map((l) => JSON.parse(l));
    const base = kind === "xdp" ? xdpProgramType : tcProgramType;
    const type = { ...base, helpers: helperTable(generalHelpers, base.helpers) };
    let ok = 0, bad = 0, rej = 0, ms = 0, insns = 0;
    for (const row of rows) {
      if (!row.accepted) continue;
      const instructions = Uint8Array.from(Buffer.from(row.insns, "hex"));
      const maps = (row.maps ?? []).map((m: any, i: number) => ({ name: `m${i}`, type: (uapi as any)[`BPF_MAP_TYPE_${m.type}`], keySize: m.key_size, valueSize: m.value_size, maxEntries: m.max_entries, flags: m.flags ?? 0 }));
      const functions = (row.func_info ?? []).map((i: number) => ({ instruction: i, name: `f${i}` }));
      const spec: any = { name: row.id, section: "", type: base.name, expectedAttachType: 0, flags: row.prog_flags ?? 0, license: "GPL", instructions, maps, functions, lines: [] };
      const v: any = verify(spec, type);
      if (!v.accepted) { rej++; if (rej < 4) console.log("rejected", row.id, JSON.stringify(v).slice(0, 300)); continue; }
      try {
        const t = performance.now();
        const c = compileProgram(v, { slot: 1, maps: maps.map((m: any) => ({ ...m, address: 4096, stride: 8, elements: 8192, cpuStride: 64 })) });
        ms += performance.now() - t; insns += instructions.length / 8;
        if (WebAssembly.validate(c.bytes)) ok++;
        else { bad++; if (bad < 4) { try { new WebAssembly.Module(c.bytes); } catch (e) { console.log(row.id, String(e)); } } }
      } catch (e) { bad++; if (bad < 6) console.log(row.id, (e as Error).stack); }
    }
    console.log(kind, { ok, bad, rej, ms, insns, per1000: (ms / insns) * 1000 });
  }
}, 300000);
