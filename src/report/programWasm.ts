import { sizeMaps } from "../bpf/elf/index.ts";
import { compileProgram } from "../bpf/jit/index.ts";
import type { ProgramSpec, ProgramType, ProgramTypeName } from "../bpf/spec.ts";
import { verify } from "../bpf/verifier/index.ts";
import { ProblemError } from "../problem/index.ts";
import {
  compiledMap,
  createCpus,
  createMap,
  instantiateRuntime,
  MapHost,
  mapOperation,
  SimulatedMemory,
  tailCallSlot,
} from "../runtime/index.ts";
import { socketFilterType } from "../stack/index.ts";
import { tcProgramType } from "../tc/index.ts";
import { printModule } from "../wasm/index.ts";
import { xdpProgramType } from "../xdp/index.ts";

const programTypes: Readonly<Record<ProgramTypeName, ProgramType>> = {
  xdp: xdpProgramType,
  sched_cls: tcProgramType,
  socket_filter: socketFilterType,
};

/**
 * The WebAssembly that a program becomes, as text: what the compiler makes of it on a machine with one CPU and no other maps, so addresses of maps are
 * those of such a machine. Throws the rejection of a program that the verifier refuses, and the refusal of a map that cannot be made.
 */
export function programWasm(program: ProgramSpec): string {
  const verified = verify(program, programTypes[program.type]);
  if (!verified.accepted) throw new ProblemError(verified.problem);
  const memory = new SimulatedMemory();
  const cpus = createCpus(memory, { count: 1 });
  // Nothing runs here, so no helper is ever called.
  const runtime = instantiateRuntime(memory.memory, () => undefined);
  const host = new MapHost(memory, runtime, cpus);
  const maps = sizeMaps(program.maps, { cpus: 1 }).map((spec) => compiledMap(createMap(host, spec)));
  return printModule(compileProgram(verified, { slot: 1, maps, mapOperation, tailCallSlot }).bytes);
}
