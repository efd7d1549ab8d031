import fc from "fast-check";
import { expect, test } from "vitest";
import { CodeWriter, ModuleWriter, printModule } from "../../src/wasm/index.ts";

type Code = (code: CodeWriter) => void;

/** A module with one exported function `run` and the environment that programs have: memory, table and a mutable global. */
function moduleWith(parameters: ("i32" | "i64")[], result: "i32" | "i64", write: Code): Uint8Array<ArrayBuffer> {
  const module = new ModuleWriter("test");
  module.importMemory("env", "memory", { minimum: 1, maximum: 65536, shared: true });
  module.importTable("env", "table", { minimum: 4 });
  module.importGlobal("env", "cpu", "i32", true);
  module.importFunction("env", "twice", { parameters: ["i32"], results: ["i32"] });
  const run = module.declare("run", { parameters, results: [result] });
  const code = new CodeWriter(parameters.map((_, index) => `p${index}`));
  write(code);
  module.define(run, code);
  module.exportFunction("run", run);
  return module.finish().bytes as Uint8Array<ArrayBuffer>;
}

const memory = new WebAssembly.Memory({ initial: 1, maximum: 65536, shared: true });
const table = new WebAssembly.Table({ element: "anyfunc", initial: 4 });
const cpu = new WebAssembly.Global({ value: "i32", mutable: true }, 40);

function run(bytes: Uint8Array<ArrayBuffer>, ...args: (number | bigint)[]): number | bigint {
  const twice = (value: number) => value * 2;
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory, table, cpu, twice } });
  return (instance.exports.run as (...args: (number | bigint)[]) => number | bigint)(...args);
}

test("32-bit and 64-bit constants keep every bit", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.integer(), (wide, narrow) => {
      expect(run(moduleWith([], "i64", (code) => code.i64(wide)))).toBe(wide);
      expect(run(moduleWith([], "i64", (code) => code.i64(narrow)))).toBe(BigInt(narrow));
      expect(run(moduleWith([], "i32", (code) => code.i32(narrow)))).toBe(narrow);
    }),
    { numRuns: 200 },
  );
});

test("a branch names its block, however deep it stands", () => {
  const bytes = moduleWith(["i32"], "i32", (code) => {
    const outer = code.block();
    const inner = code.block();
    const innermost = code.block();
    code.get(0);
    code.brTable([innermost, inner], outer);
    code.end();
    code.i32(10);
    code.op("return");
    code.end();
    code.i32(20);
    code.op("return");
    code.end();
    code.i32(30);
  });
  expect([0, 1, 2, 99].map((value) => run(bytes, value))).toEqual([10, 20, 30, 30]);
});

test("a loop sums 1 to n with locals behind the parameters", () => {
  const bytes = moduleWith(["i64"], "i64", (code) => {
    const sum = code.local("i64", "sum");
    const loop = code.loop();
    code.get(sum);
    code.get(0);
    code.op("i64.add");
    code.set(sum);
    code.get(0);
    code.i64(-1);
    code.op("i64.add");
    code.tee(0);
    code.op("i64.eqz");
    code.op("i32.eqz");
    code.brIf(loop);
    code.end();
    code.get(sum);
  });
  expect(run(bytes, 100n)).toBe(5050n);
});

test("loads, stores, atomics, fill, copy, the global and both kinds of call work on the imports", () => {
  table.set(1, null);
  const bytes = moduleWith([], "i64", (code) => {
    code.globalGet(0); // 40
    code.call(0); // 80
    code.i64(0x1122334455667788n);
    code.memory("i64.store", 16); // at 96
    code.i32(80);
    code.i64(1);
    code.memory("i64.atomic.rmw.add", 16);
    code.op("drop");
    code.i32(200);
    code.i32(0xab);
    code.i32(4);
    code.bulk("memory.fill");
    code.i32(100);
    code.i32(200);
    code.i32(2);
    code.bulk("memory.copy");
    code.i32(96);
    code.memory("i64.load", 0, 0);
  });
  expect(BigInt.asUintN(64, run(bytes) as bigint)).toBe(0x1122abab55667789n);
});

test("a tail call through the table passes the result on", () => {
  const module = new ModuleWriter("tail");
  module.importTable("env", "table", { minimum: 4 });
  const type = { parameters: ["i64"], results: ["i64"] } as const;
  const callee = module.declare("callee", type);
  const caller = module.declare("caller", type);
  const add = new CodeWriter(["x"]);
  add.get(0);
  add.i64(7);
  add.op("i64.add");
  module.define(callee, add);
  const jump = new CodeWriter(["x"]);
  jump.get(0);
  jump.i32(2);
  jump.returnCallIndirect(module.type(type));
  module.define(caller, jump);
  module.exportFunction("callee", callee);
  module.exportFunction("caller", caller);
  const { bytes } = module.finish();
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>), { env: { table } });
  table.set(2, instance.exports.callee);
  expect((instance.exports.caller as (x: bigint) => bigint)(35n)).toBe(42n);
});

test("the offset of a function's code is where the engine says that it trapped", () => {
  const module = new ModuleWriter("trapping");
  const declared = ["first", "second"].map((name) => module.declare(name, { parameters: [], results: [] }));
  for (const index of declared) {
    const code = new CodeWriter([]);
    code.local("i64", "unused");
    code.op("nop");
    code.op("unreachable");
    module.define(index, code);
  }
  module.exportFunction("second", declared[1]!);
  const { bytes, codeStart } = module.finish();
  const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes as Uint8Array<ArrayBuffer>));
  let stack = "";
  try {
    (instance.exports.second as () => void)();
  } catch (error) {
    stack = (error as Error).stack ?? "";
  }
  expect(stack).toContain(`wasm-function[1]:0x${(codeStart[1]! + 1).toString(16)}`);
});

test("the printer shows what was written, with names", () => {
  const bytes = moduleWith(["i32", "i64"], "i64", (code) => {
    const temporary = code.local("i64", "t");
    code.get(0);
    code.if("i64");
    code.get(0);
    code.memory("i64.load32_u", 8);
    code.else();
    code.i64(-5);
    code.end();
    code.tee(temporary);
  });
  expect(printModule(bytes)).toBe(`(module $test
  (import "env" "memory" (memory 1 65536 shared))
  (import "env" "table" (table 4 funcref))
  (import "env" "cpu" (global (mut i32)))
  (import "env" "twice" (func (param i32) (result i32)))
  (func $run (param $p0 i32) (param $p1 i64) (result i64)
    (local $t i64)
    local.get $p0
    if (result i64)
      local.get $p0
      i64.load32_u offset=8
    else
      i64.const -5
    end
    local.tee $t
  )
  (export "run" (func $run))
)
`);
});

test("a body of a million instructions is written in linear space and validates", () => {
  const bytes = moduleWith(["i64"], "i64", (code) => {
    for (let i = 0; i < 250_000; i++) {
      code.get(0);
      code.i64(i);
      code.op("i64.xor");
      code.set(0);
    }
    code.get(0);
  });
  expect(WebAssembly.validate(bytes)).toBe(true);
});
