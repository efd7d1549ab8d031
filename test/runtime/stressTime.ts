/** How long each stress test runs: half a second, or XDPLANE_STRESS_SECONDS. */
export const STRESS_MS = Number(process.env.XDPLANE_STRESS_SECONDS ?? 0.5) * 1000;
