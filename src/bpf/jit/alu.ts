import { type FunctionContext, pushNarrow, pushRegister, setRegister } from "./context.ts";
import { type Expression, type ExpressionOperations, expressionOperations } from "./expression.ts";
import { factOf } from "./facts.ts";
import { comparesWithNull, type Operation, type Source } from "./operation.ts";

/** Operations for the context's code at a width; made once for each. */
export class AluWriter {
  readonly #context: FunctionContext;
  /** Of 32 bits and of 64, each plain and negated. */
  readonly #operations: (ExpressionOperations | undefined)[] = [];

  constructor(context: FunctionContext) {
    this.#context = context;
  }

  #at(width: 32 | 64, negated: boolean): ExpressionOperations {
    const index = (width === 64 ? 2 : 0) + (negated ? 1 : 0);
    this.#operations[index] ??= expressionOperations(this.#context.code, width, negated, this.#context.scratch);
    return this.#operations[index];
  }

  #register(register: number, width: 32 | 64): Expression {
    const context = this.#context;
    return { push: width === 64 ? () => pushRegister(context, register) : () => pushNarrow(context, register) };
  }

  #source(on: ExpressionOperations, source: Source): Expression {
    return "register" in source ? this.#register(source.register, on.width) : on.constant(source.immediate);
  }

  /** dst = meaning(dst, source); the 32-bit forms clear the upper half. */
  assign({ meaning, name, width, dst, source }: Extract<Operation, { kind: "alu" }>): void {
    const { code } = this.#context;
    if (name === "mov" && width === 32 && "immediate" in source) code.i64(source.immediate >>> 0);
    else {
      const on = this.#at(width, false);
      meaning(on, this.#register(dst, width), this.#source(on, source)).push();
      if (width === 32) code.op("i64.extend_i32_u");
    }
    setRegister(this.#context, dst);
  }

  /** Pushes an i32 that is not zero when the branch is taken; `negated`: when it is not taken. */
  condition(branch: Extract<Operation, { kind: "branch" }>, negated: boolean): void {
    const { condition, width, dst, source } = branch;
    const { code, state } = this.#context;
    const value = factOf(state, dst);
    const isNull = comparesWithNull(branch, dst);
    if (isNull !== undefined && value?.kind === "mapValue" && value.present && value.offset === 0) {
      // The lookup cannot have failed; the engine drops the dead arm.
      code.i32(isNull === negated ? 1 : 0);
      return;
    }
    const on = this.#at(width, negated);
    condition(on, this.#register(dst, width), this.#source(on, source)).push();
  }
}
