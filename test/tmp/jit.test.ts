import { test } from "vitest";
import { runBench } from "../../src/lab/index.ts";
import { benchText } from "../../src/report/index.ts";
test("bench", async () => {
  const only = process.env.ONLY?.split(",");
  const r = await runBench({ ...(only ? { programs: only } : {}), kernel: process.env.NOKERNEL === undefined });
  console.log(benchText(r.measurements));
}, 300000);
