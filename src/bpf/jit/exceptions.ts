import { MAX_BPF_STACK } from "../../layout/index.ts";
import { FUNCTION_ENDED, type FunctionContext, passRegister, pushCpuField, pushRegister, storeCpuField, storeFuel } from "./context.ts";

/**
 * bpf_throw: no exception of WebAssembly. A flag in the CPU block says that one is under way; whoever called anything returns while it is set, up to the program, which
 * clears it and ends with what the exception callback makes of the cookie. kernel/bpf/helpers.c: bpf_throw.
 */
export function emitThrow(context: FunctionContext): void {
  storeCpuField(context, "exception_cookie", () => pushRegister(context, 1), "i64");
  storeCpuField(context, "exception", () => context.code.i32(1));
  emitUnwind(context);
}

/** After a call or callback of a program that can throw. */
export function emitThrownCheck(context: FunctionContext): void {
  const { code, program } = context;
  if (!program.throws) return;
  pushCpuField(context, "exception");
  code.if();
  emitUnwind(context);
  code.end();
}

/** Ends the function; a subprogram's result means nothing to its caller, who looks at the flag. */
function emitUnwind(context: FunctionContext): void {
  const { code, shape } = context;
  storeFuel(context);
  if (shape === "program") emitCatch(context);
  else if (shape === "part") {
    passRegister(context, 0, () => code.i64(0));
    code.i32(FUNCTION_ENDED);
  } else code.i64(0);
  code.op("return");
}

/** Pushes what a run ends with that threw: the exception callback's result, or the cookie. Clears the flag. */
export function emitCatch(context: Pick<FunctionContext, "code" | "program" | "frame">): void {
  const { code, program } = context;
  const clear = () => storeCpuField(context, "exception", () => code.i32(0));
  clear();
  pushCpuField(context, "exception_cookie", "i64");
  if (program.exceptionCallback === undefined) return;
  for (let register = 2; register <= 5; register++) code.i64(0);
  pushCalleeFrame(context);
  code.call(program.functionAt(program.exceptionCallback));
  clear();
}

/** Pushes the lowest address of the frame below this function's. */
export function pushCalleeFrame({ code, frame }: Pick<FunctionContext, "code" | "frame">): void {
  code.get(frame);
  code.i32(MAX_BPF_STACK);
  code.op("i32.sub");
}
