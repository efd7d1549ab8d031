import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    // The machine runs worker threads of its own; a few processes keep the memory bounded.
    pool: "forks",
    maxWorkers: 2,
  },
});
