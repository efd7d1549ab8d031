import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // What is shown is compared as plain text, on a terminal and in CI alike.
    env: { NO_COLOR: "1" },
    testTimeout: 60_000,
    // The machine runs worker threads of its own; a few processes keep the memory bounded.
    pool: "forks",
    maxWorkers: 2,
  },
});
