import { XdpSocket } from "../layout/index.ts";
import type { Device } from "../nic/index.ts";
import type { SimulatedMemory } from "../runtime/index.ts";

/** Bytes of a chunk of the UMEM that a frame may fill: 4,096 less XDP_PACKET_HEADROOM, as copy mode leaves it. */
const CHUNK_ROOM = 4096 - 256;

/** An AF_XDP socket in copy mode. */
export class XdpSocketHandle {
  /** Address of the XdpSocket: the value of an XSKMAP's entry. */
  readonly address: number;
  /** Its number among the machine's sockets, as events have it. */
  readonly number: number;
  readonly #memory: SimulatedMemory;

  constructor(
    memory: SimulatedMemory,
    { device, queue, fill, number }: { readonly device: Device; readonly queue: number; readonly fill: number; readonly number: number },
  ) {
    this.#memory = memory;
    this.number = number;
    this.address = memory.allocate("engine", XdpSocket.size, 8, "AF_XDP socket");
    const { view } = memory;
    XdpSocket.write(view, this.address, "device", device.address);
    XdpSocket.write(view, this.address, "queue", queue);
    XdpSocket.write(view, this.address, "room", CHUNK_ROOM);
    XdpSocket.write(view, this.address, "number", number);
    this.fill = fill;
  }

  /** Chunks in the fill ring. */
  get fill(): number {
    return XdpSocket.read(this.#memory.view, this.address, "fill");
  }

  /** While no CPU runs. */
  set fill(chunks: number) {
    XdpSocket.write(this.#memory.view, this.address, "fill", chunks);
  }
}
