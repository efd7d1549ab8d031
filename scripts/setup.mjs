// Makes a fresh clone ready: installs the locked packages and builds, each only when something it depends on has changed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "..");
const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`xdplane needs Node.js 20.19 or newer; this is ${process.version}.`);
  process.exit(2);
}

function run(command, args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ["ignore", 2, 2], shell: process.platform === "win32" });
  if (error) console.error(`could not start ${command}: ${error.message}`);
  if (status !== 0) process.exit(status ?? 1);
}

/** A hash over the names and contents of files, so that a build is redone exactly when its input changed. */
function fingerprint(paths) {
  const hash = createHash("sha256").update(process.versions.node);
  const visit = (path) => {
    const full = join(root, path);
    if (!existsSync(full)) return;
    if (statSync(full).isDirectory()) for (const name of readdirSync(full).sort()) visit(`${path}/${name}`);
    else if (!path.includes(".generated.")) hash.update(path).update("\0").update(readFileSync(full));
  };
  for (const path of paths) visit(path);
  return hash.digest("hex");
}

function whenChanged(stamp, inputs, products, work) {
  const file = join(root, "build", stamp);
  const now = fingerprint(inputs);
  const before = existsSync(file) ? readFileSync(file, "utf8") : "";
  if (before === now && products.every((product) => existsSync(join(root, product)))) return;
  work();
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, fingerprint(inputs));
}

if (!existsSync(join(root, "node_modules/typescript")) || !process.argv.includes("--no-install")) {
  whenChanged("installed", ["package-lock.json"], ["node_modules/typescript"], () => {
    console.error("Installing packages …");
    run("npm", ["ci", "--no-audit", "--no-fund"]);
  });
}
whenChanged(
  "built",
  ["src", "scripts/build.mjs", "tsdown.config.ts", "tsconfig.json", "package-lock.json"],
  ["dist/cli.js", "dist/worker.js"],
  () => {
    console.error("Building …");
    run(process.execPath, ["scripts/build.mjs"]);
  },
);
