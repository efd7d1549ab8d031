import fc from "fast-check";
import { expect, test } from "vitest";
import type { DataplaneOptions, RunResult } from "../../src/dataplane/index.ts";
import { BPF_MAP_TYPE_DEVMAP } from "../../src/layout/index.ts";
import { bytesFromMemory, openCapture, udp } from "../../src/packet/index.ts";
import { pcap, type Sent, spec, TestMachine, word, words } from "./machine.ts";

/** What the last byte of a packet makes the program return or do; the rest are verdicts as they are. */
const REDIRECT = 4;
const TRAP = 6;

/** Returns the packet's last byte; 4 redirects through a devmap, 6 reads where no memory is. */
const obedient = `
    r2 = *(u32 *)(r1 + 4)
    r2 += -1
    r6 = *(u8 *)(r2 + 0)
    if r6 == ${TRAP} goto trap
    if r6 == ${REDIRECT} goto redirect
    r0 = r6
    exit
    redirect:
    r1 = map[0]
    r2 = 0
    r3 = 0
    call 51
    exit
    trap:
    r1 = 0xfffffff0
    r0 = *(u64 *)(r1 + 0)
    exit`;

function machine(options: Partial<DataplaneOptions>): TestMachine {
  const made = new TestMachine({ devices: [{ name: "eth0", queues: 3, mtu: 200 }, { name: "eth1" }], cpus: 2, ...options });
  const map = made.map({ name: "ports", type: BPF_MAP_TYPE_DEVMAP, maxEntries: 1 });
  map.update(word(0), words(made.dataplane.device("eth1")!.ifindex));
  made.attach("xdp", made.load(spec("obedient", obedient, "xdp", [map.spec]), [map]));
  return made;
}

const comparable = ({ elapsedNs: _, workers: __, ...result }: RunResult) => result;

const sent: fc.Arbitrary<Sent> = fc
  .record({ flow: fc.nat(20), kind: fc.oneof({ weight: 4, arbitrary: fc.constant(1) }, fc.nat(8)), size: fc.constantFrom(1, 40, 199, 300) })
  .map(({ flow, kind, size }) => {
    const payload = new Uint8Array(size);
    payload[size - 1] = kind;
    return udp({ from: `10.0.0.${flow}:4000`, to: "10.0.1.1:53", payload });
  });

test("the summary counts every packet once, the same with and without records of outcomes", async () => {
  const seed = Date.now() & 0x7fffffff;
  console.info(`seed ${seed}`);
  await fc.assert(
    fc.asyncProperty(fc.array(sent, { minLength: 1, maxLength: 300 }), async (packets) => {
      const { outcomes, result } = await machine({}).replay(packets, { keepBytes: true });
      const plain = machine({}).dataplane;
      const source = await openCapture(plain.memory, bytesFromMemory(pcap(packets)), { name: "test.pcap", resident: 1 << 20 });
      expect(comparable(await plain.run(source))).toEqual(comparable(result));

      expect(outcomes.length).toBe(packets.length);
      for (const { fate, to, reason, packets: counted, bytes } of result.fates) {
        const own = outcomes.filter((outcome) => outcome.fate === fate && outcome.to === to && outcome.reason === reason);
        expect([counted, bytes]).toEqual([own.length, own.reduce((sum, { len }) => sum + len, 0)]);
      }
      for (const { queue, device, packets: received, bytes, fates } of result.queues) {
        const own = outcomes.filter((outcome) => outcome.queue === queue && outcome.dev === device);
        const taken = own.filter(({ reason }) => reason !== "rx_length_errors");
        expect([received, bytes]).toEqual([taken.length, taken.reduce((sum, { len }) => sum + len, 0)]);
        expect(Object.values(fates).reduce((sum, count) => sum + count, 0)).toBe(own.length);
      }
      const verdicts: Record<string, number> = {};
      for (const { steps } of outcomes) for (const { verdict } of steps) verdicts[verdict] = (verdicts[verdict] ?? 0) + 1;
      expect(result.programs[0]?.verdicts ?? {}).toEqual(verdicts);
    }),
    { seed, numRuns: 60 },
  );
});
