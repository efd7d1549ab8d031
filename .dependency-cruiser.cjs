/**
 * The arrows of the architecture: which folder may import which. src/problem and src/layout may be imported by all.
 * Imports into another folder go through its index.ts; AssemblyScript files (*.as.ts) name each other directly and obey the same arrows.
 */
const bpfStages = {
  "bpf/isa": [],
  "bpf/btf": ["bpf/isa"],
  "bpf/classic": ["bpf/spec", "bpf/isa"],
  "bpf/elf": ["bpf/spec", "bpf/isa", "bpf/btf"],
  "bpf/verifier": ["bpf/spec", "bpf/isa", "bpf/btf"],
  "bpf/jit": ["bpf/spec", "bpf/isa", "bpf/verifier", "wasm"],
  "bpf/interp": ["bpf/spec", "bpf/isa", "bpf/verifier", "wasm"],
};
const core = ["bpf", "wasm", "packet"];
const hooks = ["runtime", ...core];
const arrows = {
  problem: [],
  layout: [],
  packet: [],
  wasm: [],
  ...bpfStages,
  runtime: core,
  nic: ["packet"],
  xdp: hooks,
  tc: hooks,
  stack: hooks,
  dataplane: ["nic", "xdp", "tc", "stack", ...hooks],
  kernel: ["bpf"],
  lab: ["kernel", "dataplane", "nic", "xdp", "tc", "stack", ...hooks],
  report: ["lab", "kernel", "dataplane", "nic", "xdp", "tc", "stack", ...hooks],
  cli: ["report", "lab", "kernel", "dataplane", "nic", "xdp", "tc", "stack", ...hooks],
};

const arrow = ([folder, targets]) => ({
  name: `${folder} imports only what it may`,
  comment: `See the table in docs/architecture.md.`,
  severity: "error",
  from: { path: `^src/${folder}/` },
  to: {
    path: "^src/",
    pathNot: [`^src/${folder}/`, "^src/layout/", "^src/problem/", ...targets.map((target) => `^src/${target}(/|\\.ts$)`)],
  },
});

module.exports = {
  forbidden: [
    ...Object.entries(arrows).map(arrow),
    {
      name: "spec.ts stands below the stages",
      severity: "error",
      from: { path: "^src/bpf/spec\\.ts$" },
      to: { path: "^src/", pathNot: ["^src/layout/", "^src/problem/", "^src/wasm/", "^src/bpf/(isa|btf)/index\\.ts$"] },
    },
    {
      name: "a folder is entered through its index.ts",
      severity: "error",
      from: { path: "^src/((?:bpf/)?[^/]+)/", pathNot: "\\.as\\.ts$" },
      to: { path: "^src/", pathNot: ["^src/$1/", "/index\\.ts$", "^src/bpf/spec\\.ts$", "\\.node\\.ts$"] },
    },
    {
      name: "only *.node.ts files know Node.js",
      severity: "error",
      from: { path: "^src/", pathNot: "\\.node\\.ts$" },
      to: { dependencyTypes: ["core"] },
    },
    {
      name: "the core knows no Node.js file",
      comment: "A browser must be able to load everything below report but the files named *.node.ts.",
      severity: "error",
      from: { path: "^src/", pathNot: ["\\.node\\.ts$", "^src/(report|cli|lab)/", "^src/index\\.ts$", "^src/[^/]+/index\\.ts$"] },
      to: { path: "\\.node\\.ts$" },
    },
    { name: "no cycles", severity: "error", from: { pathNot: "\\.as\\.ts$" }, to: { circular: true, viaOnly: { dependencyTypesNot: ["type-only"] } } },
    { name: "no orphans", severity: "error", from: { orphan: true, path: "^src/", pathNot: ["\\.as\\.ts$", "\\.d\\.ts$"] }, to: {} },
    { name: "no development dependency in the product", severity: "error", from: { path: "^src/", pathNot: "^src/kernel/" }, to: { dependencyTypes: ["npm-dev"] } },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    exclude: { path: "\\.generated\\." },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { extensions: [".ts", ".js", ".json"], exportsFields: ["exports"], conditionNames: ["import", "default"] },
  },
};
