/**
 * Ends a run as a trap of compiled code does: it is an error of WebAssembly, passes through the runtime's frames, and is caught by whoever started the run.
 */
export class InterpreterTrap extends WebAssembly.RuntimeError {
  /** Name of the program, and the instruction that trapped. */
  readonly program: string;
  readonly instruction: number;

  constructor(message: string, program: string, instruction: number) {
    super(message);
    this.name = "InterpreterTrap";
    this.program = program;
    this.instruction = instruction;
  }
}
