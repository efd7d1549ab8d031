// Runs a benchmark of bench/: `node scripts/bench.mjs hashEntries [--save]`. Bundles it first, as it is TypeScript.
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build as bundle } from "tsdown";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
process.chdir(root);
const name = process.argv[2];
if (name === undefined || !/^[A-Za-z]+$/.test(name)) {
  console.error("usage: node scripts/bench.mjs NAME [--save], NAME.ts being a file of bench/");
  process.exit(2);
}
const outDir = "build/bench";
await bundle({
  entry: [`bench/${name}.ts`],
  outDir,
  clean: false,
  config: false,
  format: "esm",
  platform: "node",
  dts: false,
  logLevel: "silent",
  external: ["koffi"],
});
await import(pathToFileURL(join(root, outDir, `${name}.mjs`)).href);
