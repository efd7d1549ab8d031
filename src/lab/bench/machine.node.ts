import { execFileSync } from "node:child_process";
import { cpus, release, totalmem, type } from "node:os";

/** What a figure was measured on. */
export interface BenchMachine {
  readonly cpu: string;
  readonly cpus: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  readonly v8: string;
  /** Commit of the working tree, or null outside of one. */
  readonly commit: string | null;
  /** Bytes that one thread of this machine copies in a second, in blocks of 64 MiB. */
  readonly copyBytesPerSecond: number;
}

function commit(): string | null {
  try {
    const cwd = new URL(".", import.meta.url);
    return execFileSync("git", ["describe", "--always", "--dirty"], { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim();
  } catch {
    return null;
  }
}

/** The best of several copies of a block that no cache holds. */
export function measureCopyBandwidth(): number {
  const size = 64 << 20;
  const from = new Uint8Array(size).fill(1);
  const to = new Uint8Array(size);
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 3; round++) {
    const start = performance.now();
    to.set(from);
    best = Math.min(best, performance.now() - start);
  }
  return (size / best) * 1000;
}

export function describeMachine(): BenchMachine {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? "unknown",
    cpus: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    node: process.version,
    v8: process.versions.v8,
    commit: commit(),
    copyBytesPerSecond: measureCopyBandwidth(),
  };
}
