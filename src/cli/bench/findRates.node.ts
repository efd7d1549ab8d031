import { selectProgram } from "../../bpf/elf/index.ts";
import { builtInProgram, type FoundRate, objectProgram, RateMachine, type RateProgram, rateActions } from "../../lab/index.ts";
import { ProblemError } from "../../problem/index.ts";
import { ObjectOpener, readObject } from "../options/objects.node.ts";
import { parseProgramReference } from "../options/programReference.ts";

interface FindRates {
  /** Built-in programs by name, others as OBJ[:PROGRAM]; the built-in ones where none is named. */
  readonly programs: readonly string[];
  readonly queues: readonly number[] | undefined;
  readonly ring: number | undefined;
  readonly onFound: (what: string) => void;
}

/** As many as the XDP paper's machine has cores. */
const QUEUES = [1, 2, 3, 4, 5, 6];

/** The rates of each program, by numbers of queues. Throws a Problem where an object or its program is not there. */
export async function findRates({ programs, queues = QUEUES, ring, onFound }: FindRates): Promise<FoundRate[]> {
  const wanted = (programs.length === 0 ? rateActions : programs).map(rateProgram);
  const found: FoundRate[] = [];
  for (const program of wanted) {
    for (const count of queues) {
      const machine = await RateMachine.open({ program, queues: count, ...(ring === undefined ? {} : { ring }) });
      found.push(await machine.find());
      onFound(`${program.name} with ${count} queues`);
    }
  }
  return found;
}

function rateProgram(text: string): RateProgram {
  const action = rateActions.find((known) => known === text);
  if (action !== undefined) return builtInProgram(action);
  const { path, program: name } = parseProgramReference(text);
  const object = new ObjectOpener({}).open(readObject(path), path);
  const spec = selectProgram(object, { type: "xdp", ...(name === undefined ? {} : { name }) });
  if (!spec.ok) throw new ProblemError(spec.problem);
  return objectProgram(object, spec.value);
}
