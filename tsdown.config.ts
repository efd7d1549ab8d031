import { defineConfig } from "tsdown";

export default defineConfig({
  entry: { index: "src/index.ts", cli: "src/cli/main.node.ts", worker: "src/dataplane/worker.node.ts" },
  format: "esm",
  platform: "node",
  target: "node20",
  dts: { entry: "src/index.ts" },
  sourcemap: true,
  inputOptions: { checks: { pluginTimings: false } },
  clean: true,
  fixedExtension: false,
});
