import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { openObject, selectProgram } from "../../../src/bpf/elf/index.ts";

const open = (name: string) => {
  const file = `programs/${name}.o`;
  const opened = openObject(readFileSync(file), { file });
  if (!opened.ok) throw new Error(opened.problem.message);
  return opened.value;
};

test("the balancer is one XDP program with the maps that its source declares", () => {
  const balancer = open("balancer");
  expect(balancer.license).toBe("GPL");
  expect(balancer.programs.map(({ name, section, type, expectedAttachType }) => ({ name, section, type, expectedAttachType }))).toEqual([
    { name: "balancer", section: "xdp", type: "xdp", expectedAttachType: 37 },
  ]);
  expect(balancer.maps.map(({ name }) => name)).toContain("connections");
  expect(balancer.warnings).toEqual([]);
});

test("an object with two TC programs wants one of them named", () => {
  const policy = open("policy");
  const unnamed = selectProgram(policy, { type: "sched_cls" });
  expect(unnamed).toMatchObject({ ok: false, problem: { code: "elf_program_ambiguous", exit: 2 } });
  const named = selectProgram(policy, { type: "sched_cls", name: "egress" });
  expect(named).toMatchObject({ ok: true, value: { name: "egress", type: "sched_cls" } });
});

test("a TC program is not given to an XDP hook", () => {
  expect(selectProgram(open("policy"), { type: "xdp", name: "ingress" })).toMatchObject({
    ok: false,
    problem: { code: "elf_program_other_type" },
  });
});

test("an object without a program is placed at its symbols, or at its start when it has none by that name", () => {
  const object = { ...open("pass_all"), programs: [] };
  const at = object.sections.find(({ name }) => name === ".symtab")!.fileOffset;
  const unnamed = object.sections.map((section) => ({ ...section, name: "" }));
  for (const [sections, offset] of [
    [object.sections, at],
    [unnamed, 0],
  ] as const) {
    const selected = selectProgram({ ...object, sections }, { type: "xdp" });
    expect(selected).toMatchObject({ ok: false, problem: { code: "elf_no_program_of_type", at: { file: "programs/pass_all.o", offset } } });
  }
});
