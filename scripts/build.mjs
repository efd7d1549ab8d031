// Builds the package: layout constants for AssemblyScript, the runtime, then the bundles. `node scripts/build.mjs [--runtime-only]`.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import asc from "assemblyscript/asc";
import { build as bundle } from "tsdown";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const at = (...parts) => join(root, ...parts);

/** Writes the structs and numbers of src/layout as AssemblyScript constants: `Struct_field` for offsets, `Struct_SIZE`, and the names as they are. */
async function writeLayout() {
  await bundle({
    config: false,
    cwd: root,
    entry: { layout: "src/layout/index.ts" },
    outDir: "build",
    format: "esm",
    dts: false,
    clean: false,
    logLevel: "error",
  });
  const layout = await import(`${pathToFileURL(at("build/layout.mjs")).href}?${Date.now()}`);
  const lines = ["// Written by scripts/build.mjs from src/layout. Not for editing."];
  for (const [name, value] of Object.entries(layout).sort(([a], [b]) => (a < b ? -1 : 1))) {
    if (typeof value === "number") {
      const type = value < 0 ? "i32" : value > 0xffffffff ? "u64" : "u32";
      lines.push(`export const ${name}: ${type} = ${value};`);
    } else if (typeof value === "object" && value !== null && "field" in value && "size" in value) {
      lines.push(`export const ${name}_SIZE: u32 = ${value.size};`);
      for (const [field, offset] of Object.entries(value.at)) lines.push(`export const ${name}_${field}: u32 = ${offset};`);
    }
  }
  writeIfChanged(at("src/layout/layout.generated.as.ts"), `${lines.join("\n")}\n`);
}

function writeIfChanged(path, text) {
  let old = "";
  try {
    old = readFileSync(path, "utf8");
  } catch {}
  if (old !== text) writeFileSync(path, text);
}

/** Compiles the runtime and holds it to its rules: no allocator, no memory growth, no data segment (workers share one memory). */
async function buildRuntime() {
  mkdirSync(at("build"), { recursive: true });
  const { error, stderr } = await asc.main([
    "src/dataplane/runtime.as.ts",
    ...["--baseDir", root, "--outFile", "build/runtime.wasm", "--textFile", "build/runtime.wat"],
    ...["--runtime", "stub", "--importMemory", "--sharedMemory", "--initialMemory", "1", "--maximumMemory", "65536"],
    ...["--enable", "threads", "--enable", "simd", "--enable", "bulk-memory", "--importTable", "--noExportMemory"],
    ...["-O3", "--noAssert", "--converge", "--memoryBase", "0"],
  ]);
  if (error) {
    process.stderr.write(stderr.toString());
    throw new Error("the AssemblyScript runtime did not compile");
  }
  const text = readFileSync(at("build/runtime.wat"), "utf8");
  const faults = [];
  if (/\(data /.test(text)) faults.push("it holds a data segment: a string, array or static object crept in");
  if (/memory\.grow/.test(text)) faults.push("it grows the memory");
  if (/__new|~lib\/rt\/stub/.test(text)) faults.push("it holds an allocator");
  if (/\(elem /.test(text)) faults.push("it holds a table segment: a function reference crept in");
  if (faults.length > 0) throw new Error(`the runtime breaks its rules: ${faults.join("; ")}`);
  const wasm = readFileSync(at("build/runtime.wasm"));
  writeIfChanged(
    at("src/runtime/runtime.generated.ts"),
    `// Written by scripts/build.mjs. The compiled runtime, ${wasm.length} bytes.\nexport const runtimeBase64 =\n  "${wasm.toString("base64")}";\n`,
  );
}

await writeLayout();
await buildRuntime();
if (!process.argv.includes("--runtime-only")) {
  await bundle({ config: at("tsdown.config.ts"), cwd: root, logLevel: "warn" });
}
