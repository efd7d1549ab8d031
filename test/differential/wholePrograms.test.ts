import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { openKernel } from "../../src/kernel/index.ts";
import { Campaign } from "./whole/campaign.ts";
import { makeLive } from "./whole/network.ts";

const opened = openKernel();
const why = opened.ok ? "" : ` (skipped: ${opened.problem.message})`;
const live = test.runIf(opened.ok);

/**
 * How many sets of programs, from which seed: 300 in `npm test`. The long run, in slices that fit: XDPLANE_PROGRAMS=100000 XDPLANE_SEED=1 XDPLANE_SECONDS=170
 * npx vitest run test/differential/wholePrograms.test.ts; XDPLANE_COVERAGE=FILE writes the coverage as JSON.
 */
const programs = Number(process.env.XDPLANE_PROGRAMS ?? 300);
const first = Number(process.env.XDPLANE_SEED ?? Date.now() & 0x7fffffff);
const seconds = Number(process.env.XDPLANE_SECONDS ?? 3600);

live(
  `${programs} generated sets of programs do what they do in the live kernel (from seed ${first})${why}`,
  async () => {
    if (!opened.ok) throw new Error(opened.problem.message);
    // Test runs take place on the CPU that they are asked for on; per-CPU values of CPU 0 are compared with those of simulated CPU 0.
    execFileSync("taskset", ["-cp", "0", String(process.pid)], { stdio: "ignore" });
    const campaign = new Campaign(opened.value, 2);
    const end = performance.now() + seconds * 1000;
    await opened.value.inNetworkNamespace(() => {
      makeLive();
      for (let index = 0; index < programs && performance.now() < end; index++) campaign.try(first + index);
    });
    process.stdout.write(`${campaign.summary()}\n${campaign.coverage.text()}\n`);
    const file = process.env.XDPLANE_COVERAGE;
    if (file !== undefined) {
      const { sets, accepted, runs, findings, rejections, coverage } = campaign;
      const rows = Object.fromEntries(coverage.sorted());
      writeFileSync(
        file,
        JSON.stringify({ first, sets, accepted, runs, findings, rejections: Object.fromEntries(rejections), coverage: rows }, null, 1),
      );
    }
    expect(campaign.findings.map(({ text }) => text).join("\n\n")).toBe("");
    expect(campaign.accepted / campaign.sets).toBeGreaterThan(0.8);
  },
  60_000 + programs * 50,
);
