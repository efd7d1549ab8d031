import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { programTypes } from "../../src/dataplane/programTypes.ts";

const facts = new URL("../../../shared/kernel/facts/", import.meta.url);
const page = readFileSync(new URL("../../docs/parity.md", import.meta.url), "utf8");
/** The parts that name what is not built: list items without a tick. */
const open = page.split(/^- /m).filter((item) => item.startsWith("[ ]"));

const here = existsSync(facts);
const withFacts = here ? "" : " (skipped: what Linux offers is not here)";

interface Known {
  readonly known?: boolean;
}

/** Everything that a program of the type may call in Linux 6.18. */
function offered(type: "xdp" | "sched_cls"): { readonly helpers: ReadonlyMap<number, string>; readonly kfuncs: readonly string[] } {
  const key = type === "xdp" ? "xdp" : "tc";
  const read = (name: string): unknown => JSON.parse(readFileSync(new URL(name, facts), "utf8"));
  const { helpers } = read("helpers.json") as { readonly helpers: readonly (Record<"xdp" | "tc", Known> & { id: number; name: string })[] };
  const kfuncs = (read("kfuncs.json") as Record<"xdp" | "tc", readonly string[]>)[key];
  return { helpers: new Map(helpers.filter((one) => one[key].known).map(({ id, name }) => [id, name])), kfuncs };
}

/** Whether an item without a tick has the name as a word of its own; helpers may stand there without their `bpf_`. */
function namedOpen(name: string): boolean {
  const word = new RegExp(`(?<![A-Za-z0-9_])(bpf_)?${name.replace(/^bpf_/, "")}(?![A-Za-z0-9_])`);
  return open.some((item) => word.test(item));
}

test.runIf(here).each(["xdp", "sched_cls"] as const)(
  `every helper and kfunc that Linux offers to %s programs is built, or docs/parity.md names it as not built${withFacts}`,
  (type) => {
    const { helpers, kfuncs } = offered(type);
    const built = programTypes[type];
    const missing = [
      ...[...helpers].filter(([id]) => !built.helpers.has(id)).map(([, name]) => name),
      ...kfuncs.filter((name) => built.kfuncs?.has(name) !== true),
    ];
    expect(missing.filter((name) => !namedOpen(name))).toEqual([]);
    expect(helpers.size + kfuncs.length).toBeGreaterThan(230);
    // And nothing is built that Linux would refuse.
    expect([...built.helpers.keys()].filter((id) => !helpers.has(id))).toEqual([]);
    expect([...(built.kfuncs?.keys() ?? [])].filter((name) => name !== "bpf_throw" && !kfuncs.includes(name))).toEqual([]);
  },
);
